// What one unit of decode attention works in: the rows of one item and a run of its tokens.
#pragma once
#include "kernels/decode_attention_fold.inl.h"
#include "kernels/tile_decode.inl.h"
#include "kernels/transform.inl.h"

namespace qpkv {
namespace {

// Rows and key blocks of one register block, and blocks of values that are decoded before they are
// multiplied.
constexpr int kRowsAtOnce = kNativePairs ? 8 : 4;
constexpr int kBlocksAtOnce = kNativePairs ? 2 : 1;
// A strip is short so that probabilities below its largest / 65534, which no word can hold, have
// little weight together.
constexpr int kStripBlocks = 4;
// The same of strips that are read straight from codes: their factors are whole words.
constexpr int kCodeStripBlocks = 8;
// Codes are read by as many rows at once, from registers; more rows share words in memory.
constexpr int kCodeRowsAtOnce = 4, kMostCodeRows = 8;

// A number that is known when a kernel is compiled.
template <int kValue>
struct Constant {
  static constexpr int value = kValue;
};

// use(Constant<n>()) for n of 1 .. kMost rows.
template <int kMost, class Use>
QPKV_INLINE void WithRows(int n, const Use& use) {
  if constexpr (kMost > 1) {
    if (n < kMost) return WithRows<kMost - 1>(n, use);
  }
  use(Constant<kMost>());
}

// The same for the bits of a code.
template <class Use>
QPKV_INLINE void WithBits(int bits, const Use& use) {
  switch (bits) {
    case 8:
      return use(Constant<8>());
    case 4:
      return use(Constant<4>());
    case 3:
      return use(Constant<3>());
    case 2:
      return use(Constant<2>());
    default:
      return use(Constant<1>());
  }
}

constexpr int kMostDim = 256;
constexpr int kMostGroups = kMostDim / 8;

// Of a row of logits: a fold reads up to 31 beyond the last token.
QPKV_INLINE size_t LogitsStride(int tokens) { return RoundUp(tokens, 16) + 32; }

struct UnitScratch {
  int rows;
  float* q;         // [rows, q_stride] queries times the logit scale and log2(e); zero beyond dim
  size_t q_stride;  // dim, padded to 32
  float* logits;  // [rows, logits_stride] of the run's tokens, to base 2; later probabilities, not
                  // normalized
  size_t logits_stride;
  float* out;            // [rows, out_stride] sums of probability times value
  size_t out_stride;     // dim, padded to 16
  PairValue* pairs;      // [rows, factor_stride] factors of exact parts ...
  PairValue* low_pairs;  // ... and their second part
  uint32_t* words;       // [rows, factor_stride] factors of packed parts, two words each
  size_t factor_stride;
  float* units;        // [rows] of the words
  float* terms;        // [rows, kMostGroups]
  float* word_sums;    // [rows, kMostGroups]
  RowUnit* row_units;  // [rows]
  float* row_copy;     // [kFoldMost]
  Fold* fold;
  LevelTables* levels;
  uint16_t* decoded;  // words of a few blocks
  float* floats;      // decoded values of one block
  float* balanced;    // [rows, kTileTokens + 16 or q_stride] rows or sums of a part that balances
  size_t balanced_stride;
  float* row_means;  // [rows] products of the queries with the head's mean key
  Rotation* rotation;
};

// Hands out 64-byte aligned pieces of one buffer; with a null base it only counts.
struct BumpAllocator {
  uint8_t* base;
  size_t used = 0;
  template <class T>
  __attribute__((always_inline)) T* Take(size_t count) {
    T* piece = base ? reinterpret_cast<T*>(base + used) : nullptr;
    used += RoundUp(count * sizeof(T), 64);
    return piece;
  }
};

static UnitScratch AllocateUnit(BumpAllocator* c, int rows, int tokens, int dim) {
  UnitScratch s;
  s.rows = rows;
  s.q_stride = RoundUp(dim, 32);
  s.q = c->Take<float>(rows * s.q_stride);
  s.logits_stride = LogitsStride(tokens);
  s.logits = c->Take<float>(rows * s.logits_stride);
  s.out_stride = RoundUp(dim, 16);
  s.out = c->Take<float>(rows * s.out_stride);
  s.factor_stride = kFoldMost / 2;
  s.pairs = c->Take<PairValue>(rows * s.factor_stride);
  s.low_pairs = c->Take<PairValue>(rows * s.factor_stride);
  s.words = c->Take<uint32_t>(rows * s.factor_stride);
  s.units = c->Take<float>(rows);
  s.terms = c->Take<float>(static_cast<size_t>(rows) * kMostGroups);
  s.word_sums = c->Take<float>(static_cast<size_t>(rows) * kMostGroups);
  s.row_units = c->Take<RowUnit>(rows);
  s.row_copy = c->Take<float>(kFoldMost);
  s.fold = c->Take<Fold>(1);
  s.levels = c->Take<LevelTables>(1);
  const size_t key_words = static_cast<size_t>(kBlocksAtOnce) * (dim / 2) * 32;
  const size_t value_words = static_cast<size_t>(kStripBlocks) * (s.out_stride / 2) * 32;
  s.decoded = c->Take<uint16_t>(key_words + value_words);
  s.floats = c->Take<float>(s.out_stride / 2 * 32);
  s.balanced_stride = RoundUp(MaxInt(kTileTokens + 16, dim), 32);
  s.balanced = c->Take<float>(rows * s.balanced_stride);
  s.row_means = c->Take<float>(rows);
  s.rotation = c->Take<Rotation>(1);
  return s;
}

QPKV_INLINE void PrefetchLines(const uint8_t* begin, const uint8_t* end) {
  for (; begin < end; begin += 64) Prefetch(begin);
}

// While blocks [begin, end) of `blocks` are worked on, asks for the same share of what follows the
// codes of `next`, the part that comes after this one.
QPKV_INLINE void PrefetchRest(const TileView& v, const uint8_t* next, int begin, int end,
                              int blocks) {
  const size_t lines = (v.at.bytes - v.at.scales) / 64;
  next += v.at.scales;
  PrefetchLines(next + lines * begin / blocks * 64, next + lines * end / blocks * 64);
}

}  // namespace
}  // namespace qpkv
