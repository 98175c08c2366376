// The second half of decode attention: probabilities of all rows times the values of one part,
// added to the rows' sums.
#pragma once
#include "kernels/decode_attention_fold.inl.h"
#include "kernels/decode_attention_scratch.inl.h"
#include "kernels/tile_decode.inl.h"

namespace qpkv {
namespace {

// One strip of blocks with the factors of one channel group (or of all channels).
struct ValueStrip {
  const TileView* view;
  const UnitScratch* u;
  const uint16_t* x;     // [pair of tokens][channel block][32] bf16 pairs or words
  const uint8_t* codes;  // of the strip's first block, where they are read as they lie
  const uint8_t* next;   // what is asked for meanwhile
  ptrdiff_t ahead;       // exact values: the same, in words from x
  int pairs;             // pairs of tokens
  int channel_begin, channel_end;
  size_t scales;  // scales per channel: index of channel 0
};

template <int kRows, int kBlocks>
static void ExactValueBlocks(const ValueStrip& s, int row, int channel_block) {
  const UnitScratch& u = *s.u;
  F32x16 acc[kRows][kBlocks];
  for (int r = 0; r < kRows; ++r)
    for (int c = 0; c < kBlocks; ++c)
      acc[r][c] = Load(u.out + (row + r) * u.out_stride + (channel_block + c) * kLanes);
  const size_t stride = static_cast<size_t>(s.view->channel_blocks) * 32;
  const PairValue* high = u.pairs + row * u.factor_stride;
  const PairValue* low = u.low_pairs + row * u.factor_stride;
  const uint16_t* x = s.x + channel_block * 32;
  for (int t = 0; t < s.pairs; ++t, x += stride) {
    B16x32 values[kBlocks];
    for (int c = 0; c < kBlocks; ++c) {
      values[c] = LoadB16(x + c * 32);
      Prefetch(x + c * 32 + s.ahead);
    }
    for (int r = 0; r < kRows; ++r) {
      const SplatPair factor = SetPair(high + r * u.factor_stride + t);
      for (int c = 0; c < kBlocks; ++c) acc[r][c] = DotSplat(acc[r][c], values[c], factor);
    }
    if constexpr (kNativePairs)
      for (int r = 0; r < kRows; ++r) {
        const SplatPair factor = SetPair(low + r * u.factor_stride + t);
        for (int c = 0; c < kBlocks; ++c) acc[r][c] = DotSplat(acc[r][c], values[c], factor);
      }
  }
  for (int r = 0; r < kRows; ++r)
    for (int c = 0; c < kBlocks; ++c)
      Store(u.out + (row + r) * u.out_stride + (channel_block + c) * kLanes, acc[r][c]);
}

// Dots of the rows with a strip of words, or (kBits > 0) of codes as they lie.
template <int kBits, int kRows, int kBlocks>
QPKV_INLINE void DotValues(const ValueStrip& s, int row, int channel_block,
                           I32x16 (&acc)[kRows][kBlocks]) {
  const TileView& v = *s.view;
  for (int r = 0; r < kRows; ++r)
    for (int c = 0; c < kBlocks; ++c) acc[r][c] = SetI(0);
  const size_t stride = s.u->factor_stride;
  const uint32_t* words = s.u->words + row * stride;
  const auto dot = [&](int t, const U16x32(&values)[kBlocks]) __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const U16x32 factor = SetWordPair(words + r * stride + t);
#pragma GCC unroll 4
      for (int c = 0; c < kBlocks; ++c) acc[r][c] = DotWords(acc[r][c], values[c], factor);
    }
  };
  if constexpr (kBits == 0) {
    const uint16_t* x = s.x + channel_block * 32;
    for (int t = 0; t < s.pairs; ++t, x += static_cast<size_t>(v.channel_blocks) * 32) {
      U16x32 values[kBlocks];
      for (int c = 0; c < kBlocks; ++c) values[c] = LoadU16(x + c * 32);
      dot(t, values);
    }
  } else {
    // These channel blocks ask for their share of what follows.
    constexpr int kPairs = kLanes / 2, kShare = 4 * kBits * kBlocks;  // bytes for a pair of tokens
    const uint8_t* next = s.next + static_cast<size_t>(channel_block / kBlocks * s.pairs) * kShare;
    const uint8_t* block = s.codes;
    for (int t = 0; t < s.pairs; t += kPairs, block += v.at.block_bytes, next += kPairs * kShare)
    // Unrolled, or GCC copies the sums in every step.
#pragma GCC unroll 8
      for (int u = 0; u < kPairs; ++u) {
        const CodeRegisters<kBits> codes =
            LoadCodes<kBits, true>(block, v.at.high_offset, u * v.channel_blocks + channel_block);
        U16x32 values[kBlocks];
        for (int c = 0; c < kBlocks; ++c) values[c] = CodesAt<kBits>(codes, c);
        dot(t + u, values);
        if (u * kShare % 64 < kShare) Prefetch(next + u * kShare);
      }
  }
}

