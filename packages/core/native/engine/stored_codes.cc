// See stored_codes.h.
#include "engine/stored_codes.h"

#include <cstring>

#include "base/f16.h"
#include "ops/weight_layout.h"

namespace qpkv {
namespace {

int ZeroOf(const BlockCodes& blocks) { return blocks.minima ? 0 : 1 << (blocks.bits - 1); }

// Each value `copies` times, as halves or as it is.
std::vector<uint8_t> Elements(const std::vector<float>& values, bool halves, size_t copies) {
  const size_t size = halves ? sizeof(uint16_t) : sizeof(float);
  std::vector<uint8_t> out(values.size() * copies * size);
  uint8_t* to = out.data();
  for (float value : values) {
    const uint16_t half = halves ? FloatToF16(value) : 0;
    for (size_t i = 0; i < copies; ++i, to += size)
      std::memcpy(to, halves ? static_cast<const void*>(&half) : &value, size);
  }
  return out;
}

}  // namespace

bool HoldsBlocks(const WeightFormat& format, BlockType type) {
  if (IsExact(format)) return false;
  const BlockCodes blocks = CodesOf(type);
  const bool halves = format.minimum == WeightMinimum::kF16;
  return blocks.bits <= format.bits && blocks.group % format.group == 0 &&
         (blocks.half_scales || format.scale == Element::kF32) &&
         (blocks.minima ? format.minimum != WeightMinimum::kNone && (blocks.half_scales || !halves)
                        : !halves);
}

StoredCodes::StoredCodes(const TensorSource& source, const uint8_t* data,
                         const WeightFormat& format) {
  const BlockCodes blocks = CodesOf(source.block);
  const size_t rows = static_cast<size_t>(source.shape.front());
  const size_t row_bytes = source.bytes() / rows, columns = source.count() / rows;
  const size_t groups = columns / static_cast<size_t>(blocks.group);
  std::vector<float> scales(rows * groups), minima(rows * groups);
  codes_.resize(rows * columns);
  for (size_t row = 0; row < rows; ++row)
    ReadBlockCodes(source.block, data + SourceRow(row, source.paired_rows) * row_bytes,
                   columns / static_cast<size_t>(BlockValues(source.block)),
                   codes_.data() + row * columns, scales.data() + row * groups,
                   minima.data() + row * groups);
  const int zero = ZeroOf(blocks);
  if (format.minimum == WeightMinimum::kNone) {
    const int shift = CodeZero(format) - zero;
    if (shift != 0)
      for (uint8_t& code : codes_) code = static_cast<uint8_t>(code + shift);
  } else if (!blocks.minima) {
    for (size_t i = 0; i < scales.size(); ++i) minima[i] = static_cast<float>(-zero) * scales[i];
  }
  const size_t copies = static_cast<size_t>(blocks.group / format.group);
  scales_ = Elements(scales, format.scale == Element::kF16, copies);
  if (format.minimum != WeightMinimum::kNone)
    minima_ = Elements(minima, format.minimum == WeightMinimum::kF16, copies);
}

void StoredCodes::SetSource(PackWeightArgs* args) const {
  args->codes = OnHost(codes_.data());
  args->scales = OnHost(static_cast<const void*>(scales_.data()));
  if (!minima_.empty()) args->minima = OnHost(static_cast<const void*>(minima_.data()));
}

}  // namespace qpkv
