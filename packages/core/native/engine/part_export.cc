// See part_export.h.
#include "engine/part_export.h"

#include "engine/random.h"

namespace qpkv {
namespace {

// Scales or offsets of the used tokens: per token rows may be laid out for more.
std::vector<float> TrimColumns(const std::vector<float>& values, int rows, int laid_out, int used) {
  std::vector<float> trimmed;
  for (int row = 0; row < rows; ++row)
    trimmed.insert(trimmed.end(), values.begin() + static_cast<long>(row) * laid_out,
                   values.begin() + static_cast<long>(row) * laid_out + used);
  return trimmed;
}

// Device memory that an op fills and the host reads.
template <class T>
class ReadBack {
 public:
  ReadBack(Engine& engine, size_t count)
      : engine_(engine), count_(count), memory_(engine.device, count * sizeof(T) + 1) {}
  T* data() const { return count_ > 0 ? static_cast<T*>(memory_.data()) : nullptr; }
  std::vector<T> Take() const {
    std::vector<T> host(count_);
    if (count_ > 0) engine_.Download(host.data(), memory_.data(), count_ * sizeof(T));
    return host;
  }

 private:
  Engine& engine_;
  size_t count_;
  Buffer memory_;
};

std::vector<float> MeansOf(Engine& engine, const PartStore& store, int head, Tensor tensor) {
  if (tensor != Tensor::kKey || store.means() == nullptr) return {};
  std::vector<float> means(static_cast<size_t>(store.head_dim()));
  engine.Download(means.data(), store.means() + static_cast<size_t>(head) * means.size(),
                  means.size() * sizeof(float));
  return means;
}

// Values, what is stored of a packed part, and positions where the part has them.
PartExport ExportPart(Engine& engine, const PartStore& store, int head, Tensor tensor,
                      const StoredPart& part) {
  const TensorFormat& format = store.formats().Get(tensor, part.segment);
  const PartLayout at =
      LayoutOf(tensor, format, part.part_tokens, store.head_dim(), store.needs(tensor));
  const bool packed = format.bits != 16, per_channel = format.scale_per == ScalePer::kChannel;
  const size_t count = static_cast<size_t>(part.tokens) * store.head_dim();
  const int columns = per_channel ? store.head_dim() : part.part_tokens;
  const size_t scale_count = packed ? static_cast<size_t>(at.scale_rows) * columns : 0;
  const ReadBack<float> values(engine, count), scales(engine, scale_count),
      offsets(engine, scale_count);
  const bool balanced = packed && format.balance_steps > 0;
  const ReadBack<float> balance(
      engine, !balanced ? 0 : static_cast<size_t>(per_channel ? part.tokens : store.head_dim()));
  const ReadBack<uint8_t> codes(engine, packed ? count : 0);
  const ReadBack<int32_t> positions(
      engine, store.needs(tensor).positions ? static_cast<size_t>(part.tokens) : 0);
  UnpackItem item{};
  item.shape = store.ShapeOf(tensor, part);
  item.part = part.block->data;
  item.tokens = part.tokens;
  item.values = values.data();
  item.codes = codes.data();
  item.scales = scales.data();
  item.offsets = offsets.data();
  item.balance = balance.data();
  item.positions = positions.data();
  engine.ops.Unpack(engine.stream, {OnHost<const UnpackItem>(&item), 1, store.head_dim()});
  PartExport out;
  out.bits = format.bits;
  out.tokens = part.tokens;
  out.values = values.Take();
  out.codes = codes.Take();
  out.scales = scales.Take();
  out.offsets = offsets.Take();
  out.balance = balance.Take();
  if (!store.formats().Form(tensor).none()) out.stored = out.values;
  RestoreValues(store.formats().Form(tensor), MeansOf(engine, store, head, tensor),
                store.head_dim(), &out.values);
  out.positions = positions.Take();
  if (packed && !per_channel) {
    out.scales = TrimColumns(out.scales, at.scale_rows, columns, part.tokens);
    out.offsets = TrimColumns(out.offsets, at.scale_rows, columns, part.tokens);
  }
  return out;
}

}  // namespace

std::vector<PartExport> ExportParts(Engine& engine, const PartStore& store, int head, Tensor tensor,
                                    const HeadTokens& tokens) {
  std::vector<PartExport> all;
  for (const StoredPart& part : store.list(head, tensor).parts) {
    PartExport out = ExportPart(engine, store, head, tensor, part);
    if (tensor == Tensor::kKey && out.positions.empty() && !tokens.positions.empty())
      out.positions.assign(tokens.positions.begin() + part.first,
                           tokens.positions.begin() + part.first + part.tokens);
    for (size_t i = 0; i < out.positions.size() && tokens.evicted > 0; ++i)
      if (!tokens.valid[static_cast<size_t>(part.first) + i]) out.positions[i] = -1;
    all.push_back(std::move(out));
  }
  return all;
}

std::vector<float> ReadValues(Engine& engine, const PartStore& store, int head, Tensor tensor) {
  const PartList& list = store.list(head, tensor);
  const size_t dim = static_cast<size_t>(store.head_dim());
  const ReadBack<float> values(engine, static_cast<size_t>(list.tokens) * dim);
  std::vector<UnpackItem> items;
  for (const StoredPart& part : list.parts) {
    UnpackItem item{};
    item.shape = store.ShapeOf(tensor, part);
    item.part = part.block->data;
    item.tokens = part.tokens;
    item.values = values.data() + static_cast<size_t>(part.first) * dim;
    if (part.tokens > 0) items.push_back(item);
  }
  if (!items.empty())
    engine.ops.Unpack(engine.stream, {OnHost<const UnpackItem>(items.data()),
                                      static_cast<int>(items.size()), store.head_dim()});
  std::vector<float> out = values.Take();
  RestoreValues(store.formats().Form(tensor), MeansOf(engine, store, head, tensor),
                store.head_dim(), &out);
  return out;
}

void ScrambleParts(Engine& engine, uint64_t seed, const std::vector<HeadTokens>& tokens,
                   PartStore* store) {
  Xoshiro256 random(seed);
  std::vector<float> noise(static_cast<size_t>(kTileTokens) * store->head_dim());
  Buffer source(engine.device, noise.size() * sizeof(float));
  for (int head = 0; head < store->heads(); ++head)
    for (Tensor tensor : {Tensor::kKey, Tensor::kValue})
      for (size_t i = 0; i < store->list(head, tensor).parts.size(); ++i) {
        const StoredPart& part = store->list(head, tensor).parts[i];
        if (store->formats().Get(tensor, part.segment).bits == 16) continue;
        store->Own(head, tensor, i);
        for (float& x : noise) x = static_cast<float>(4 * random.Uniform() - 2);
        engine.Upload(source.data(), noise.data(), noise.size() * sizeof(float));
        const HeadTokens& of = tokens[head];
        PackItem item{};
        item.shape = store->ShapeOf(tensor, part);
        item.out = part.block->data;
        item.source = source.floats();
        item.tokens = part.tokens;
        if (store->needs(tensor).positions)
          item.positions = OnHost(of.stored_positions(part.first));
        if (tensor == Tensor::kKey) item.valid = OnHost(of.valid_from(part.first));
        engine.ops.Pack(engine.stream, {OnHost<const PackItem>(&item), 1, store->head_dim()});
      }
}

}  // namespace qpkv
