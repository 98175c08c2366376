// Reading and writing single values of a part, one at a time: the naive counterpart of the vector
// kernels, straight from the description in ops/tile_layout.h. Used by the reference ops and by
// tests; slow on purpose.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "ops/ops.h"

namespace qpkv {
namespace reference {

inline float FloatOfBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

inline uint32_t BitsOfFloat(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

inline float FloatOfBf16(uint16_t bits) { return FloatOfBits(static_cast<uint32_t>(bits) << 16); }

inline uint16_t Bf16OfFloat(float value) {  // half to even; finite values only
  const uint32_t bits = BitsOfFloat(value);
  return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

inline float FloatOfF16(uint16_t half) {
  const int exponent = (half >> 10) & 31;
  const int fraction = half & 1023;
  const float sign = half & 0x8000 ? -1.0f : 1.0f;
  if (exponent == 31) return fraction ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(fraction), -24);
  return sign * std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
}

inline uint16_t F16OfFloat(float value) {  // half to even
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double size = std::fabs(static_cast<double>(value));
  if (std::isnan(value)) return 0x7e00;
  if (size >= 65520.0) return sign | 0x7c00;
  if (size == 0) return sign;
  int exponent;
  std::frexp(size, &exponent);         // size = m * 2^exponent, m in [0.5, 1)
  if (exponent < -13) exponent = -13;  // subnormal spacing
  const int steps = static_cast<int>(std::nearbyint(std::ldexp(size, 11 - exponent)));  // [0, 2048]
  // A carry into the next binade works by itself: 2048 steps = fraction 0 of the next exponent.
  return static_cast<uint16_t>(sign | (((exponent + 13) << 10) + steps));
}

inline float LoadElement(Element element, const uint8_t* base, size_t index) {
  if (element == Element::kF32) {
    float value;
    std::memcpy(&value, base + index * 4, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, base + index * 2, 2);
  return element == Element::kBf16 ? FloatOfBf16(bits) : FloatOfF16(bits);
}

inline void StoreElement(Element element, uint8_t* base, size_t index, float value) {
  if (element == Element::kF32) {
    std::memcpy(base + index * 4, &value, 4);
    return;
  }
  const uint16_t bits = element == Element::kBf16 ? Bf16OfFloat(value) : F16OfFloat(value);
  std::memcpy(base + index * 2, &bits, 2);
}

// What `value` becomes when stored as metadata. Values beyond float16 take its largest finite
// value.
inline float RoundMetadata(Element element, float value) {
  if (element == Element::kF32) return value;
  if (element == Element::kBf16) return FloatOfBf16(Bf16OfFloat(value));
  return FloatOfF16(F16OfFloat(std::fmin(std::fmax(value, -65504.0f), 65504.0f)));
}

// Where the value of token t, channel c lies: block, vector of the block, lane, pair.
struct Cell {
  int block, vector, lane, pair;
};

inline Cell CellOf(Tensor tensor, int dim, int t, int c) {
  if (tensor == Tensor::kKey) return {t / kLanes, c / 2, t % kLanes, c % 2};
  const int channel_blocks = (dim + kLanes - 1) / kLanes;
  return {t / kLanes, (t % kLanes) / 2 * channel_blocks + c / kLanes, c % kLanes, t % 2};
}

// Index of an exact value in elements from the start of its block.
inline size_t ExactIndex(Element element, const Cell& at) {
  const size_t vector = static_cast<size_t>(at.vector) * 2 * kLanes;
  return vector + (element == Element::kF32 ? at.pair * kLanes + at.lane : at.lane * 2 + at.pair);
}

inline uint16_t* PlaneWord(uint8_t* registers, int bits, const Cell& at) {
  const int planes = 16 / bits;
  return reinterpret_cast<uint16_t*>(registers + (at.vector / planes) * kRegisterBytes) +
         at.lane * 2 + at.pair;
}

inline int ReadPlane(const uint8_t* registers, int bits, const Cell& at) {
  const uint16_t word = *PlaneWord(const_cast<uint8_t*>(registers), bits, at);
  return (word >> (bits * (at.vector % (16 / bits)))) & ((1 << bits) - 1);
}

inline void WritePlane(uint8_t* registers, int bits, const Cell& at, int code) {
  uint16_t* word = PlaneWord(registers, bits, at);
  const int shift = bits * (at.vector % (16 / bits));
  const int mask = ((1 << bits) - 1) << shift;
  *word = static_cast<uint16_t>((*word & ~mask) | (code << shift));
}

inline int ReadCode(const uint8_t* part, const PartLayout& at, int bits, const Cell& cell) {
  const uint8_t* block = part + cell.block * at.block_bytes;
  if (bits != 3) return ReadPlane(block, bits, cell);
  return ReadPlane(block, 2, cell) + 4 * ReadPlane(block + at.high_offset, 1, cell);
}

inline void WriteCode(uint8_t* part, const PartLayout& at, int bits, const Cell& cell, int code) {
  uint8_t* block = part + cell.block * at.block_bytes;
  if (bits != 3) return WritePlane(block, bits, cell, code);
  WritePlane(block, 2, cell, code & 3);
  WritePlane(block + at.high_offset, 1, cell, code >> 2);
}

inline size_t ScaleIndex(const TensorFormat& format, const PartLayout& at, int t, int c) {
  const bool per_channel = format.scale_per == ScalePer::kChannel;
  const size_t row = (per_channel ? t : c) / format.group;
  return row * at.scale_stride + (per_channel ? c : t);
}

// The word of a scale that holds its zero in its low four bits.
inline uint32_t ScaleWord(const uint8_t* part, const PartLayout& at, size_t index) {
  uint32_t word;
  std::memcpy(&word, part + at.scales + index * 4, 4);
  return word;
}

inline float ReadScale(const uint8_t* part, const PartLayout& at, const TensorFormat& format,
                       size_t index) {
  if (format.zero == ZeroPoint::kInScale) return FloatOfBits(ScaleWord(part, at, index) / 16 * 16);
  return LoadElement(format.metadata, part + at.scales, index);
}

inline float ReadOffset(const uint8_t* part, const PartLayout& at, const TensorFormat& format,
                        size_t index) {
  if (format.zero == ZeroPoint::kNone) return 0;
  if (format.zero == ZeroPoint::kInScale)
    return static_cast<float>(ScaleWord(part, at, index) % 16);
  if (format.zero == ZeroPoint::kInteger) return part[at.offsets + index];
  return LoadElement(format.metadata, part + at.offsets, index);
}

inline PartLayout LayoutOf(const PartShape& shape, int dim) {
  return qpkv::LayoutOf(shape.tensor, *shape.format.get(), shape.part_tokens, dim, shape.needs);
}

inline void WriteExact(uint8_t* part, const PartLayout& at, Tensor tensor,
                       const TensorFormat& format, int dim, int slot, int c, float value) {
  const Cell cell = CellOf(tensor, dim, slot, c);
  StoreElement(format.element, part + cell.block * at.block_bytes, ExactIndex(format.element, cell),
               value);
}

// Positions and valid bits of `tokens` slots; null leaves them, or makes all valid with `fill`.
inline void MarkSlots(const PartShape& shape, uint8_t* part, const PartLayout& at, int first_slot,
                      int tokens, const int32_t* positions, const uint8_t* valid, bool fill) {
  if (shape.tensor != Tensor::kKey) return;
  for (int t = 0; t < tokens; ++t) {
    const int slot = first_slot + t;
    if (shape.needs.positions && positions)
      std::memcpy(part + at.positions + static_cast<size_t>(slot) * 4, positions + t, 4);
    if (!shape.needs.mask || (!valid && !fill)) continue;
    uint8_t* byte = part + at.mask + slot / 8;
    const int bit = 1 << (slot % 8);
    *byte = static_cast<uint8_t>(!valid || valid[t] ? *byte | bit : *byte & ~bit);
  }
}

struct Outlier {
  int token, channel;
  float value;
};

inline size_t OutlierBytes(Element metadata) { return metadata == Element::kF32 ? 8 : 4; }

inline int OutlierCount(const uint8_t* part, const PartLayout& at) {
  if (at.outlier_capacity == 0) return 0;
  uint32_t count;
  std::memcpy(&count, part + at.outliers, 4);
  const uint32_t capacity = static_cast<uint32_t>(at.outlier_capacity);
  return static_cast<int>(count < capacity ? count : capacity);
}

inline Outlier ReadOutlier(const uint8_t* part, const PartLayout& at, Element metadata, int i) {
  const uint8_t* entry = part + at.outliers + 4 + i * OutlierBytes(metadata);
  const uint8_t* value = entry + (metadata == Element::kF32 ? 4 : 2);
  return {entry[0], entry[1], LoadElement(metadata, value, 0)};
}

inline bool IsValid(const uint8_t* part, const PartLayout& at, PartNeeds needs, Tensor tensor,
                    int t) {
  if (tensor != Tensor::kKey || !needs.mask) return true;
  return (part[at.mask + t / 8] >> (t % 8)) & 1;
}

// The value a part holds for token t, channel c, outliers aside.
inline float ReadValue(const uint8_t* part, const PartLayout& at, Tensor tensor,
                       const TensorFormat& format, int dim, int t, int c) {
  const Cell cell = CellOf(tensor, dim, t, c);
  if (format.bits == 16)
    return LoadElement(format.element, part + cell.block * at.block_bytes,
                       ExactIndex(format.element, cell));
  const int code = ReadCode(part, at, format.bits, cell);
  const size_t index = ScaleIndex(format, at, t, c);
  const float scale = ReadScale(part, at, format, index);
  const float offset = ReadOffset(part, at, format, index);
  const bool channels = format.scale_per == ScalePer::kChannel;
  const float balance =
      format.balance_steps > 0
          ? LoadElement(format.metadata, part + at.balance, static_cast<size_t>(channels ? t : c))
          : 1.0f;
  if (CountsFromZero(format.zero)) {
    const float value = (static_cast<float>(code) - offset) * scale;
    return value * balance;
  }
  const float level = format.levels ? format.levels[code] : static_cast<float>(code);
  const float product = level * scale;
  const float value = product + offset;
  return value * balance;
}

}  // namespace reference
}  // namespace qpkv
