// The first half of decode attention: logits of all rows with the tokens of one key part.
#pragma once
#include "kernels/decode_attention_fold.inl.h"
#include "kernels/decode_attention_scratch.inl.h"
#include "kernels/tile_decode.inl.h"
#include "kernels/tile_rope.inl.h"

namespace qpkv {
namespace {

// What the rows need for one run of blocks with the same factors.
struct KeyBlocks {
  const TileView* view;
  const UnitScratch* s;
  const uint16_t* x;  // [block][vector][32] bf16 pairs or words; null where codes are read
  size_t stride;      // words from block to block
  int first_block;
  const uint8_t* next;  // what is asked for while the first of these blocks is worked on
  float* logits;        // of the part's first token, [rows][logits_stride]
};

template <int kRows, int kBlocks>
QPKV_INLINE void StoreLogits(const KeyBlocks& k, int row, const F32x16 (&total)[kBlocks][kRows]) {
  for (int b = 0; b < kBlocks; ++b) {
    const int token = (k.first_block + b) * kLanes, n = MinInt(k.view->tokens - token, kLanes);
    for (int r = 0; r < kRows; ++r) {
      float* out = k.logits + (row + r) * k.s->logits_stride + token;
      if (n == kLanes)
        Store(out, total[b][r]);
      else
        StoreN(out, total[b][r], n);
    }
  }
}

// Exact bf16 keys. Both parts of a row's factor are multiplied while the key vector is in a
// register.
template <int kRows, int kBlocks>
static void ExactKeyRows(const KeyBlocks& k, int row) {
  F32x16 acc[kBlocks][kRows];
  for (int b = 0; b < kBlocks; ++b)
    for (int r = 0; r < kRows; ++r) acc[b][r] = Zero();
  const size_t stride = k.s->factor_stride;
  const PairValue* high = k.s->pairs + row * stride;
  const PairValue* low = k.s->low_pairs + row * stride;
  for (int i = 0; i < k.view->at.vectors; ++i) {
    B16x32 x[kBlocks];
    for (int b = 0; b < kBlocks; ++b) {
      x[b] = LoadB16(k.x + b * k.stride + i * 32);
      Prefetch(k.next + (b * k.stride + i * 32) * sizeof(uint16_t));
    }
    for (int r = 0; r < kRows; ++r) {
      const SplatPair factor = SetPair(high + r * stride + i);
      for (int b = 0; b < kBlocks; ++b) acc[b][r] = DotSplat(acc[b][r], x[b], factor);
    }
    if constexpr (kNativePairs)
      for (int r = 0; r < kRows; ++r) {
        const SplatPair factor = SetPair(low + r * stride + i);
        for (int b = 0; b < kBlocks; ++b) acc[b][r] = DotSplat(acc[b][r], x[b], factor);
      }
  }
  StoreLogits<kRows, kBlocks>(k, row, acc);
}

// Dots of the rows with vectors [begin, end): with words, or (kBits > 0, kPlanes of them at a time)
// with codes as they lie.
template <int kBits, int kRows, int kBlocks>
QPKV_INLINE void DotCodes(const KeyBlocks& k, int row, int begin, int end,
                          I32x16 (&acc)[kBlocks][kRows]) {
  for (int b = 0; b < kBlocks; ++b)
    for (int r = 0; r < kRows; ++r) acc[b][r] = SetI(0);
  const size_t stride = k.s->factor_stride;
  const uint32_t* words = k.s->words + row * stride;
  const auto dot = [&](int i, const U16x32(&x)[kBlocks]) __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const U16x32 factor = SetWordPair(words + r * stride + i);
      for (int b = 0; b < kBlocks; ++b) acc[b][r] = DotWords(acc[b][r], x[b], factor);
    }
  };
  if constexpr (kBits == 0) {
    for (int i = begin; i < end; ++i) {
      U16x32 x[kBlocks];
      for (int b = 0; b < kBlocks; ++b) x[b] = LoadU16(k.x + b * k.stride + i * 32);
      dot(i, x);
    }
  } else {
    const PartLayout& at = k.view->at;
    const size_t first = k.first_block * at.block_bytes;
    for (int i = begin; i < end; i += kPlanes<kBits>) {
      CodeRegisters<kBits> codes[kBlocks];
      for (int b = 0; b < kBlocks; ++b) {
        const size_t block = b * at.block_bytes;
        codes[b] = LoadCodes<kBits>(k.view->data + first + block, at.high_offset, i);
        Prefetch(k.next + block + static_cast<size_t>(i) * 4 * kBits);
      }
#pragma GCC unroll 16
      for (int p = 0; p < kPlanes<kBits>; ++p) {
        U16x32 x[kBlocks];
        for (int b = 0; b < kBlocks; ++b) x[b] = CodesAt<kBits>(codes[b], p);
        dot(i + p, x);
      }
    }
  }
}