template <int kBits, int kRows, int kBlocks>
static void PackedValueBlocks(const ValueStrip& s, int row, int channel_block) {
  const TileView& v = *s.view;
  const UnitScratch& u = *s.u;
  I32x16 acc[kRows][kBlocks];
  DotValues<kBits, kRows, kBlocks>(s, row, channel_block, acc);
  const float middle = RangeOf(*v.format, kStripBlocks * kLanes).middle;
  for (int c = 0; c < kBlocks; ++c) {
    const int channel = (channel_block + c) * kLanes;
    float* out = u.out + row * u.out_stride + channel;
    if (v.per_channel) {
      const F32x16 scale = LoadScales(v, s.scales + channel);
      const F32x16 centre = CentreOf(v, scale, LoadOffsets(v, s.scales + channel), middle);
      for (int r = 0; r < kRows; ++r) {
        const F32x16 dot =
            Fma(ToFloat(acc[r][c]), Set(u.units[row + r]), Set(-middle * u.word_sums[row + r]));
        Store(out + r * u.out_stride,
              Fma(scale, dot, Fma(centre, Set(u.terms[row + r]), Load(out + r * u.out_stride))));
      }
      continue;
    }
    // Lanes of this channel group only: groups are multiples of 8 channels.
    const Mask16 ours =
        AndM(FirstN(s.channel_end - channel), NotM(FirstN(s.channel_begin - channel)));
    for (int r = 0; r < kRows; ++r) {
      const F32x16 more = Fma(ToFloat(acc[r][c]), Set(u.units[row + r]), Set(u.terms[row + r]));
      Store(out + r * u.out_stride, Add(Load(out + r * u.out_stride), Select(ours, more, Zero())));
    }
  }
}

template <int kRows, int kBlocks>
QPKV_INLINE void ValueBlocks(const ValueStrip& s, int row, int channel_block) {
  if (s.view->format->bits == 16)
    ExactValueBlocks<kRows, kBlocks>(s, row, channel_block);
  else
    PackedValueBlocks<0, kRows, kBlocks>(s, row, channel_block);
}

template <int kRows>
static void ValueRows(const ValueStrip& s, int row) {
  // Channel blocks of one register block.
  constexpr int kMost = !kNativePairs ? 1 : kRows > 4 ? 2 : 4;
  int c = s.channel_begin / kLanes;
  const int end = (s.channel_end + kLanes - 1) / kLanes;
  for (; c + kMost <= end; c += kMost) ValueBlocks<kRows, kMost>(s, row, c);
  if constexpr (kMost > 2)
    for (; c + 2 <= end; c += 2) ValueBlocks<kRows, 2>(s, row, c);
  for (; c < end; ++c) ValueBlocks<kRows, 1>(s, row, c);
}

static void ValueAllRows(const ValueStrip& s, int rows) {
  for (int row = 0; row < rows; row += kRowsAtOnce)
    WithRows<kRowsAtOnce>(MinInt(rows - row, kRowsAtOnce),
                          [&](auto count) { ValueRows<count.value>(s, row); });
}

// Whether `rows` rows read the codes of a value part as they lie: not through a codebook, and
// groups of channels made of whole register blocks.
static bool ReadsValueCodes(const TileView& v, int rows) {
  if (v.format->bits == 16 || v.format->levels || rows > kMostCodeRows) return false;
  const bool groups =
      v.per_channel || v.at.scale_rows == 1 || v.format->group % (kBlocksAtOnce * kLanes) == 0;
  return groups && v.channel_blocks % kBlocksAtOnce == 0;
}

// Straight from codes: kCodeRowsAtOnce rows at a time, kBlocksAtOnce channel blocks.
static void ValueCodes(const ValueStrip& s, int rows) {
  const int begin = s.channel_begin / kLanes, end = (s.channel_end + kLanes - 1) / kLanes;
  WithBits(s.view->format->bits, [&](auto bits) {
    for (int row = 0; row < rows; row += kCodeRowsAtOnce)
      WithRows<kCodeRowsAtOnce>(MinInt(rows - row, kCodeRowsAtOnce), [&](auto count) {
        for (int c = begin; c < end; c += kBlocksAtOnce)
          PackedValueBlocks<bits.value, count.value, kBlocksAtOnce>(s, row, c);
      });
  });
}

