// From the packed form to vectors: one block of 16 tokens at a time, into scratch memory that stays
// in the first-level cache.
//
//   DecodeWords   codes as words of 16 bits, or levels as signed ones: [vector][lane][pair], 64
//                 bytes a vector. The fast kernels fold scales into the other factor.
//   DecodeFloats  finished values in float32: [vector][pair][lane], 128 bytes a vector; any format.
#pragma once
#include "kernels/tile_view.inl.h"

namespace qpkv {
namespace {

// The words of plane k (constant after unrolling) of a register, other bits masked away.
template <int kBits>
QPKV_INLINE U16x32 PlaneOf(U16x32 reg, int k) {
  return AndU16(ShiftRightU16(reg, kBits * k), SetU16((1 << kBits) - 1));
}

// Calls use(i, words) for the codes of vectors i .. i + 7 that lie below `vectors`: 3 bits.
template <bool kAll, class Use>
QPKV_INLINE void ForThreeBits(const uint8_t* block, size_t high_offset, int i, int vectors,
                              const Use& use) {
  const U16x32 low = LoadU16(reinterpret_cast<const uint16_t*>(block) + i / 8 * 32);
  const U16x32 high = LoadU16(reinterpret_cast<const uint16_t*>(block + high_offset) + i / 16 * 32);
  const U16x32 top = ShiftRightU16(high, i % 16);  // bit k belongs to vector i + k
#pragma GCC unroll 8
  for (int k = 0; k < 8; ++k) {
    if (!kAll && i + k >= vectors) break;
    const U16x32 moved = k >= 2 ? ShiftRightU16(top, k - 2) : ShiftLeftU16(top, 2 - k);
    use(i + k, OrU16(PlaneOf<2>(low, k), AndU16(moved, SetU16(4))));
  }
}

// The same for all planes of register i / (16 / kBits).
template <int kBits, bool kAll, class Use>
QPKV_INLINE void ForPlanes(const uint8_t* block, int i, int vectors, const Use& use) {
  constexpr int kPlanes = 16 / kBits;
  const U16x32 reg = LoadU16(reinterpret_cast<const uint16_t*>(block) + i / kPlanes * 32);
#pragma GCC unroll 16
  for (int k = 0; k < kPlanes; ++k) {
    if (!kAll && i + k >= vectors) break;
    use(i + k, PlaneOf<kBits>(reg, k));
  }
}

// Calls use(i, words) for the codes of vectors 0 .. vectors - 1 of a block.
template <int kBits, class Use>
QPKV_INLINE void ForCodes(const uint8_t* block, size_t high_offset, int vectors, const Use& use) {
  int i = 0;
  if constexpr (kBits == 3) {
    for (; i + 8 <= vectors; i += 8) ForThreeBits<true>(block, high_offset, i, vectors, use);
    if (i < vectors) ForThreeBits<false>(block, high_offset, i, vectors, use);
  } else {
    constexpr int kPlanes = 16 / kBits;
    for (; i + kPlanes <= vectors; i += kPlanes) ForPlanes<kBits, true>(block, i, vectors, use);
    if (i < vectors) ForPlanes<kBits, false>(block, i, vectors, use);
  }
}

// The levels of a codebook as tables: floats, and integers in units of 1 / kLevelUnit for the word
// kernels.
constexpr float kLevelUnit = 4095.0f;

struct LevelTables {
  alignas(64) float value[256];
  alignas(64) float scaled[256];  // integral
  alignas(64) uint16_t words[16];
};

static void MakeLevelTables(const TensorFormat& format, LevelTables* tables) {
  const int count = 1 << format.bits;
  for (int i = 0; i < 256; ++i) tables->value[i] = i < count ? format.levels[i] : 0.0f;
  for (int i = 0; i < 256; i += 16)
    Store(tables->scaled + i, RoundEven(Mul(Load(tables->value + i), Set(kLevelUnit))));
  for (int i = 0; i < 16; ++i)
    tables->words[i] = static_cast<uint16_t>(static_cast<int>(tables->scaled[i]));
}

template <int kBits>
static void DecodeWordsOf(const TileView& v, int block, const LevelTables* levels, uint16_t* out) {
  const uint8_t* from = v.data + block * v.at.block_bytes;
  if (!levels) {
    ForCodes<kBits>(from, v.at.high_offset, v.at.vectors,
                    [&](int i, U16x32 words) { StoreU16(out + i * 32, words); });
    return;
  }
  const B16Table table = MakeB16Table(levels->words);
  ForCodes<kBits>(from, v.at.high_offset, v.at.vectors, [&](int i, U16x32 words) {
    if constexpr (kBits == 8) {
      const I32x16 even = ToInt(Lookup256(levels->scaled, EvenWords(words)));
      const I32x16 odd = ToInt(Lookup256(levels->scaled, OddWords(words)));
      StoreU16(out + i * 32, JoinWords(AndI(even, SetI(0xffff)), odd));
    } else {
      StoreU16(out + i * 32, LookupU16(table, words));
    }
  });
}

// Codes of a block as words, or its levels as signed words.
static void DecodeWords(const TileView& v, int block, const LevelTables* levels, uint16_t* out) {
  switch (v.format->bits) {
    case 8:
      DecodeWordsOf<8>(v, block, levels, out);
      break;
    case 4:
      DecodeWordsOf<4>(v, block, levels, out);
      break;
    case 3:
      DecodeWordsOf<3>(v, block, levels, out);
      break;
    case 2:
      DecodeWordsOf<2>(v, block, levels, out);
      break;
    case 1:
      DecodeWordsOf<1>(v, block, levels, out);
      break;
    default:
      break;
  }
}

// Codes (or levels) of a block as floats, unscaled.
template <int kBits>
static void DecodeCodeFloats(const TileView& v, int block, const LevelTables* levels, float* out) {
  ForCodes<kBits>(v.data + block * v.at.block_bytes, v.at.high_offset, v.at.vectors,
                  [&](int i, U16x32 words) {
                    const I32x16 even = EvenWords(words), odd = OddWords(words);
                    Store(out + i * 32, levels ? Lookup256(levels->value, even) : ToFloat(even));
                    Store(out + i * 32 + 16, levels ? Lookup256(levels->value, odd) : ToFloat(odd));
                  });
}

QPKV_INLINE F32x16 Finish(const TileView& v, F32x16 code, F32x16 scale, F32x16 offset) {
  return v.integer_zero ? Mul(Sub(code, offset), scale) : Add(Mul(code, scale), offset);
}

static void FinishKeys(const TileView& v, int block, float* out) {
  for (int c = 0; c < v.dim; ++c) {
    float* x = out + c / 2 * 32 + c % 2 * 16;
    const size_t index = ScaleIndex(v, block * kLanes, c);
    if (v.per_channel)
      Store(x, Finish(v, Load(x), Set(LoadScale(v, index)), Set(LoadOffset(v, index))));
    else
      Store(x, Finish(v, Load(x), LoadScales(v, index), LoadOffsets(v, index)));
  }
}

static void FinishValues(const TileView& v, int block, float* out) {
  for (int t = 0; t < kLanes; ++t)
    for (int c = 0; c < v.channel_blocks; ++c) {
      float* x = out + (t / 2 * v.channel_blocks + c) * 32 + t % 2 * 16;
      const int token = block * kLanes + t, channel = c * kLanes;
      const size_t first = ScaleIndex(v, token, channel);
      if (v.per_channel) {
        Store(x, Finish(v, Load(x), LoadScales(v, first), LoadOffsets(v, first)));
        continue;
      }
      // Groups are multiples of 8 channels: the upper 8 lanes may belong to the next one.
      const size_t second = ScaleIndex(v, token, MinInt(channel + 8, v.dim - 1));
      const F32x16 scale = Select(FirstN(8), Set(LoadScale(v, first)), Set(LoadScale(v, second)));
      const F32x16 offset =
          Select(FirstN(8), Set(LoadOffset(v, first)), Set(LoadOffset(v, second)));
      Store(x, Finish(v, Load(x), scale, offset));
    }
}

// Lanes are tokens in keys and channels in values; balances belong to whichever has no scales.
static void MultiplyBalances(const TileView& v, int block, float* out) {
  const bool key = v.tensor == Tensor::kKey;
  for (int i = 0; i < v.at.vectors; ++i)
    for (int pair = 0; pair < 2; ++pair) {
      float* x = out + i * 32 + pair * 16;
      const int channel = key ? 2 * i + pair : i % v.channel_blocks * kLanes;
      const int token = block * kLanes + (key ? 0 : i / v.channel_blocks * 2 + pair);
      const size_t index = v.per_channel ? token : channel;
      const bool lanes = key == v.per_channel;
      Store(x, Mul(Load(x), lanes ? LoadBalances(v, index) : Set(LoadBalance(v, index))));
    }
}

static void DecodeExactFloats(const TileView& v, int block, float* out) {
  const uint8_t* from = v.data + block * v.at.block_bytes;
  for (int i = 0; i < v.at.vectors; ++i) {
    if (v.format->element == Element::kF32) {
      const float* x = reinterpret_cast<const float*>(from) + i * 32;
      Store(out + i * 32, Load(x));
      Store(out + i * 32 + 16, Load(x + 16));
      continue;
    }
    const uint16_t* x = reinterpret_cast<const uint16_t*>(from) + i * 32;
    if (v.format->element == Element::kBf16) {
      const B16x32 pairs = LoadB16(x);
      Store(out + i * 32, Even(pairs));
      Store(out + i * 32 + 16, Odd(pairs));
      continue;
    }
    const U16x32 words = LoadU16(x);
    Store(out + i * 32, F16BitsToFloat(EvenWords(words)));
    Store(out + i * 32 + 16, F16BitsToFloat(OddWords(words)));
  }
}

// Values of one block, outliers included. Slots beyond the part's tokens hold anything.
static void DecodeFloats(const TileView& v, int block, const LevelTables* levels, float* out) {
  switch (v.format->bits) {
    case 16:
      DecodeExactFloats(v, block, out);
      return;
    case 8:
      DecodeCodeFloats<8>(v, block, levels, out);
      break;
    case 4:
      DecodeCodeFloats<4>(v, block, levels, out);
      break;
    case 3:
      DecodeCodeFloats<3>(v, block, levels, out);
      break;
    case 2:
      DecodeCodeFloats<2>(v, block, levels, out);
      break;
    case 1:
      DecodeCodeFloats<1>(v, block, levels, out);
      break;
    default:
      return;
  }
  const bool key = v.tensor == Tensor::kKey;
  if (key)
    FinishKeys(v, block, out);
  else
    FinishValues(v, block, out);
  if (v.balanced) MultiplyBalances(v, block, out);
  const int outliers = OutlierCount(v);
  for (int i = 0; i < outliers; ++i) {
    const OutlierValue o = OutlierAt(v, i);
    if (o.token / kLanes != block || o.channel >= v.dim) continue;
    const int t = o.token % kLanes;
    if (key)
      out[o.channel / 2 * 32 + o.channel % 2 * 16 + t] = o.value;
    else
      out[(t / 2 * v.channel_blocks + o.channel / kLanes) * 32 + t % 2 * 16 + o.channel % kLanes] =
          o.value;
  }
}

}  // namespace
}  // namespace qpkv
