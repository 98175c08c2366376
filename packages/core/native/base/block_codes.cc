// The codes and scales of blocks; see block_source.h. The layouts are told in block_source.cc.
#include <cstring>

#include "base/block_source.h"
#include "base/f16.h"

namespace qpkv {
namespace {

float Half(const uint8_t* at) {
  uint16_t bits;
  std::memcpy(&bits, at, sizeof(bits));
  return F16ToFloat(bits);
}

// Codes of a block of 32 with low bits in 16 bytes; `fifth` is null or leads to 32 fifth bits.
void SmallCodes(const uint8_t* low, const uint8_t* fifth, uint8_t* codes) {
  for (int j = 0; j < 32; ++j) {
    const int four = j < 16 ? low[j] & 15 : low[j - 16] >> 4;
    const int high = fifth == nullptr ? 0 : (fifth[j / 8] >> (j % 8) & 1) << 4;
    codes[j] = static_cast<uint8_t>(four | high);
  }
}

// A signed byte as a code of 8 bits.
void SignedCodes(const uint8_t* in, uint8_t* codes) {
  for (int j = 0; j < 32; ++j) codes[j] = in[j] ^ 0x80;
}

void SuperCodes(const uint8_t* in, bool five_bits, uint8_t* codes, float* scales, float* minima) {
  const float scale = Half(in), minimum = Half(in + 2);
  const uint8_t* low = in + (five_bits ? 48 : 16);
  for (int part = 0; part < 8; ++part) {
    int part_scale = 0, part_minimum = 0;
    SixBitScales(in + 4, part, &part_scale, &part_minimum);
    scales[part] = scale * static_cast<float>(part_scale);
    minima[part] = -(minimum * static_cast<float>(part_minimum));
    for (int l = 0; l < 32; ++l) {
      const int four = low[part / 2 * 32 + l] >> (part % 2 * 4) & 15;
      const int high = five_bits ? (in[16 + l] >> part & 1) << 4 : 0;
      codes[part * 32 + l] = static_cast<uint8_t>(four | high);
    }
  }
}

void Q6KCodes(const uint8_t* in, uint8_t* codes, float* scales) {
  const float scale = Half(in + 208);
  for (int part = 0; part < 16; ++part)
    scales[part] = scale * static_cast<float>(static_cast<int8_t>(in[192 + part]));
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128, quarter = i % 128 / 32, l = i % 32;
    const int low = in[half * 64 + quarter % 2 * 32 + l] >> (quarter < 2 ? 0 : 4) & 15;
    const int high = in[128 + half * 32 + l] >> (2 * quarter) & 3;
    codes[i] = static_cast<uint8_t>(low | high << 4);
  }
}

}  // namespace

BlockCodes CodesOf(BlockType type) {
  switch (type) {
    case BlockType::kQ4_0:
      return {4, 32, true, false};
    case BlockType::kQ4_1:
      return {4, 32, true, true};
    case BlockType::kQ5_0:
      return {5, 32, true, false};
    case BlockType::kQ5_1:
      return {5, 32, true, true};
    case BlockType::kQ8_0:
      return {8, 32, true, false};
    case BlockType::kQ4K:
      return {4, 32, false, true};
    case BlockType::kQ5K:
      return {5, 32, false, true};
    case BlockType::kQ6K:
      break;
  }
  return {6, 16, false, false};
}

void ReadBlockCodes(BlockType type, const uint8_t* in, size_t blocks, uint8_t* codes, float* scales,
                    float* minima) {
  const BlockCodes what = CodesOf(type);
  const size_t values = static_cast<size_t>(BlockValues(type)), groups = values / what.group;
  for (size_t i = 0; i < blocks; ++i, in += BlockBytes(type), codes += values, scales += groups) {
    if (what.half_scales) scales[0] = Half(in);
    if (what.half_scales && what.minima) minima[0] = Half(in + 2);
    if (type == BlockType::kQ4_0) SmallCodes(in + 2, nullptr, codes);
    if (type == BlockType::kQ4_1) SmallCodes(in + 4, nullptr, codes);
    if (type == BlockType::kQ5_0) SmallCodes(in + 6, in + 2, codes);
    if (type == BlockType::kQ5_1) SmallCodes(in + 8, in + 4, codes);
    if (type == BlockType::kQ8_0) SignedCodes(in + 2, codes);
    if (type == BlockType::kQ4K) SuperCodes(in, false, codes, scales, minima);
    if (type == BlockType::kQ5K) SuperCodes(in, true, codes, scales, minima);
    if (type == BlockType::kQ6K) Q6KCodes(in, codes, scales);
    if (what.minima) minima += groups;
  }
}

}  // namespace qpkv
