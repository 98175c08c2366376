// Single values of parts, straight from the description in core's ops/tile_layout.h.
#pragma once
#include "device/numbers.h"
#include "ops/tile_layout.h"

namespace qpkv {
namespace cuda {

// Where the value of token t, channel c lies: block, vector of the block, lane, pair.
struct Cell {
  int block, vector, lane, pair;
};

QPKV_DEVICE Cell CellOf(Tensor tensor, int dim, int t, int c) {
  if (tensor == Tensor::kKey) return {t / kLanes, c / 2, t % kLanes, c % 2};
  const int channel_blocks = (dim + kLanes - 1) / kLanes;
  return {t / kLanes, (t % kLanes) / 2 * channel_blocks + c / kLanes, c % kLanes, t % 2};
}

// Index of an exact value in elements from the start of its block.
QPKV_DEVICE size_t ExactCellIndex(Element element, const Cell& at) {
  const size_t vector = static_cast<size_t>(at.vector) * 2 * kLanes;
  return vector + (element == Element::kF32 ? at.pair * kLanes + at.lane : at.lane * 2 + at.pair);
}

// The code of `bits` bits (not 3) of a vector, in its bit plane.
QPKV_DEVICE int PlaneCode(const uint8_t* registers, int bits, const Cell& at) {
  const int planes = 16 / bits;
  const uint16_t* words =
      reinterpret_cast<const uint16_t*>(registers + at.vector / planes * kRegisterBytes);
  return words[at.lane * 2 + at.pair] >> (bits * (at.vector % planes)) & ((1 << bits) - 1);
}
QPKV_DEVICE int CodeOfCell(const uint8_t* block, const PartLayout& at, int bits, const Cell& cell) {
  if (bits != 3) return PlaneCode(block, bits, cell);
  return PlaneCode(block, 2, cell) + 4 * PlaneCode(block + at.high_offset, 1, cell);
}

// Row and column of the scale of a value.
struct ScaleCell {
  int row, column;
};
QPKV_DEVICE ScaleCell ScaleCellOf(const TensorFormat& format, int t, int c) {
  if (format.scale_per == ScalePer::kChannel) return {t / format.group, c};
  return {c / format.group, t};
}
QPKV_DEVICE size_t ScaleIndex(const TensorFormat& format, const PartLayout& at, int t, int c) {
  const ScaleCell cell = ScaleCellOf(format, t, c);
  return static_cast<size_t>(cell.row) * at.scale_stride + cell.column;
}

// Where zeros stand in the low four bits of scales, these read as 0 in the scale.
QPKV_DEVICE uint32_t ScaleWord(const uint8_t* scales, size_t index) {
  return reinterpret_cast<const uint32_t*>(scales)[index];
}
QPKV_DEVICE float LoadScale(const TensorFormat& format, const uint8_t* scales, size_t index) {
  if (format.zero == ZeroPoint::kInScale) return FloatOfBits(ScaleWord(scales, index) & ~15u);
  return LoadElement(format.metadata, scales, index);
}
QPKV_DEVICE float LoadOffset(const TensorFormat& format, const uint8_t* scales,
                             const uint8_t* offsets, size_t index) {
  if (format.zero == ZeroPoint::kNone) return 0;
  if (format.zero == ZeroPoint::kInScale) return static_cast<float>(ScaleWord(scales, index) & 15u);
  if (format.zero == ZeroPoint::kInteger) return offsets[index];
  return LoadElement(format.metadata, offsets, index);
}
// The other factor of the values of a slot (scales per channel) or channel (per token).
QPKV_DEVICE float LoadBalance(const TensorFormat& format, const uint8_t* balance, int t, int c) {
  return LoadElement(format.metadata, balance,
                     static_cast<size_t>(format.scale_per == ScalePer::kChannel ? t : c));
}

// What a code stands for, balance aside: one rounding an operation, as everywhere.
QPKV_DEVICE float ValueOfCode(const TensorFormat& format, int code, float scale, float offset) {
  if (CountsFromZero(format.zero)) return (static_cast<float>(code) - offset) * scale;
  const float level = format.levels != nullptr ? format.levels[code] : static_cast<float>(code);
  const float product = level * scale;
  return product + offset;
}

// The value a part holds, outliers aside.
QPKV_DEVICE float ValueOfCell(const uint8_t* part, const PartLayout& at, Tensor tensor,
                              const TensorFormat& format, int dim, int t, int c) {
  const Cell cell = CellOf(tensor, dim, t, c);
  const uint8_t* block = part + static_cast<size_t>(cell.block) * at.block_bytes;
  if (format.bits == 16)
    return LoadElement(format.element, block, ExactCellIndex(format.element, cell));
  const size_t index = ScaleIndex(format, at, t, c);
  const float value = ValueOfCode(format, CodeOfCell(block, at, format.bits, cell),
                                  LoadScale(format, part + at.scales, index),
                                  LoadOffset(format, part + at.scales, part + at.offsets, index));
  return format.balance_steps > 0 ? value * LoadBalance(format, part + at.balance, t, c) : value;
}

struct Outlier {
  int token, channel;
  float value;
};
QPKV_DEVICE int OutlierBytes(Element metadata) { return metadata == Element::kF32 ? 8 : 4; }
QPKV_DEVICE int OutlierCount(const uint8_t* part, const PartLayout& at) {
  if (at.outlier_capacity == 0) return 0;
  const uint32_t count = *reinterpret_cast<const uint32_t*>(part + at.outliers),
                 capacity = static_cast<uint32_t>(at.outlier_capacity);
  return static_cast<int>(count < capacity ? count : capacity);
}
QPKV_DEVICE Outlier OutlierAt(const uint8_t* part, const PartLayout& at, Element metadata, int i) {
  const uint8_t* entry = part + at.outliers + 4 + static_cast<size_t>(i) * OutlierBytes(metadata);
  const uint8_t* value = entry + (metadata == Element::kF32 ? 4 : 2);
  return {entry[0], entry[1], LoadElement(metadata, value, 0)};
}

QPKV_DEVICE bool IsValidSlot(const uint8_t* part, const PartLayout& at, int t) {
  return (part[at.mask + t / 8] >> (t % 8) & 1) != 0;
}

}  // namespace cuda
}  // namespace qpkv
