// Reading a layer's parts back, and overwriting their codes: for checks. See kv_layer.h.
#include "engine/kv_layer.h"
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

}  // namespace

// Values, and what is stored of a packed part.
PartExport KvLayer::ExportPart(Tensor tensor, const Part& part) const {
  const Ops& ops = engine_->ops;
  Stream& stream = engine_->stream;
  const TensorFormat& format = *part.format;
  const PartLayout at = LayoutOf(tensor, format, part.part_tokens, shape_.head_dim, part.needs);
  const bool packed = format.bits != 16;
  const bool per_channel = format.scale_per == ScalePer::kChannel;
  const size_t count = static_cast<size_t>(part.tokens) * shape_.head_dim;
  const int columns = per_channel ? shape_.head_dim : part.part_tokens;
  const size_t scales = packed ? static_cast<size_t>(at.scale_rows) * columns : 0;
  Buffer values(engine_->device, count * sizeof(float) + 1), codes(engine_->device, count + 1),
      scale(engine_->device, scales * sizeof(float) + 1),
      offset(engine_->device, scales * sizeof(float) + 1);
  UnpackArgs args = UnpackOf(tensor, part, values.floats());
  args.codes = packed ? static_cast<uint8_t*>(codes.data()) : nullptr;
  args.scales = packed ? scale.floats() : nullptr;
  args.offsets = packed ? offset.floats() : nullptr;
  ops.Unpack(stream, args);
  PartExport out;
  out.bits = format.bits;
  out.tokens = part.tokens;
  out.values.resize(count);
  engine_->Download(out.values.data(), values.data(), count * sizeof(float));
  if (!packed) return out;
  out.codes.resize(count);
  out.scales.resize(scales);
  out.offsets.resize(scales);
  engine_->Download(out.codes.data(), codes.data(), count);
  engine_->Download(out.scales.data(), scale.data(), scales * sizeof(float));
  engine_->Download(out.offsets.data(), offset.data(), scales * sizeof(float));
  if (!per_channel) {
    out.scales = TrimColumns(out.scales, at.scale_rows, columns, part.tokens);
    out.offsets = TrimColumns(out.offsets, at.scale_rows, columns, part.tokens);
  }
  return out;
}

// Positions of the tokens of a key part, which is the head's from token `first` on; -1: evicted.
std::vector<int32_t> KvLayer::ExportPositions(const KvHead& head, const Part& part,
                                              int first) const {
  std::vector<int32_t> positions;
  if (part.needs.positions) {
    const PartLayout at =
        LayoutOf(Tensor::kKey, *part.format, part.part_tokens, shape_.head_dim, part.needs);
    positions.resize(static_cast<size_t>(part.tokens));
    engine_->Download(positions.data(), part.data + at.positions,
                      positions.size() * sizeof(int32_t));
  } else if (track_positions_) {
    positions.assign(head.positions.begin() + first, head.positions.begin() + first + part.tokens);
  }
  for (size_t i = 0; i < positions.size() && head.evicted > 0; ++i)
    if (!head.valid[static_cast<size_t>(first) + i]) positions[i] = -1;
  return positions;
}

std::vector<PartExport> KvLayer::Export(int head, Tensor tensor) const {
  std::vector<PartExport> all;
  const KvHead& from = heads_[static_cast<size_t>(head)];
  int first = 0;
  for (const Part& part : from.list(tensor).parts) {
    all.push_back(ExportPart(tensor, part));
    if (tensor == Tensor::kKey) all.back().positions = ExportPositions(from, part, first);
    first += part.tokens;
  }
  return all;
}

void KvLayer::Scramble(uint64_t seed) {
  Xoshiro256 random(seed);
  for (KvHead& head : heads_)
    for (Tensor tensor : {Tensor::kKey, Tensor::kValue})
      for (const Part& part : head.list(tensor).parts) {
        if (part.format->bits == 16) continue;
        const PartLayout at =
            LayoutOf(tensor, *part.format, part.part_tokens, shape_.head_dim, part.needs);
        std::vector<uint64_t> noise(at.scales / sizeof(uint64_t));  // codes end where scales begin
        for (uint64_t& word : noise) word = random.Next();
        engine_->Upload(const_cast<uint8_t*>(part.data), noise.data(), at.scales);
      }
}

}  // namespace qpkv
