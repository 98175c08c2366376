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

// Vectors of one step through the codes of a block: those of one register, of 3 bits of the low
// one.
template <int kBits>
constexpr int kPlanes = kBits == 3 ? 8 : 16 / kBits;

// The registers that hold vectors i .. i + kPlanes - 1 of a block, i a multiple of kPlanes, or
// fewer from any i on: moved so that vector i lies in the lowest bits.
template <int kBits>
struct CodeRegisters {
  U16x32 low, high;  // high: 3 bits only, the third one
};

template <int kBits, bool kMoved = false>
QPKV_INLINE CodeRegisters<kBits> LoadCodes(const uint8_t* block, size_t high_offset, int i) {
  constexpr int kLow = kBits == 3 ? 2 : kBits;
  U16x32 low = LoadU16(reinterpret_cast<const uint16_t*>(block) + i / kPlanes<kBits> * 32);
  if constexpr (kMoved) low = ShiftRightU16(low, kLow * (i % kPlanes<kBits>));
  if constexpr (kBits != 3) return {low, low};
  const uint16_t* high = reinterpret_cast<const uint16_t*>(block + high_offset) + i / 16 * 32;
  return {low, ShiftRightU16(LoadU16(high), i % 16)};
}

// The codes of vector i + k as words; k is constant after unrolling.
template <int kBits>
QPKV_INLINE U16x32 CodesAt(const CodeRegisters<kBits>& r, int k) {
  if constexpr (kBits == 3) {
    const U16x32 top = k >= 2 ? ShiftRightU16(r.high, k - 2) : ShiftLeftU16(r.high, 2 - k);
    return OrU16(AndU16(ShiftRightU16(r.low, 2 * k), SetU16(3)), AndU16(top, SetU16(4)));
  }
  if (k == kPlanes<kBits> - 1) return ShiftRightU16(r.low, kBits * k);
  return AndU16(ShiftRightU16(r.low, kBits * k), SetU16((1 << kBits) - 1));
}

// Calls use(i, words) for the codes of vectors 0 .. vectors - 1 of a block.
template <int kBits, class Use>
QPKV_INLINE void ForCodes(const uint8_t* block, size_t high_offset, int vectors, const Use& use) {
  int i = 0;
  for (; i + kPlanes<kBits> <= vectors; i += kPlanes<kBits>) {
    const CodeRegisters<kBits> codes = LoadCodes<kBits>(block, high_offset, i);
#pragma GCC unroll 16
    for (int k = 0; k < kPlanes<kBits>; ++k) use(i + k, CodesAt<kBits>(codes, k));
  }
  if (i >= vectors) return;
  const CodeRegisters<kBits> codes = LoadCodes<kBits>(block, high_offset, i);
#pragma GCC unroll 16
  for (int k = 0; k < kPlanes<kBits>; ++k)
    if (i + k < vectors) use(i + k, CodesAt<kBits>(codes, k));
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