// The probabilities of tokens [begin, begin + count) of a row, followed by zeros up to a multiple
// of 32.
QPKV_INLINE const float* PaddedRow(const float* p, int count, float* copy) {
  if (count % 32 == 0) return p;
  const int padded = static_cast<int>(RoundUp(count, 32));
  for (int i = 0; i < padded; i += 16) {
    const int n = MinInt(count - i, 16);
    Store(copy + i, n >= 16 ? Load(p + i) : n > 0 ? LoadN(p + i, n) : Zero());
  }
  return copy;
}

// Copies an exact block without the slots beyond its n tokens: they may hold anything.
static void CopyTailBlock(const TileView& v, int block, int n, uint16_t* to) {
  const uint16_t* from = reinterpret_cast<const uint16_t*>(v.data + block * v.at.block_bytes);
  for (int i = 0; i < v.at.vectors; ++i) {
    const int token = i / v.channel_blocks * 2;
    U16x32 words = token < n ? LoadU16(from + i * 32) : ZeroU16();
    if (token + 1 == n) words = JoinWords(EvenWords(words), SetI(0));
    StoreU16(to + i * 32, words);
  }
}

// Factors of a strip of `count` tokens from slot `first` on that all channel groups share.
static void FoldStrip(const TileView& v, const CodeRange& range, const UnitScratch& u,
                      const float* p, int first, int count) {
  const int padded = static_cast<int>(RoundUp(count, 32));
  for (int r = 0; r < u.rows; ++r) {
    const float* x = p + r * u.logits_stride + first;
    if (v.format->bits == 16) {
      SplitRow(PaddedRow(x, count, u.row_copy), padded, u.pairs + r * u.factor_stride,
               u.low_pairs + r * u.factor_stride);
    } else if (!v.per_channel) {
      u.row_units[r] = RowUnitOf(range, x, nullptr, count);
    } else {
      const PlainRow row =
          FoldPlain(range, PaddedRow(x, count, u.row_copy), padded, u.words + r * u.factor_stride);
      u.units[r] = row.unit;
      u.terms[r] = row.sum;
      u.word_sums[r] = row.word_sum;
    }
  }
}

// Scales per token: the factors of channel group g.
static void FoldGroup(const TileView& v, const CodeRange& range, const UnitScratch& u,
                      const float* p, int first, int count, int g) {
  PrepareFold(v, static_cast<size_t>(g) * v.at.scale_stride + first, count, range.middle, true,
              u.fold);
  FoldRows(*u.fold, range, u.rows, p + first, u.logits_stride, u.row_units, u.words,
           u.factor_stride, u.units, u.terms);
}

// Pair dots. p: of the part's first token. `next` is what will be read after this part.
static void ValuePartPairs(const TileView& v, const UnitScratch& u, const float* p,
                           const uint8_t* next) {
  const bool packed = v.format->bits != 16, codes = ReadsValueCodes(v, u.rows);
  const CodeRange range = RangeOf(*v.format, kStripBlocks * kLanes);
  if (!next) next = v.data;
  LevelTables* levels = packed && v.format->levels ? u.levels : nullptr;
  if (levels) MakeLevelTables(*v.format, levels);
  ValueStrip s{};
  s.view = &v;
  s.u = &u;
  const int blocks = (v.tokens + kLanes - 1) / kLanes, full_blocks = v.tokens / kLanes;
  const size_t block_words = static_cast<size_t>(v.at.vectors) * 32;
  const int groups = packed && !v.per_channel ? v.at.scale_rows : 1;
  const int group_blocks = packed && v.per_channel ? v.format->group / kLanes : blocks;
  for (int begin = 0; begin < blocks;) {
    int end = MinInt(begin + (codes ? kCodeStripBlocks : kStripBlocks), blocks);
    if (!packed) end = begin < full_blocks ? full_blocks : blocks;
    if (group_blocks < blocks) end = MinInt(end, (begin / group_blocks + 1) * group_blocks);
    const int first = begin * kLanes, count = MinInt(end * kLanes, v.tokens) - first;
    s.next = next + begin * v.at.block_bytes;
    if (packed) PrefetchRest(v, next, begin, end, blocks);
    s.pairs = (count + 1) / 2;
    s.x = u.decoded;
    s.ahead = 0;
    if (codes) {
      s.pairs = (end - begin) * (kLanes / 2);
      s.codes = v.data + begin * v.at.block_bytes;
    } else if (packed) {
      PrefetchLines(s.next, next + end * v.at.block_bytes);
      for (int b = begin; b < end; ++b)
        DecodeWords(v, b, levels, u.decoded + (b - begin) * block_words);
    } else if (begin < full_blocks) {
      s.x = reinterpret_cast<const uint16_t*>(v.data + begin * v.at.block_bytes);
      s.ahead = reinterpret_cast<const uint16_t*>(next) - reinterpret_cast<const uint16_t*>(v.data);
    } else {
      CopyTailBlock(v, begin, count, u.decoded);
    }
    if (packed && v.per_channel)
      s.scales = static_cast<size_t>(first / v.format->group) * v.at.scale_stride;
    FoldStrip(v, range, u, p, first, count);
    for (int g = 0; g < groups; ++g) {
      s.channel_begin = groups > 1 ? g * v.format->group : 0;
      s.channel_end = groups > 1 ? MinInt(s.channel_begin + v.format->group, v.dim) : v.dim;
      if (packed && !v.per_channel) FoldGroup(v, range, u, p, first, count, g);
      if (codes)
        ValueCodes(s, u.rows);
      else
        ValueAllRows(s, u.rows);
    }
    begin = end;
  }
  const int outliers = OutlierCount(v);
  for (int i = 0; i < outliers; ++i) {
    const OutlierValue o = OutlierAt(v, i);
    if (o.token >= v.tokens || o.channel >= v.dim) continue;
    const float more = o.value - DecodedAt(v, o.token, o.channel);
    for (int r = 0; r < u.rows; ++r)
      u.out[r * u.out_stride + o.channel] += p[r * u.logits_stride + o.token] * more;
  }
}

