// See part_file.h.
#include "engine/part_file.h"

#include <cmath>

#include "base/crc32c.h"

namespace qpkv {
namespace {

constexpr char kMagic[8] = {'q', 'p', 'k', 'v', 'p', 'a', 'r', 't'};
constexpr uint32_t kLayoutVersion = 2;  // of ops/tile_layout.h and of this file
constexpr Tensor kTensors[] = {Tensor::kKey, Tensor::kValue};

// What must be the same in plan and bytes. Codebooks lie on the device: they are read back.
void WriteFormat(Engine& engine, const TensorFormat& format, ByteWriter* out) {
  out->Put(static_cast<int32_t>(format.bits));
  out->Put(static_cast<int32_t>(format.element));
  out->Put(static_cast<int32_t>(format.rope_before));
  out->Put(static_cast<int32_t>(format.scale_per));
  out->Put(static_cast<int32_t>(format.group));
  out->Put(static_cast<int32_t>(format.metadata));
  out->Put(static_cast<int32_t>(format.zero));
  out->Put(static_cast<int32_t>(format.solver));
  out->Put(static_cast<int32_t>(format.outlier_rule));
  out->Put(static_cast<int32_t>(format.balance_steps));
  out->Put(format.least);
  out->Put(format.spread);
  out->Put(format.outlier_fraction);
  out->Put(format.outlier_threshold);
  std::vector<float> levels(format.levels == nullptr ? 0 : size_t{1} << format.bits);
  if (!levels.empty()) engine.Download(levels.data(), format.levels, levels.size() * sizeof(float));
  out->PutList(levels);
}

void WriteShape(Engine& engine, const PartStore& store, ByteWriter* out) {
  out->Append(kMagic, sizeof(kMagic));
  out->Put(kLayoutVersion);
  out->Put(static_cast<uint32_t>(store.heads()));
  out->Put(static_cast<uint32_t>(store.head_dim()));
  out->Put(static_cast<uint32_t>(store.needs(Tensor::kKey).positions));
  out->Put(static_cast<uint32_t>(store.needs(Tensor::kKey).mask));
  out->Put(static_cast<uint32_t>(store.formats().segments()));
  for (Tensor tensor : kTensors)
    for (int i = 0; i < store.formats().segments(); ++i)
      WriteFormat(engine, store.formats().Get(tensor, i), out);
  for (Tensor tensor : kTensors) {
    const StoredForm& form = store.formats().Form(tensor);
    out->Put(static_cast<uint32_t>(form.center));
    out->Put(static_cast<uint32_t>(form.rotate));
    out->PutList(form.signs);
  }
}

// Of keys that are stored less of them, [heads, headDim].
std::vector<float> ReadMeans(ByteReader* in, const PartStore& store) {
  std::vector<float> means;
  if (!store.formats().Form(Tensor::kKey).center) return means;
  for (int i = 0; i < store.heads() * store.head_dim(); ++i) {
    means.push_back(in->Get<float>());
    if (!std::isfinite(means.back())) ByteReader::Refuse("a mean is no number");
  }
  return means;
}

struct PartRecord {
  Tensor tensor;
  int head, tokens, part_tokens, segment;
  uint32_t crc;
};

// One part as the header names it, held against what a part can be.
PartRecord ReadRecord(ByteReader* in, const PartStore& store, Tensor tensor, int head) {
  const auto number = [&](uint32_t least, uint32_t most) {
    const uint32_t value = in->Get<uint32_t>();
    if (value < least || value > most) ByteReader::Refuse("a part's size or segment is impossible");
    return static_cast<int>(value);
  };
  PartRecord record{tensor, head, 0, 0, 0, 0};
  record.part_tokens = number(1, kTileTokens);
  record.tokens = number(1, static_cast<uint32_t>(record.part_tokens));
  record.segment = number(0, static_cast<uint32_t>(store.formats().segments()) - 1);
  record.crc = in->Get<uint32_t>();
  return record;
}

// The lists of all heads. Key and value lists hold the same number of tokens, and segments follow
// one another.
std::vector<PartRecord> ReadRecords(ByteReader* in, const PartStore& store) {
  std::vector<PartRecord> records;
  for (int head = 0; head < store.heads(); ++head) {
    int64_t tokens[2] = {0, 0};
    for (Tensor tensor : kTensors) {
      const uint32_t count = in->Get<uint32_t>();
      for (uint32_t i = 0; i < count; ++i) {
        records.push_back(ReadRecord(in, store, tensor, head));
        const PartRecord& record = records.back();
        if (i > 0 && record.segment < records[records.size() - 2].segment)
          ByteReader::Refuse("its segments are out of order");
        tokens[tensor == Tensor::kKey ? 0 : 1] += record.tokens;
      }
    }
    if (tokens[0] != tokens[1] || tokens[0] > INT32_MAX)
      ByteReader::Refuse("a head's keys and values differ in number");
  }
  return records;
}

}  // namespace

void WriteParts(Engine& engine, const PartStore& store, ByteWriter* out) {
  out->AlignTo(kRegisterBytes);
  const size_t begin = out->size();
  WriteShape(engine, store, out);
  const bool center = store.formats().Form(Tensor::kKey).center;
  std::vector<float> means(
      center ? static_cast<size_t>(store.heads()) * static_cast<size_t>(store.head_dim()) : 0);
  if (center) engine.Download(means.data(), store.means(), means.size() * sizeof(float));
  for (float mean : means) out->Put(mean);
  std::vector<std::vector<uint8_t>> parts;
  for (int head = 0; head < store.heads(); ++head)
    for (Tensor tensor : kTensors) {
      const PartList& list = store.list(head, tensor);
      out->Put(static_cast<uint32_t>(list.parts.size()));
      for (const StoredPart& part : list.parts) {
        parts.emplace_back(part.block->bytes);
        engine.Download(parts.back().data(), part.block->data, part.block->bytes);
        out->Put(static_cast<uint32_t>(part.part_tokens));
        out->Put(static_cast<uint32_t>(part.tokens));
        out->Put(static_cast<uint32_t>(part.segment));
        out->Put(Crc32c(parts.back().data(), parts.back().size()));
      }
    }
  out->Put(Crc32c(out->data() + begin, out->size() - begin));
  out->AlignTo(kRegisterBytes);
  for (const std::vector<uint8_t>& part : parts) out->Append(part.data(), part.size());
}

void ReadParts(Engine& engine, ByteReader* in, PartStore* store) {
  in->AlignTo(kRegisterBytes);
  const size_t begin = in->at();
  const uint8_t* start = in->Skip(0);
  ByteWriter wanted;
  WriteShape(engine, *store, &wanted);
  const uint8_t* shape = in->Skip(wanted.size());
  if (std::memcmp(shape, kMagic, sizeof(kMagic)) != 0)
    ByteReader::Refuse("it holds something else");
  if (std::memcmp(shape, wanted.data(), wanted.size()) != 0)
    ByteReader::Refuse("it was stored with another plan, model or version of the layout");
  const std::vector<float> means = ReadMeans(in, *store);
  const std::vector<PartRecord> records = ReadRecords(in, *store);
  const uint32_t sum = Crc32c(start, in->at() - begin);
  if (in->Get<uint32_t>() != sum) ByteReader::Refuse("its list of parts is damaged");
  in->AlignTo(kRegisterBytes);
  size_t bytes = 0;
  for (const PartRecord& record : records)
    bytes += store->PartBytes(record.tensor, record.segment, record.part_tokens);
  if (bytes > in->left()) ByteReader::Refuse("it ends too early");
  if (!means.empty()) bytes += store->MeanBytes();
  if (bytes > 0) store->Reserve(bytes);
  if (!means.empty()) engine.Upload(store->OpenMeans(), means.data(), means.size() * sizeof(float));
  std::vector<CheckItem> checks;
  for (const PartRecord& record : records) {
    const PartList& list = store->list(record.head, record.tensor);
    const size_t index = list.parts.size();
    const StoredPart& part =
        store->Open(record.head, record.tensor, index, record.segment, record.part_tokens);
    const uint8_t* from = in->Skip(part.block->bytes);
    if (Crc32c(from, part.block->bytes) != record.crc) ByteReader::Refuse("a part is damaged");
    engine.Upload(part.block->data, from, part.block->bytes);
    checks.push_back({store->ShapeOf(record.tensor, part), part.block->data, record.tokens});
    store->Extend(record.head, record.tensor, index, record.tokens);
  }
  if (checks.empty()) return;
  int32_t first_bad = 0;
  engine.ops.CheckParts(engine.stream,
                        {OnHost<const CheckItem>(checks.data()), static_cast<int>(checks.size()),
                         store->head_dim(), OnHost(&first_bad)});
  if (first_bad >= 0) ByteReader::Refuse("a part holds what no part can hold");
}

}  // namespace qpkv
