// Writing codes and exact values into a part.
#pragma once
#include "kernels/tile_view.inl.h"

namespace qpkv {
namespace {

// The values of a part as a matrix whose rows are what a vector's lanes run along: keys
// [channel][slot], values [slot][channel].
struct PartMatrix {
  float* x;        // [rows, stride]
  uint8_t* codes;  // [rows, stride]
  uint8_t* exact;  // [rows, stride] 1: an outlier; null without outliers
  int rows, columns;
  size_t stride;  // columns padded to 16, plus 16
  int first_slot, tokens;
};

QPKV_INLINE size_t MatrixIndex(Tensor tensor, const PartMatrix& m, int slot, int channel) {
  return tensor == Tensor::kKey ? channel * m.stride + slot : slot * m.stride + channel;
}

// Where the even and odd row of vector i of a block start in the matrix.
QPKV_INLINE size_t PairStart(const TileView& v, const PartMatrix& m, int block, int i, bool odd) {
  if (v.tensor == Tensor::kKey) return (2 * i + odd) * m.stride + block * kLanes;
  return (block * kLanes + i / v.channel_blocks * 2 + odd) * m.stride +
         i % v.channel_blocks * kLanes;
}

// Adds the codes of the blocks that hold this item's slots; slots of earlier items keep theirs (the
// part was cleared before).
static void WriteCodes(const TileView& v, const PartMatrix& m, uint8_t* part) {
  const int bits = v.format->bits;
  const auto add = [&](uint8_t* registers, int width, int i, U16x32 words) {
    const int planes = 16 / width;
    uint16_t* reg = reinterpret_cast<uint16_t*>(registers + i / planes * kRegisterBytes);
    StoreU16(reg, OrU16(LoadU16(reg), ShiftLeftU16(words, width * (i % planes))));
  };
  for (int block = m.first_slot / kLanes; block * kLanes < m.first_slot + m.tokens; ++block) {
    uint8_t* to = part + block * v.at.block_bytes;
    for (int i = 0; i < v.at.vectors; ++i) {
      const U16x32 words = JoinWords(LoadU8I(m.codes + PairStart(v, m, block, i, false)),
                                     LoadU8I(m.codes + PairStart(v, m, block, i, true)));
      if (bits == 3) {
        add(to, 2, i, AndU16(words, SetU16(3)));
        add(to + v.at.high_offset, 1, i, ShiftRightU16(words, 2));
      } else {
        add(to, bits, i, words);
      }
    }
  }
}

// What a key part says about a slot beside its key.
QPKV_INLINE void StorePosition(const TileView& v, uint8_t* part, int slot, int32_t position) {
  std::memcpy(part + v.at.positions + static_cast<size_t>(slot) * 4, &position, 4);
}

QPKV_INLINE void StoreValid(const TileView& v, uint8_t* part, int slot, bool valid) {
  uint8_t* byte = part + v.at.mask + slot / 8;
  const int bit = 1 << (slot % 8);
  *byte = static_cast<uint8_t>(valid ? *byte | bit : *byte & ~bit);
}

static void StoreExact(const TileView& v, uint8_t* part, int slot, int channel, float value) {
  const bool key = v.tensor == Tensor::kKey;
  const size_t vector = key ? channel / 2 : slot % kLanes / 2 * v.channel_blocks + channel / kLanes;
  const int lane = key ? slot % kLanes : channel % kLanes, pair = key ? channel % 2 : slot % 2;
  uint8_t* block = part + slot / kLanes * v.at.block_bytes;
  if (v.format->element == Element::kF32) {
    reinterpret_cast<float*>(block)[vector * 32 + pair * 16 + lane] = value;
    return;
  }
  const uint16_t word = v.format->element == Element::kF16 ? FloatToF16(value) : FloatToBf16(value);
  reinterpret_cast<uint16_t*>(block)[vector * 32 + lane * 2 + pair] = word;
}

}  // namespace
}  // namespace qpkv