// Packed keys, scales per channel (folded into the words) or per token (applied to the dot of each
// channel group).
template <int kBits, int kRows, int kBlocks>
static void PackedKeyRows(const KeyBlocks& k, int row) {
  const TileView& v = *k.view;
  const UnitScratch& s = *k.s;
  F32x16 total[kBlocks][kRows];
  I32x16 acc[kBlocks][kRows];
  if (v.per_channel) {
    DotCodes<kBits, kRows, kBlocks>(k, row, 0, v.at.vectors, acc);
    for (int b = 0; b < kBlocks; ++b)
      for (int r = 0; r < kRows; ++r)
        total[b][r] = Fma(ToFloat(acc[b][r]), Set(s.units[row + r]), Set(s.terms[row + r]));
    StoreLogits<kRows, kBlocks>(k, row, total);
    return;
  }
  const float middle = RangeOf(*v.format, v.dim).middle;
  const int step = v.format->group / 2;
  for (int b = 0; b < kBlocks; ++b)
    for (int r = 0; r < kRows; ++r) total[b][r] = Zero();
  for (int g = 0; g < v.at.scale_rows; ++g) {
    DotCodes<kBits, kRows, kBlocks>(k, row, g * step, MinInt(g * step + step, v.at.vectors), acc);
    for (int b = 0; b < kBlocks; ++b) {
      const size_t index =
          static_cast<size_t>(g) * v.at.scale_stride + (k.first_block + b) * kLanes;
      const F32x16 scale = LoadScales(v, index),
                   centre = CentreOf(v, scale, LoadOffsets(v, index), middle);
      for (int r = 0; r < kRows; ++r) {
        const int at = (row + r) * kMostGroups + g;
        const F32x16 dot =
            Fma(ToFloat(acc[b][r]), Set(s.units[row + r]), Set(-middle * s.word_sums[at]));
        total[b][r] = Fma(scale, dot, Fma(centre, Set(s.terms[at]), total[b][r]));
      }
    }
  }
  StoreLogits<kRows, kBlocks>(k, row, total);
}

template <int kRows, int kBlocks>
QPKV_INLINE void KeyRows(const KeyBlocks& k, int row) {
  if (k.view->format->bits == 16)
    ExactKeyRows<kRows, kBlocks>(k, row);
  else
    PackedKeyRows<0, kRows, kBlocks>(k, row);
}

template <int kBlocks>
static void KeyRowBlocks(const KeyBlocks& k, int rows) {
  for (int row = 0; row < rows; row += kRowsAtOnce)
    WithRows<kRowsAtOnce>(MinInt(rows - row, kRowsAtOnce),
                          [&](auto count) { KeyRows<count.value, kBlocks>(k, row); });
}

// Whether `rows` rows read the codes of a key part as they lie: not through a codebook, and all
// vectors of a register at once.
static bool ReadsKeyCodes(const TileView& v, int rows) {
  if (v.format->bits == 16 || v.format->levels || rows > kMostCodeRows) return false;
  const int planes = v.format->bits == 1 || v.format->bits == 3 ? 16 : 16 / v.format->bits;
  return v.at.vectors % planes == 0 && (v.per_channel || v.format->group / 2 % planes == 0);
}

