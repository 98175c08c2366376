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

std::vector<PartExport> KvLayer::Export(int head, Tensor tensor) const {
  const Ops& ops = engine_->ops;
  Stream& stream = engine_->stream;
  std::vector<PartExport> all;
  const KvHead& from = heads_[static_cast<size_t>(head)];
  int first = 0;
  for (const Part& part : from.list(tensor).parts) {
    const TensorFormat& format = *part.format;
    const PartLayout at = LayoutOf(tensor, format, part.part_tokens, shape_.head_dim, part.needs);
    const bool packed = format.bits != 16;
    const bool per_channel = format.scale_per == ScalePer::kChannel;
    const size_t count = static_cast<size_t>(part.tokens) * shape_.head_dim;
    const int columns = per_channel ? shape_.head_dim : part.part_tokens;
    const size_t scales = packed ? static_cast<size_t>(at.scale_rows) * columns : 0;
    Buffer values(ops, count * sizeof(float) + 1), codes(ops, count + 1),
        scale(ops, scales * sizeof(float) + 1), offset(ops, scales * sizeof(float) + 1);
    UnpackArgs args{};
    args.part = part.data;
    args.tokens = part.tokens;
    args.part_tokens = part.part_tokens;
    args.dim = shape_.head_dim;
    args.tensor = tensor;
    args.format = part.format;
    args.needs = part.needs;
    args.values = values.floats();
    args.codes = packed ? static_cast<uint8_t*>(codes.data()) : nullptr;
    args.scales = packed ? scale.floats() : nullptr;
    args.offsets = packed ? offset.floats() : nullptr;
    ops.Unpack(stream, args);
    PartExport out;
    out.bits = format.bits;
    out.tokens = part.tokens;
    out.values.resize(count);
    ops.Download(stream, out.values.data(), values.data(), count * sizeof(float));
    if (packed) {
      out.codes.resize(count);
      out.scales.resize(scales);
      out.offsets.resize(scales);
      ops.Download(stream, out.codes.data(), codes.data(), count);
      ops.Download(stream, out.scales.data(), scale.data(), scales * sizeof(float));
      ops.Download(stream, out.offsets.data(), offset.data(), scales * sizeof(float));
      if (!per_channel) {
        out.scales = TrimColumns(out.scales, at.scale_rows, columns, part.tokens);
        out.offsets = TrimColumns(out.offsets, at.scale_rows, columns, part.tokens);
      }
    }
    if (tensor == Tensor::kKey && part.needs.positions) {
      out.positions.resize(static_cast<size_t>(part.tokens));
      ops.Download(stream, out.positions.data(), part.data + at.positions,
                   out.positions.size() * sizeof(int32_t));
    } else if (tensor == Tensor::kKey && track_positions_) {
      out.positions.assign(from.positions.begin() + first,
                           from.positions.begin() + first + part.tokens);
    }
    for (size_t i = 0; i < out.positions.size() && from.evicted > 0; ++i)
      if (!from.valid[static_cast<size_t>(first) + i]) out.positions[i] = -1;
    first += part.tokens;
    all.push_back(std::move(out));
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
        engine_->ops.Upload(engine_->stream, const_cast<uint8_t*>(part.data), noise.data(),
                            at.scales);
      }
}

}  // namespace qpkv
