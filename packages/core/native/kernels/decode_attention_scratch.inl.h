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
// At most `most` of the rows that a register block holds: for what is compiled per number of rows.
constexpr int RowsAtMost(int most) { return kRowsAtOnce < most ? kRowsAtOnce : most; }
constexpr int kMostDim = 256;
constexpr int kMostGroups = kMostDim / 8;

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
  float* units;      // [rows] of the words
  float* terms;      // [rows, kMostGroups]
  float* word_sums;  // [rows, kMostGroups]
  float* scaled;     // [rows, kFoldMost] rows in units of x_units
  float* x_units;    // [rows]
  float* row_copy;   // [kFoldMost]
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
  s.logits_stride = RoundUp(tokens, 16) + 16;
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
  s.scaled = c->Take<float>(static_cast<size_t>(rows) * kFoldMost);
  s.x_units = c->Take<float>(rows);
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

// While blocks [begin, end) of a part are worked on, asks for the same share of `next`, the part
// that comes after it.
QPKV_INLINE void PrefetchShare(const TileView& v, const uint8_t* next, int begin, int end) {
  if (!next) return;
  const size_t share = RoundUp(v.at.bytes / v.at.blocks, 64);
  for (size_t i = begin * share; i < end * share; i += 64) Prefetch(next + i);
}

}  // namespace
}  // namespace qpkv