// Straight from codes: kCodeRowsAtOnce rows at a time, kBlocksAtOnce blocks.
static void KeyCodes(const KeyBlocks& k, int rows) {
  WithBits(k.view->format->bits, [&](auto bits) {
    for (int row = 0; row < rows; row += kCodeRowsAtOnce)
      WithRows<kCodeRowsAtOnce>(MinInt(rows - row, kCodeRowsAtOnce), [&](auto count) {
        PackedKeyRows<bits.value, count.value, kBlocksAtOnce>(k, row);
      });
  });
}

// Scales per token: words of the plain queries, and per channel group the sums of the queries and
// of the words.
static void FoldPlainKeys(const TileView& v, const CodeRange& range, const UnitScratch& s) {
  const int groups = v.at.scale_rows, group = v.format->group;
  for (int r = 0; r < s.rows; ++r) {
    const float* q = s.q + r * s.q_stride;
    uint32_t* words = s.words + r * s.factor_stride;
    const PlainRow row = FoldPlain(range, q, static_cast<int>(s.q_stride), words);
    s.units[r] = row.unit;
    for (int g = 0; g < groups; ++g) {
      float sum = 0;
      int word_sum = 0;
      for (int c = g * group; c < MinInt((g + 1) * group, v.dim); ++c) {
        int16_t word;
        __builtin_memcpy(&word, reinterpret_cast<const char*>(words) + c * sizeof word,
                         sizeof word);
        sum += q[c];
        word_sum += word;
      }
      s.terms[r * kMostGroups + g] = sum;
      s.word_sums[r * kMostGroups + g] = row.unit * static_cast<float>(word_sum);
    }
  }
}

// Scales per channel: the queries in units that keep q * scale within words for every token group
// of the part.
static void ScaleQueries(const TileView& v, const CodeRange& range, const UnitScratch& s) {
  for (int c = 0; c < v.at.scale_stride; c += 16) {
    F32x16 most = Zero();
    for (int g = 0; g < v.at.scale_rows; ++g)
      most = Max(LoadScales(v, static_cast<size_t>(g) * v.at.scale_stride + c), most);
    Store(s.row_copy + c, most);
  }
  for (int r = 0; r < s.rows; ++r)
    s.row_units[r] = RowUnitOf(range, s.q + r * s.q_stride, s.row_copy, v.dim);
}

// Pair dots. `next` is what will be read after this part.
static void KeyPartPairs(const TileView& v, const UnitScratch& s, float* logits,
                         const uint8_t* next) {
  const bool packed = v.format->bits != 16, folded = packed && v.per_channel;
  const CodeRange range = RangeOf(*v.format, v.dim);
  const bool codes = ReadsKeyCodes(v, s.rows);
  LevelTables* levels = packed && v.format->levels ? s.levels : nullptr;
  if (levels) MakeLevelTables(*v.format, levels);
  if (!packed)
    for (int r = 0; r < s.rows; ++r)
      SplitRow(s.q + r * s.q_stride, static_cast<int>(s.q_stride), s.pairs + r * s.factor_stride,
               s.low_pairs + r * s.factor_stride);
  else if (folded)
    ScaleQueries(v, range, s);
  else
    FoldPlainKeys(v, range, s);
  KeyBlocks k{};
  k.view = &v;
  k.s = &s;
  k.logits = logits;
  k.stride = static_cast<size_t>(v.at.vectors) * 32;
  const int blocks = (v.tokens + kLanes - 1) / kLanes;
  const int group_blocks = folded ? v.format->group / kLanes : blocks;
  for (int begin = 0; begin < blocks; begin += group_blocks) {
    const int end = MinInt(begin + group_blocks, blocks);
    if (folded) {
      PrepareFold(v, static_cast<size_t>(begin / group_blocks) * v.at.scale_stride, v.dim,
                  range.middle, false, s.fold);
      FoldRows(*s.fold, range, s.rows, s.q, s.q_stride, s.row_units, s.words, s.factor_stride,
               s.units, s.terms);
    }
    for (int block = begin; block < end;) {
      const int n = MinInt(end - block, kBlocksAtOnce);
      k.first_block = block;
      k.next = (next ? next : v.data) + block * v.at.block_bytes;
      if (packed) PrefetchRest(v, next ? next : v.data, block, block + n, blocks);
      if (codes && n == kBlocksAtOnce) {
        KeyCodes(k, s.rows);
        block += n;
        continue;
      }
      if (packed) {
        PrefetchLines(k.next, k.next + n * v.at.block_bytes);
        for (int b = 0; b < n; ++b) DecodeWords(v, block + b, levels, s.decoded + b * k.stride);
        k.x = s.decoded;
      } else {
        k.x = reinterpret_cast<const uint16_t*>(v.data + block * v.at.block_bytes);
      }
      if (n == 1)
        KeyRowBlocks<1>(k, s.rows);
      else
        KeyRowBlocks<kBlocksAtOnce>(k, s.rows);
      block += n;
    }
  }
  const int outliers = OutlierCount(v);
  for (int i = 0; i < outliers; ++i) {
    const OutlierValue o = OutlierAt(v, i);
    if (o.token >= v.tokens || o.channel >= v.dim) continue;
    const float more = o.value - DecodedAt(v, o.token, o.channel);
    for (int r = 0; r < s.rows; ++r)
      logits[r * s.logits_stride + o.token] += s.q[r * s.q_stride + o.channel] * more;
  }
}

