// The store of a layer's parts: lists, copies on write, bytes, what attention sees of it, and the
// way to bytes and back with every format.
#include "engine/part_store.h"

#include <cstring>

#include "base/crc32c.h"
#include "engine/part_file.h"
#include "engine/requantizer.h"
#include "test/harness.h"
#include "test/tile_cases.h"

namespace qpkv {
namespace {

using namespace tile_cases;

// What lies on the device, on the host.
template <class T>
std::vector<T> ReadBack(Engine& engine, const T* data, size_t count) {
  std::vector<T> values(count);
  if (count > 0) engine.Download(values.data(), data, count * sizeof(T));
  return values;
}

// As a plan says it.
plan::PackedFormat Planned(const TensorFormat& format) {
  plan::PackedFormat planned;
  planned.bits = format.bits;
  planned.scale_per = format.scale_per;
  planned.group = format.group;
  planned.metadata = format.metadata == Element::kF32 ? plan::PackedFormat::Metadata::kF32
                                                      : plan::PackedFormat::Metadata::kF16;
  planned.zero = format.zero;
  if (format.levels != nullptr)
    planned.levels = plan::Codebook{{format.levels, format.levels + (size_t{1} << format.bits)}};
  planned.outliers = format.outlier_fraction;
  return planned;
}

// packed, then recent.
LayerPlan* FillPlan(LayerPlan* plan, const TensorFormat& packed) {
  plan->segments.resize(2);
  plan->segments[0].role = Role::kPacked;
  plan->segments[1].role = Role::kRecent;
  if (packed.rope_before) plan->keys.rope = plan::KeyStorage::Rope::kBefore;
  if (packed.bits == 16)
    plan->segments[0].key = plan->segments[0].value = plan::ExactFormat{packed.element};
  else
    plan->segments[0].key = plan->segments[0].value = Planned(packed);
  return plan;
}

struct Made {
  std::shared_ptr<Engine> engine;
  LayerPlan plan;
  std::shared_ptr<FormatTable> formats;
  std::unique_ptr<PartStore> store;
  PartNeeds needs;
};

std::unique_ptr<PartStore> EmptyStore(const Made& made, int heads, int dim) {
  return std::make_unique<PartStore>(made.engine, made.formats, heads, dim, made.needs);
}

// Heads with a full packed part, a short one and a recent one with free slots.
std::unique_ptr<Made> MakeStore(const TensorFormat& packed, int heads, int dim, bool marks) {
  auto made = std::make_unique<Made>();
  made->engine = std::make_shared<Engine>(EngineTables().front(), 2);
  FillPlan(&made->plan, packed);
  made->needs.positions = made->needs.mask = marks;
  made->formats = std::make_shared<FormatTable>(made->engine, made->plan);
  made->store = EmptyStore(*made, heads, dim);
  PartStore& store = *made->store;
  const std::vector<float> x = RandomTokens(5, kTileTokens, dim);
  Buffer source(made->engine->device, x.size() * sizeof(float));
  made->engine->Upload(source.data(), x.data(), x.size() * sizeof(float));
  std::vector<int32_t> positions(kTileTokens);
  for (int t = 0; t < kTileTokens; ++t) positions[static_cast<size_t>(t)] = 2 * t;
  std::vector<PackItem> items;
  struct Cut {
    int segment, part_tokens, tokens;
  };
  for (int head = 0; head < heads; ++head)
    for (Tensor tensor : {Tensor::kKey, Tensor::kValue})
      for (const Cut& cut :
           {Cut{0, kTileTokens, kTileTokens}, Cut{0, 37, 37}, Cut{1, 32, 19 + head}}) {
        const size_t index = store.list(head, tensor).parts.size();
        const StoredPart& part = store.Open(head, tensor, index, cut.segment, cut.part_tokens);
        PackItem item{};
        item.shape = store.ShapeOf(tensor, part);
        item.out = part.block->data;
        item.source = source.floats();
        item.positions = OnHost<const int32_t>(positions.data());
        item.tokens = cut.tokens;
        items.push_back(item);
        store.Extend(head, tensor, index, cut.tokens);
      }
  made->engine->ops.Pack(made->engine->stream, {OnHost<const PackItem>(items.data()),
                                                static_cast<int>(items.size()), dim});
  return made;
}

std::vector<uint8_t> BytesOf(const Made& made, const PartStore& store) {
  ByteWriter out;
  WriteParts(*made.engine, store, &out);
  return out.Take();
}

bool Refused(const Made& made, const std::vector<uint8_t>& bytes, int heads, int dim) {
  const std::unique_ptr<PartStore> store = EmptyStore(made, heads, dim);
  ByteReader in(bytes.data(), bytes.size());
  try {
    ReadParts(*made.engine, &in, store.get());
  } catch (const Error& error) {
    return std::strcmp(error.code(), "KV_DATA") == 0;
  }
  return false;
}

QPKV_TEST(PartStoreSharesUntilItIsWritten) {
  const auto made = MakeStore(Coded(4, ScalePer::kToken, 16), 2, 32, false);
  PartStore& store = *made->store;
  PartStore fork(store);
  const size_t bytes = store.bytes();
  Expect("the same memory",
         fork.list(0, Tensor::kKey).parts[1].block == store.list(0, Tensor::kKey).parts[1].block);
  fork.Own(0, Tensor::kKey, 1);
  const StoredPart& mine = fork.list(0, Tensor::kKey).parts[1];
  const StoredPart& theirs = store.list(0, Tensor::kKey).parts[1];
  Expect("a copy", mine.block != theirs.block);
  const auto bytes_of = [&](const StoredPart& part) {
    return ReadBack(*made->engine, part.block->data, part.block->bytes);
  };
  Expect("of the same bytes", bytes_of(mine) == bytes_of(theirs));
  fork.Own(0, Tensor::kKey, 1);
  Expect("once", fork.list(0, Tensor::kKey).parts[1].block->data == mine.block->data);
  fork.Erase(1, Tensor::kValue, 0, 2);
  Expect("the other keeps its lists", store.tokens(1) == kTileTokens + 37 + 20 &&
                                          store.list(1, Tensor::kValue).parts.size() == 3);
  Expect("and its bytes", store.bytes() == bytes && fork.bytes() < bytes);
  Expect("the rest moves up", fork.list(1, Tensor::kValue).parts[0].first == 0 &&
                                  fork.list(1, Tensor::kValue).tokens == 20);
}

// The tables after any change are those of a store that is synchronised for the first time.
QPKV_TEST(PartStoreTablesFollowItsLists) {
  const auto made = MakeStore(Coded(4, ScalePer::kToken, 16), 3, 32, false);
  PartStore& store = *made->store;
  const auto sync = [&](PartStore* of) {
    DeviceWrites writes;
    of->Sync(&writes, 500, 400);
    writes.Run(*made->engine);
  };
  const auto check = [&](const char* what) {
    PartStore fresh(store);
    sync(&store);
    sync(&fresh);
    const size_t heads = static_cast<size_t>(store.heads());
    const std::vector<HeadView> mine = ReadBack(*made->engine, store.views(), heads),
                                theirs = ReadBack(*made->engine, fresh.views(), heads);
    const auto same_parts = [&](const Part* a, const Part* b, int count) {
      const size_t parts = static_cast<size_t>(count);
      const std::vector<Part> of_a = ReadBack(*made->engine, a, parts),
                              of_b = ReadBack(*made->engine, b, parts);
      return std::memcmp(of_a.data(), of_b.data(), parts * sizeof(Part)) == 0;
    };
    for (size_t h = 0; h < heads; ++h) {
      const HeadView &a = mine[h], &b = theirs[h];
      Expect(Label("%s head %zu", what, h),
             a.key_parts == b.key_parts && a.value_parts == b.value_parts && a.tokens == b.tokens &&
                 a.last_position == 500 && a.last_index == 400 &&
                 same_parts(a.keys, b.keys, a.key_parts) &&
                 same_parts(a.values, b.values, a.value_parts));
    }
  };
  check("at first");
  check("again");
  store.Extend(0, Tensor::kKey, 2, 3), store.Extend(0, Tensor::kValue, 2, 3);
  check("more tokens");
  for (int i = 0; i < 9; ++i)
    for (Tensor tensor : {Tensor::kKey, Tensor::kValue}) {
      store.Open(1, tensor, store.list(1, tensor).parts.size(), 1, 16);
      store.Extend(1, tensor, store.list(1, tensor).parts.size() - 1, 16);
    }
  check("more parts than the table had room for");
  store.Erase(1, Tensor::kKey, 2, 5), store.Erase(1, Tensor::kValue, 2, 5);
  check("parts out of the middle");
  store.Open(2, Tensor::kKey, 1, 0, 16);
  store.Extend(2, Tensor::kKey, 1, 16);
  check("a part between");
  PartStore fork(store);
  store.Own(0, Tensor::kKey, 0);
  check("a part of its own");
}

QPKV_TEST(PartStoreComesBackFromBytesInEveryFormat) {
  const int dim = 40, heads = 2;
  for (const TensorFormat& format : Formats(dim))
    for (bool marks : {false, true}) {
      const auto made = MakeStore(format, heads, dim, marks);
      const std::vector<uint8_t> bytes = BytesOf(*made, *made->store);
      const std::unique_ptr<PartStore> back = EmptyStore(*made, heads, dim);
      ByteReader in(bytes.data(), bytes.size());
      ReadParts(*made->engine, &in, back.get());
      const std::string label = NameOf(format) + (marks ? " with marks" : "");
      Expect(label + ": all read", in.left() == 0);
      Expect(label + ": bytes", back->bytes() == made->store->bytes());
      Expect(label + ": the same bytes again", BytesOf(*made, *back) == bytes);
    }
}

// Bytes of a store with three parts a list, and where things lie in them.
struct Forgery {
  std::vector<uint8_t> bytes;
  size_t sum = 0;      // of the header's sum
  size_t records = 0;  // of the lists

