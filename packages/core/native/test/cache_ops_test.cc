// The ops on a sequence's cache in the layer loop, of every table against the reference.
#include <cmath>
#include <cstring>

#include "test/harness.h"
#include "test/tile_cases.h"

namespace qpkv {
namespace {

using namespace tile_cases;

// Heads with lists of empty parts, filled with 0xff, for `tokens` tokens.
struct EmptyHeads {
  std::vector<Bytes> data;
  std::vector<size_t> bytes;
  std::vector<std::vector<Part>> lists;
  std::vector<HeadView> views;

  EmptyHeads(int heads, const TensorFormat& key, const TensorFormat& value, int dim,
             const std::vector<int>& parts, int tokens, PartNeeds needs) {
    for (int h = 0; h < heads; ++h)
      for (Tensor tensor : {Tensor::kKey, Tensor::kValue}) {
        const bool is_key = tensor == Tensor::kKey;
        std::vector<Part> list;
        int first = 0;
        for (int slots : parts) {
          const size_t size =
              LayoutOf(tensor, is_key ? key : value, slots, dim, is_key ? needs : PartNeeds{})
                  .bytes;
          data.emplace_back(static_cast<uint8_t*>(AllocateAligned(size)), Released{size});
          std::memset(data.back().get(), 0xff, size);
          bytes.push_back(size);
          list.push_back({data.back().get(), first, static_cast<uint16_t>(slots), 0});
          first += slots;
        }
        lists.push_back(std::move(list));
      }
    for (int h = 0; h < heads; ++h) {
      HeadView view{};
      view.keys = lists[2 * static_cast<size_t>(h)].data();
      view.values = lists[2 * static_cast<size_t>(h) + 1].data();
      view.key_parts = view.value_parts = static_cast<int32_t>(parts.size());
      view.tokens = tokens;
      view.last_position = 1000 + h;
      view.last_index = 500 + h;
      views.push_back(view);
    }
  }
};

// Rows that lie across the ends of parts, one stored head of two query heads' keys each.
QPKV_TEST(AppendTokensEqualsReference) {
  const int heads = 4, sources = 2, rows = 41;
  PartNeeds needs;
  needs.positions = needs.mask = true;
  for (int dim : {4, 40, 64, 100})
    for (Element element : {Element::kBf16, Element::kF16, Element::kF32}) {
      const TensorFormat key = Exact(element), value = Exact(Element::kBf16);
      const std::vector<float> x = RandomTokens(dim, rows, 2 * sources * dim);
      const auto append = [&](const Ops& ops, EmptyHeads* to) {
        CacheItem item{};
        item.key_formats = &key;
        item.value_formats = &value;
        item.keys = x.data();
        item.values = x.data() + sources * dim;
        item.kv_stride = 2 * sources * dim;
        item.kv_head_stride = dim;
        item.heads_per_source = heads / sources;
        item.head_count = heads;
        item.group = 1;
        item.needs = needs;
        // The first 9 alone, then the rest, so that a part is continued.
        for (int done = 0; done < rows;) {
          item.rows = done == 0 ? 9 : rows - 9;
          for (HeadView& view : to->views) {
            view.tokens = done + item.rows;
            view.key_parts = view.value_parts = 0;
            for (const Part& part : to->lists.front())
              view.value_parts = view.key_parts += part.first < view.tokens;
          }
          item.heads = to->views.data();
          item.keys = x.data() + static_cast<size_t>(done) * item.kv_stride;
          item.values = item.keys + sources * dim;
          ops.AppendTokens(TestStream(), {&item, 1, dim, heads, item.rows});
          done += item.rows;
          // The newest leaves: what is appended behind it must not bring it back.
          for (size_t h = 0; done == 9 && h < to->views.size(); ++h) {
            const Part& part = to->lists[2 * h].front();
            const PartLayout at = LayoutOf(Tensor::kKey, key, part.part_tokens, dim, needs);
            part.data[at.mask + 1] &= 0xfe;
          }
        }
      };
      EmptyHeads want(heads, key, value, dim, {16, 16, 32}, rows, needs);
      append(Reference(), &want);
      for (const Ops* ops : Tables()) {
        EmptyHeads got(heads, key, value, dim, {16, 16, 32}, rows, needs);
        append(*ops, &got);
        for (size_t i = 0; i < got.data.size(); ++i)
          ExpectEqualBytes(
              Label("%s dim %d element %d part %zu", ops->name, dim, static_cast<int>(element), i),
              got.data[i].get(), want.data[i].get(), want.bytes[i]);
      }
    }
}

struct Scores {
  int heads, tokens, stride;
  std::vector<float> scores, mass;
  std::vector<int32_t> positions, evicted;
  std::vector<uint8_t> valid;
  std::vector<HeadView> views;
};

// Scores with many ties, some tokens gone already; positions ascend or not.
Scores MakeScores(uint64_t seed, int heads, int tokens, bool ascending, int most) {
  Random random(seed);
  Scores s{heads, tokens, tokens + 5, {}, {}, {}, {}, {}, {}};
  const size_t cells = static_cast<size_t>(heads) * s.stride;
  for (size_t i = 0; i < cells; ++i) {
    s.scores.push_back(static_cast<float>(random.Below(6)));
    s.mass.push_back(static_cast<float>(random.Below(4)) / 3);
    s.valid.push_back(random.Below(5) > 0);
    const int slot = static_cast<int>(i) % s.stride;
    s.positions.push_back(ascending ? 3 * slot : 3 * ((slot * 7 + 3) % s.stride));
  }
  s.evicted.assign(static_cast<size_t>(heads) * static_cast<size_t>(most), 77);
  s.views.resize(static_cast<size_t>(heads));
  for (HeadView& view : s.views) view.tokens = tokens;
  return s;
}

QPKV_TEST(EvictLowestEqualsReference) {
  for (int tokens : {1, 7, 40, 130})
    for (bool ascending : {true, false})
      for (int protect_last : {0, 1, 5, 200})
        for (int capacity : {0, 3, 30, 500}) {
          const int most = 12;
          const Scores start =
              MakeScores(static_cast<uint64_t>(tokens + capacity), 3, tokens, ascending, most);
          const auto evict = [&](const Ops& ops) {
            Scores s = start;
            CacheItem item{};
            item.heads = s.views.data();
            item.token_mass = s.mass.data();
            item.mass_stride = s.stride;
            item.head_count = s.heads;
            item.rows = item.group = 1;
            item.running = {s.scores.data(), s.positions.data(),
                            s.valid.data(),  s.evicted.data(),
                            s.stride,        most,
                            capacity,        9,
                            protect_last,    0.3f};
            ops.EvictLowest(TestStream(), {&item, 1, s.heads});
            return s;
          };
          const Scores want = evict(Reference());
          for (const Ops* ops : Tables()) {
            const Scores got = evict(*ops);
            Expect(Label("%s tokens %d capacity %d protect %d", ops->name, tokens, capacity,
                         protect_last),
                   got.evicted == want.evicted && got.valid == want.valid &&
                       got.scores == want.scores && got.positions == want.positions);
          }
        }
}

// Lists that grow, shrink and turn round; -1 is a token that had no score.
QPKV_TEST(MoveScores) {
  Random random(83);
  for (int heads : {1, 3})
    for (int count : {0, 1, 65, 300}) {
      const int from_stride = 310, to_stride = count + 5;
      const std::vector<float> from = random.Normals(static_cast<size_t>(heads) * from_stride);
      std::vector<int32_t> index(static_cast<size_t>(heads) * count);
      for (size_t i = 0; i < index.size(); ++i)
        index[i] = i % 7 == 3 ? -1 : static_cast<int32_t>(random.Next() % 310);
      std::vector<float> want(static_cast<size_t>(heads) * to_stride, 7.5f);
      for (int head = 0; head < heads; ++head)
        for (int t = 0; t < count; ++t) {
          const int32_t i = index[static_cast<size_t>(head) * count + t];
          want[static_cast<size_t>(head) * to_stride + t] =
              i < 0 ? 0 : from[static_cast<size_t>(head) * from_stride + i];
        }
      std::vector<const Ops*> tables = Tables();
      tables.push_back(&Reference());
      for (const Ops* ops : tables) {
        std::vector<float> to(want.size(), 7.5f), other(want.size(), 7.5f);
        const MoveScoresItem items[] = {
            {from.data(), to.data(), OnHost<const int32_t>(index.data()), heads, count, from_stride,
             to_stride},
            {from.data(), other.data(), OnHost<const int32_t>(index.data()), heads, count,
             from_stride, to_stride}};
        ops->MoveScores(TestStream(), {OnHost<const MoveScoresItem>(items), 2});
        const std::string label = Label("%s heads %d count %d", ops->name, heads, count);
        ExpectEqualBytes(label, to.data(), want.data(), sizeof(float) * to.size());
        ExpectEqualBytes(label, other.data(), want.data(), sizeof(float) * to.size());
      }
    }
}

// By hand: the lowest of those that may leave, of equal ones the newer, until the capacity is met.
QPKV_TEST(EvictLowestKnown) {
  std::vector<const Ops*> tables = Tables();
  tables.push_back(&Reference());
  for (const Ops* ops : tables) {
    std::vector<float> scores = {0, 5, 1, 3, 1, 0.5f, 0, 0};
    std::vector<float> mass = {0, 0, 2, 0, 2, 0, 0, 9};
    std::vector<int32_t> positions = {0, 1, 2, 3, 4, 5, 6, 7}, evicted(4, 77);
    std::vector<uint8_t> valid = {1, 1, 1, 1, 1, 0, 1, 1};
    HeadView view{};
    view.tokens = 8;
    CacheItem item{};
    item.heads = &view;
    item.token_mass = mass.data();
    item.mass_stride = 8;
    item.head_count = item.rows = item.group = 1;
    item.running = {scores.data(), positions.data(), valid.data(), evicted.data(), 8, 4, 4, 1, 2,
                    1.0f};
    ops->EvictLowest(TestStream(), {&item, 1, 1});
    // 0 is protected, 5 is gone, 6 and 7 are the newest two; 2, 3 and 4 hold 3 each.
    Expect(Label("%s evicted", ops->name), evicted == std::vector<int32_t>({4, 3, 2, -1}));
  }
}

}  // namespace
}  // namespace qpkv