// The same; a balance per token multiplies logits, one per channel queries.
static void KeyPart(const TileView& v, UnitScratch s, float* logits, const uint8_t* next) {
  if (!v.balanced) return KeyPartPairs(v, s, logits, next);
  if (!v.per_channel) {
    for (int r = 0; r < s.rows; ++r) {
      float* q = s.balanced + r * s.q_stride;
      std::memcpy(q, s.q + r * s.q_stride, sizeof(float) * s.q_stride);
      for (int c = 0; c < v.dim; ++c) q[c] *= LoadBalance(v, static_cast<size_t>(c));
    }
    s.q = s.balanced;
    return KeyPartPairs(v, s, logits, next);
  }
  KeyPartPairs(v, s, logits, next);
  for (int t = 0; t < v.tokens; t += 16) {
    const F32x16 balance = LoadBalances(v, static_cast<size_t>(t));
    for (int r = 0; r < s.rows; ++r) {
      float* x = logits + r * s.logits_stride + t;
      const int n = MinInt(v.tokens - t, 16);
      StoreN(x, Mul(LoadN(x, n), balance), n);
    }
  }
}

// Float32 throughout, any format, keys before RoPE included.
static void KeyPartFloats(const TileView& v, const UnitScratch& s, const RopeRotation* rope,
                          const Transform& transform, const float* means, float* logits) {
  LevelTables* levels = v.format->bits != 16 && v.format->levels ? s.levels : nullptr;
  if (levels) MakeLevelTables(*v.format, levels);
  for (int block = 0; block * kLanes < v.tokens; ++block) {
    DecodeFloats(v, block, levels, s.floats);
    if (v.format->rope_before) {
      RestoreKeys(transform, means, v.dim, s.floats);
      RotateKeys(v, block, *rope, s.floats);
    }
    const int n = MinInt(v.tokens - block * kLanes, kLanes);
    for (int row = 0; row < s.rows; row += 4) {
      const int rows = MinInt(s.rows - row, 4);
      F32x16 acc[4][2];
      for (int r = 0; r < 4; ++r) acc[r][0] = acc[r][1] = Zero();
      for (int i = 0; i < v.at.vectors; ++i) {
        const F32x16 even = Load(s.floats + i * 32), odd = Load(s.floats + i * 32 + 16);
        for (int r = 0; r < 4; ++r) {
          const float* q = s.q + (row + MinInt(r, rows - 1)) * s.q_stride + 2 * i;
          acc[r][0] = Fma(even, Set(q[0]), acc[r][0]);
          acc[r][1] = Fma(odd, Set(q[1]), acc[r][1]);
        }
      }
      for (int r = 0; r < rows; ++r)
        StoreN(logits + (row + r) * s.logits_stride + block * kLanes, Add(acc[r][0], acc[r][1]), n);
    }
  }
}

}  // namespace
}  // namespace qpkv