  explicit Forgery(std::vector<uint8_t> from, int lists) : bytes(std::move(from)) {
    for (uint32_t stored = 0; stored != Crc32c(bytes.data(), sum) || sum == 0;) {
      sum += 4;
      std::memcpy(&stored, bytes.data() + sum, 4);
    }
    records = sum - static_cast<size_t>(lists) * (4 + 3 * 16);
  }
  size_t data() const { return AlignUp(sum + 4, kRegisterBytes); }
  uint8_t* part_sum(int part) {
    return bytes.data() + records + static_cast<size_t>(part / 3) * 52 + 4 +
           static_cast<size_t>(part % 3) * 16 + 12;
  }
  void FixHeader() {
    const uint32_t fitting = Crc32c(bytes.data(), sum);
    std::memcpy(bytes.data() + sum, &fitting, 4);
  }
};

TensorFormat FragileFormat() {
  TensorFormat format = Coded(3, ScalePer::kToken, 32, ZeroPoint::kInteger);
  format.outlier_fraction = 0.02;
  return format;
}

// Whatever is cut off or changed is refused; only the padding behind the header means nothing.
QPKV_TEST(PartStoreRefusesDamage) {
  const int dim = 40, heads = 2;
  const auto made = MakeStore(FragileFormat(), heads, dim, true);
  const Forgery good(BytesOf(*made, *made->store), 2 * heads);
  Expect("good bytes are read", !Refused(*made, good.bytes, heads, dim));
  Random random(3);
  for (size_t size = 0; size < good.bytes.size(); size += 1 + random.Next() % 97) {
    const std::vector<uint8_t> cut(good.bytes.begin(),
                                   good.bytes.begin() + static_cast<long>(size));
    Expect(Label("cut to %zu", size), Refused(*made, cut, heads, dim));
  }
  for (int i = 0; i < 1500; ++i) {
    std::vector<uint8_t> bad = good.bytes;
    const size_t at = random.Next() % (i % 2 == 0 ? good.sum + 4 : bad.size());
    bad[at] = static_cast<uint8_t>(bad[at] ^ (1 + random.Next() % 255));
    const bool padding = at >= good.sum + 4 && at < good.data();
    Expect(Label("byte %zu", at), Refused(*made, bad, heads, dim) != padding);
  }
  const auto other = MakeStore(Coded(4, ScalePer::kToken, 32), heads, dim, true);
  Expect("another plan", Refused(*other, good.bytes, heads, dim));
  Expect("another number of heads", Refused(*made, good.bytes, heads + 1, dim));
  Expect("another head dim", Refused(*made, good.bytes, heads, dim + 2));
}

// With sums that fit what was changed, the checks behind them stand alone. What they let pass is
// read without harm.
QPKV_TEST(PartStoreSurvivesForgedSums) {
  const int dim = 40, heads = 2, parts = 3 * 2 * heads;
  const auto made = MakeStore(FragileFormat(), heads, dim, true);
  const Forgery good(BytesOf(*made, *made->store), 2 * heads);
  std::vector<size_t> begins = {good.data()};
  for (int head = 0; head < heads; ++head)
    for (Tensor tensor : {Tensor::kKey, Tensor::kValue})
      for (const StoredPart& part : made->store->list(head, tensor).parts)
        begins.push_back(begins.back() + part.block->bytes);
  Random random(5);
  int passed = 0, refused = 0;
  for (int i = 0; i < 2000; ++i) {
    Forgery bad = good;
    if (i % 2 == 0) {
      bad.bytes[good.records + random.Next() % (good.sum - good.records)] =
          static_cast<uint8_t>(random.Next() % (i % 4 == 0 ? 256 : 4));
    } else {
      const int part = random.Below(parts);
      const size_t begin = begins[static_cast<size_t>(part)];
      const size_t size = begins[static_cast<size_t>(part) + 1] - begin;
      for (int n = 0; n < 4; ++n)
        bad.bytes[begin + random.Next() % size] = static_cast<uint8_t>(random.Next());
      const uint32_t fitting = Crc32c(bad.bytes.data() + begin, size);
      std::memcpy(bad.part_sum(part), &fitting, 4);
    }
    bad.FixHeader();
    const std::unique_ptr<PartStore> store = EmptyStore(*made, heads, dim);
    ByteReader in(bad.bytes.data(), bad.bytes.size());
    try {
      ReadParts(*made->engine, &in, store.get());
    } catch (const Error&) {
      ++refused;
      continue;
    }
    ++passed;
    Requantizer requantizer;
    for (int head = 0; head < heads; ++head)
      for (Tensor tensor : {Tensor::kKey, Tensor::kValue})
        for (const StoredPart& part : store->list(head, tensor).parts)
          requantizer.Read(*store, tensor, part);
    const size_t index = store->list(0, Tensor::kKey).parts.size();
    requantizer.Write(*store,
                      {Tensor::kKey, &store->Open(0, Tensor::kKey, index, 1, 16), 0, 0, 16});
    requantizer.Run(*made->engine, dim);
  }
  Expect(Label("%d passed, %d refused", passed, refused), passed > 100 && refused > 100);
}

}  // namespace
}  // namespace qpkv
