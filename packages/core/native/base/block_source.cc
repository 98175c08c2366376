// See block_source.h.
#include "base/block_source.h"

#include <cstring>

#include "base/f16.h"

namespace qpkv {
namespace {

constexpr int kSmall = 32;   // values of a block with one scale
constexpr int kSuper = 256;  // values of a block with scales of its parts

float Half(const uint8_t* at) {
  uint16_t bits;
  std::memcpy(&bits, at, sizeof(bits));
  return F16ToFloat(bits);
}

uint32_t Word(const uint8_t* at) {
  uint32_t bits;
  std::memcpy(&bits, at, sizeof(bits));
  return bits;
}

// scale f16 | 16 bytes: value j in the low half of byte j, value j + 16 in its high half; 8 is
// zero.
void ReadQ4_0(const uint8_t* in, float* out) {
  const float scale = Half(in);
  for (int j = 0; j < kSmall / 2; ++j) {
    const int codes = in[2 + j];
    out[j] = static_cast<float>((codes & 15) - 8) * scale;
    out[j + kSmall / 2] = static_cast<float>((codes >> 4) - 8) * scale;
  }
}

// scale f16, minimum f16 | 16 bytes as above.
void ReadQ4_1(const uint8_t* in, float* out) {
  const float scale = Half(in), minimum = Half(in + 2);
  for (int j = 0; j < kSmall / 2; ++j) {
    const int codes = in[4 + j];
    out[j] = static_cast<float>(codes & 15) * scale + minimum;
    out[j + kSmall / 2] = static_cast<float>(codes >> 4) * scale + minimum;
  }
}

// The code of value j out of four low bits and a word of fifth bits.
int FiveBits(const uint8_t* low, uint32_t high, int j) {
  const int codes = low[j % (kSmall / 2)];
  const int four = j < kSmall / 2 ? codes & 15 : codes >> 4;
  return four | static_cast<int>((high >> j) & 1) << 4;
}

// scale f16 | 32 fifth bits | 16 bytes of low bits; 16 is zero.
void ReadQ5_0(const uint8_t* in, float* out) {
  const float scale = Half(in);
  const uint32_t high = Word(in + 2);
  for (int j = 0; j < kSmall; ++j)
    out[j] = static_cast<float>(FiveBits(in + 6, high, j) - 16) * scale;
}

// scale f16, minimum f16 | 32 fifth bits | 16 bytes of low bits.
void ReadQ5_1(const uint8_t* in, float* out) {
  const float scale = Half(in), minimum = Half(in + 2);
  const uint32_t high = Word(in + 4);
  for (int j = 0; j < kSmall; ++j)
    out[j] = static_cast<float>(FiveBits(in + 8, high, j)) * scale + minimum;
}

// scale f16 | 32 signed bytes.
void ReadQ8_0(const uint8_t* in, float* out) {
  const float scale = Half(in);
  for (int j = 0; j < kSmall; ++j)
    out[j] = static_cast<float>(static_cast<int8_t>(in[2 + j])) * scale;
}

// Q4_K and Q5_K: scale f16, minimum f16 | 12 bytes of part scales and minima | (32 bytes of fifth
// bits: bit p of byte l belongs to value l of part p) | 128 bytes: parts 2i and 2i + 1 in the low
// and high halves of 32 bytes.
void ReadWithMinima(const uint8_t* in, bool five_bits, float* out) {
  const float scale = Half(in), minimum = Half(in + 2);
  const uint8_t* fifth = in + 16;
  const uint8_t* low = in + (five_bits ? 48 : 16);
  for (int part = 0; part < 8; ++part) {
    int part_scale = 0, part_minimum = 0;
    SixBitScales(in + 4, part, &part_scale, &part_minimum);
    const float step = scale * static_cast<float>(part_scale);
    const float offset = minimum * static_cast<float>(part_minimum);
    for (int l = 0; l < 32; ++l) {
      const int codes = low[part / 2 * 32 + l];
      int code = part % 2 == 0 ? codes & 15 : codes >> 4;
      if (five_bits) code |= (fifth[l] >> part & 1) << 4;
      out[part * 32 + l] = step * static_cast<float>(code) - offset;
    }
  }
}

void ReadQ4K(const uint8_t* in, float* out) { ReadWithMinima(in, false, out); }
void ReadQ5K(const uint8_t* in, float* out) { ReadWithMinima(in, true, out); }

// 128 bytes of low halves | 64 bytes of high bit pairs | 16 signed part scales | scale f16. Either
// half of 128 values takes 64 and 32 bytes: quarter q of it has its low bits in half q / 2 of byte
// (q % 2) * 32 + l and its high ones in pair q of byte l; 32 is zero. A part has 16 values.
void ReadQ6K(const uint8_t* in, float* out) {
  const float scale = Half(in + 208);
  const int8_t* part_scales = reinterpret_cast<const int8_t*>(in + 192);
  for (int i = 0; i < kSuper; ++i) {
    const int half = i / 128, quarter = i % 128 / 32, l = i % 32;
    const int codes = in[half * 64 + quarter % 2 * 32 + l];
    const int low = quarter < 2 ? codes & 15 : codes >> 4;
    const int high = in[128 + half * 32 + l] >> (2 * quarter) & 3;
    out[i] = scale * static_cast<float>(part_scales[i / 16]) *
             static_cast<float>((low | high << 4) - 32);
  }
}

struct Reader {
  int values;
  size_t bytes;
  void (*read)(const uint8_t*, float*);
};

// In the order of BlockType.
constexpr Reader kReaders[] = {
    {kSmall, 18, ReadQ4_0}, {kSmall, 20, ReadQ4_1}, {kSmall, 22, ReadQ5_0}, {kSmall, 24, ReadQ5_1},
    {kSmall, 34, ReadQ8_0}, {kSuper, 144, ReadQ4K}, {kSuper, 176, ReadQ5K}, {kSuper, 210, ReadQ6K},
};

const Reader& ReaderOf(BlockType type) { return kReaders[static_cast<size_t>(type)]; }

}  // namespace

void SixBitScales(const uint8_t* packed, int j, int* scale, int* minimum) {
  if (j < 4) {
    *scale = packed[j] & 63;
    *minimum = packed[j + 4] & 63;
    return;
  }
  *scale = (packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4;
  *minimum = (packed[j + 4] >> 4) | (packed[j] >> 6) << 4;
}

int BlockValues(BlockType type) { return ReaderOf(type).values; }
size_t BlockBytes(BlockType type) { return ReaderOf(type).bytes; }

void ReadBlocks(BlockType type, const uint8_t* source, size_t blocks, float* out) {
  const Reader& reader = ReaderOf(type);
  for (size_t i = 0; i < blocks; ++i)
    reader.read(source + i * reader.bytes, out + i * static_cast<size_t>(reader.values));
}

}  // namespace qpkv