// The same; a balance per token multiplies probabilities, one per channel sums.
static void ValuePart(const TileView& v, UnitScratch u, const float* p, const uint8_t* next) {
  if (!v.balanced) return ValuePartPairs(v, u, p, next);
  if (v.per_channel) {
    for (int r = 0; r < u.rows; ++r)
      for (int t = 0; t < v.tokens; t += 16) {
        const int n = MinInt(v.tokens - t, 16);
        Store(u.balanced + r * u.balanced_stride + t,
              Mul(LoadN(p + r * u.logits_stride + t, n), LoadBalances(v, static_cast<size_t>(t))));
      }
    u.logits_stride = u.balanced_stride;
    return ValuePartPairs(v, u, u.balanced, next);
  }
  float* out = u.out;
  const size_t stride = u.out_stride;
  u.out = u.balanced;
  u.out_stride = u.balanced_stride;
  for (int r = 0; r < u.rows; ++r) std::memset(u.out + r * u.out_stride, 0, sizeof(float) * stride);
  ValuePartPairs(v, u, p, next);
  for (int r = 0; r < u.rows; ++r)
    for (int c = 0; c < v.dim; c += 16) {
      float* x = out + r * stride + c;
      Store(x, Fma(Load(u.out + r * u.out_stride + c), LoadBalances(v, static_cast<size_t>(c)),
                   Load(x)));
    }
}

// Float32 throughout, any format.
static void ValuePartFloats(const TileView& v, const UnitScratch& u, const float* p) {
  LevelTables* levels = v.format->bits != 16 && v.format->levels ? u.levels : nullptr;
  if (levels) MakeLevelTables(*v.format, levels);
  for (int block = 0; block * kLanes < v.tokens; ++block) {
    DecodeFloats(v, block, levels, u.floats);
    const int n = MinInt(v.tokens - block * kLanes, kLanes);
    for (int row = 0; row < u.rows; row += 4) {
      const int rows = MinInt(u.rows - row, 4);
      for (int c = 0; c < v.channel_blocks; ++c) {
        F32x16 acc[4];
        for (int r = 0; r < 4; ++r) acc[r] = Zero();
        for (int t = 0; t < n; ++t) {
          const F32x16 x = Load(u.floats + (t / 2 * v.channel_blocks + c) * 32 + t % 2 * 16);
          const float* column = p + row * u.logits_stride + block * kLanes + t;
          for (int r = 0; r < 4; ++r)
            acc[r] = Fma(x, Set(column[MinInt(r, rows - 1) * u.logits_stride]), acc[r]);
        }
        for (int r = 0; r < rows; ++r) {
          float* out = u.out + (row + r) * u.out_stride + c * kLanes;
          Store(out, Add(Load(out), acc[r]));
        }
      }
    }
  }
}

}  // namespace
}  // namespace qpkv
