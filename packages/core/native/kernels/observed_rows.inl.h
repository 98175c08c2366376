// What attention statistics share: logits of blocks of query rows against blocks of keys, masked,
// and the log-sum-exp of each row. A unit of work owns keys of one stored head and runs over all
// query rows in order, so no sums are merged and no order depends on threads.
#pragma once
#include <math.h>

#include "kernels/attention_panels.inl.h"
#include "ops/statistic.h"

namespace qpkv {
namespace {

constexpr int kObserveBlocks = 4;  // key blocks per unit
constexpr float kHidden = -1e30f;  // a masked logit

// Query rows of one chunk and the keys that they may see.
struct ObservedRows {
  const float* q;    // [rows, q_heads, dim], row stride q_stride
  const float* k;    // [kv_heads, capacity, dim]
  const float* lse;  // [q_heads, lse_stride] of these rows, or null: computed here
  int rows, first, q_stride, lse_stride, capacity;
  StatisticShape shape;
  // From 0 on: queries before tokens - block see all keys (a released code's mask); -1: causal.
  int block;
  float scale;
};

// The rows of this chunk that lie in [begin, end).
ObservedRows RowsOf(const StatisticArgs& args, int begin, int end) {
  const int from = begin > args.first ? begin : args.first;
  const int to = end < args.first + args.rows ? end : args.first + args.rows;
  const int skipped = from - args.first;
  ObservedRows rows;
  rows.q = args.q + static_cast<size_t>(skipped) * args.q_stride;
  rows.k = args.k;
  rows.lse = args.lse ? args.lse + skipped : nullptr;
  rows.rows = to - from;
  rows.first = from;
  rows.q_stride = args.q_stride;
  rows.lse_stride = args.lse_stride;
  rows.capacity = args.capacity;
  rows.shape = args.shape;
  rows.block = -1;
  rows.scale = args.scale;
  return rows;
}

QPKV_INLINE Visible ObservedRange(const ObservedRows& rows, int row) {
  const int position = rows.first + row;
  Visible seen = CausalRange(position, rows.shape.window);
  const bool all = rows.block >= 0 && position < rows.shape.tokens - rows.block;
  if (all || seen.end > rows.shape.tokens) seen.end = rows.shape.tokens;
  return seen;
}

// The keys that any row of [first_row, first_row + count) sees, and those that every row sees.
QPKV_INLINE void RangesOf(const ObservedRows& rows, int first_row, int count, Visible* any,
                          Visible* every) {
  *any = *every = ObservedRange(rows, first_row);
  for (int r = 1; r < count; ++r) {
    const Visible seen = ObservedRange(rows, first_row + r);
    any->begin = seen.begin < any->begin ? seen.begin : any->begin;
    any->end = seen.end > any->end ? seen.end : any->end;
    every->begin = seen.begin > every->begin ? seen.begin : every->begin;
    every->end = seen.end < every->end ? seen.end : every->end;
  }
}

QPKV_INLINE const float* HeadQueries(const ObservedRows& rows, int head, int row) {
  return rows.q + static_cast<size_t>(row) * rows.q_stride +
         static_cast<size_t>(head) * rows.shape.dim;
}

// Base-2 log-sum-exp of the scaled logits of one block of query rows, over all key blocks of its
// head.
template <class Step>
void RowNormalizers(const ObservedRows& rows, const typename Step::B* keys, int head, int first_row,
                    int count, typename Step::A* q, float* logits, float* lse2) {
  const int dim = rows.shape.dim;
  PackQueries<Step>(HeadQueries(rows, head, first_row), rows.q_stride, count, dim, q);
  Visible any, every;
  RangesOf(rows, first_row, count, &any, &every);
  const F32x16 scale = Set(rows.scale * kLog2E);
  F32x16 maximum[kQueryBlock], sum[kQueryBlock];  // per lane: no reduction inside the loop
  for (int r = 0; r < count; ++r) {
    maximum[r] = Set(kHidden);
    sum[r] = Zero();
  }
  for (int block = any.begin / kKeyBlock; block * kKeyBlock < any.end; ++block) {
    const int begin = block * kKeyBlock;
    BlockLogits<Step>(q, keys + block * KeyBlockSize<Step>(dim), count, dim, logits);
    if (rows.shape.cap > 0) CapBlock(logits, count, rows.scale, rows.shape.cap);
    const bool whole = every.begin <= begin && begin + kKeyBlock <= every.end;
    for (int r = 0; r < count; ++r) {
      float* row = logits + r * kKeyBlock;
      if (!whole) MaskRow(row, begin, ObservedRange(rows, first_row + r), kHidden);
      F32x16 x[4], now = maximum[r];
      for (int i = 0; i < 4; ++i) {
        x[i] = Mul(scale, LoadAligned(row + 16 * i));
        now = Max(x[i], now);
      }
      F32x16 total = Mul(sum[r], Exp2Down(Sub(maximum[r], now)));
      for (int i = 0; i < 4; ++i) total = Add(total, Exp2Down(Sub(x[i], now)));
      maximum[r] = now;
      sum[r] = total;
    }
  }
  for (int r = 0; r < count; ++r) {
    // Lanes that saw no key hold a count of masked keys at kHidden; the weight 2^(kHidden - peak)
    // removes them.
    const float peak = ReduceMax(maximum[r]);
    const float total = ReduceAdd(Mul(sum[r], Exp2(Sub(maximum[r], Set(peak)))));
    lse2[r] = peak + ::logf(total) * kLog2E;
  }
}

// Turns the logits of `count` query rows against one key block into probabilities, in place.
template <class Step>
QPKV_INLINE void BlockProbabilities(const ObservedRows& rows, const float* lse2, int first_row,
                                    int count, int key_begin, bool whole, float* logits) {
  const F32x16 scale = Set(rows.scale * kLog2E);
  for (int r = 0; r < count; ++r) {
    float* row = logits + r * kKeyBlock;
    if (!whole) MaskRow(row, key_begin, ObservedRange(rows, first_row + r), kHidden);
    const F32x16 offset = Set(-lse2[r]);
    for (int i = 0; i < 4; ++i) {
      const F32x16 x = Fma(LoadAligned(row + 16 * i), scale, offset);
      StoreAligned(row + 16 * i, Step::kDepth == 2 ? Exp2Fast(x) : Exp2Down(x));
    }
  }
}

// What a unit of work gets.
template <class Step>
struct ObserveWork {
  const ObservedRows& rows;
  const typename Step::B* keys;  // packed panels of `kv_head`
  int group, kv_head;
  const float* lse2;  // [q_heads, rows]
  size_t q_size;      // of one packed query block, in Step::A
};

// Probabilities of the keys [first_block, end_block) from every block of query rows of one head, in
// order: visit(first_row, count, block, probabilities [48][64]). Blocks that no row sees are left
// out.
template <class Step, class Visit>
QPKV_INLINE void VisitProbabilities(const ObserveWork<Step>& work, int head, int first_block,
                                    int end_block, typename Step::A* q, float* logits,
                                    const Visit& visit) {
  const ObservedRows& rows = work.rows;
  const int dim = rows.shape.dim;
  for (int first_row = 0; first_row < rows.rows; first_row += kQueryBlock) {
    const int count = rows.rows - first_row < kQueryBlock ? rows.rows - first_row : kQueryBlock;
    Visible any, every;
    RangesOf(rows, first_row, count, &any, &every);
    if (any.end <= first_block * kKeyBlock || end_block * kKeyBlock <= any.begin) continue;
    PackQueries<Step>(HeadQueries(rows, head, first_row), rows.q_stride, count, dim, q);
    const float* lse2 = work.lse2 + static_cast<size_t>(head) * rows.rows + first_row;
    for (int block = first_block; block < end_block; ++block) {
      const int begin = block * kKeyBlock;
      if (any.end <= begin || begin + kKeyBlock <= any.begin) continue;
      BlockLogits<Step>(q, work.keys + block * KeyBlockSize<Step>(dim), count, dim, logits);
      if (rows.shape.cap > 0) CapBlock(logits, count, rows.scale, rows.shape.cap);
      const bool whole = every.begin <= begin && begin + kKeyBlock <= every.end;
      BlockProbabilities<Step>(rows, lse2, first_row, count, begin, whole, logits);
      visit(first_row, count, block, logits);
    }
  }
}

// Packs the keys of one stored head after the other, finds the rows' log-sum-exps where they are
// not given, and runs unit(work, head, first_block, end_block, scratch) for all its query heads and
// keys. `extra`: bytes of scratch beside the packed queries and logits.
template <class Step, class Unit>
void ObserveHeads(Stream& stream, const ObservedRows& rows, size_t extra, const Unit& unit_of) {
  const StatisticShape& shape = rows.shape;
  const int group = shape.q_heads / shape.kv_heads, dim = shape.dim;
  const int blocks = (shape.tokens + kKeyBlock - 1) / kKeyBlock;
  const int row_blocks = (rows.rows + kQueryBlock - 1) / kQueryBlock;
  const size_t key_bytes = AlignUp(KeyBlockSize<Step>(dim) * blocks * sizeof(typename Step::B), 64);
  uint8_t* shared = static_cast<uint8_t*>(
      stream.SharedScratch(key_bytes + sizeof(float) * shape.q_heads * rows.rows));
  typename Step::B* keys = reinterpret_cast<typename Step::B*>(shared);
  float* lse2 = reinterpret_cast<float*>(shared + key_bytes);
  const size_t q_size = kQueryBlock * QueryStride<Step>(dim);
  const size_t scratch_bytes =
      q_size * sizeof(typename Step::A) + sizeof(float) * kQueryBlock * kKeyBlock + extra;
  if (rows.lse)
    for (int head = 0; head < shape.q_heads; ++head)
      for (int r = 0; r < rows.rows; ++r)
        lse2[static_cast<size_t>(head) * rows.rows + r] =
            rows.lse[static_cast<size_t>(head) * rows.lse_stride + r] * kLog2E;

  const int units = (blocks + kObserveBlocks - 1) / kObserveBlocks;
  for (int kv_head = 0; kv_head < shape.kv_heads; ++kv_head) {
    const float* source = rows.k + static_cast<size_t>(kv_head) * rows.capacity * dim;
    stream.ParallelFor(units, [&](int unit, int) {
      for (int block = unit * kObserveBlocks; block < blocks && block < (unit + 1) * kObserveBlocks;
           ++block)
        PackKeyBlock<Step>(source + static_cast<size_t>(block) * kKeyBlock * dim,
                           shape.tokens - block * kKeyBlock, dim,
                           keys + block * KeyBlockSize<Step>(dim));
    });
    if (!rows.lse)
      stream.ParallelFor(group * row_blocks, [&](int unit, int thread) {
        const int head = kv_head * group + unit % group,
                  first_row = (row_blocks - 1 - unit / group) * kQueryBlock;
        const int count = rows.rows - first_row < kQueryBlock ? rows.rows - first_row : kQueryBlock;
        typename Step::A* q = static_cast<typename Step::A*>(stream.Scratch(thread, scratch_bytes));
        RowNormalizers<Step>(rows, keys, head, first_row, count, q,
                             reinterpret_cast<float*>(q + q_size),
                             lse2 + static_cast<size_t>(head) * rows.rows + first_row);
      });
    const ObserveWork<Step> work = {rows, keys, group, kv_head, lse2, q_size};
    stream.ParallelFor(units, [&](int unit, int thread) {
      const int first_block = unit * kObserveBlocks;
      const int end_block =
          first_block + kObserveBlocks < blocks ? first_block + kObserveBlocks : blocks;
      typename Step::A* q = static_cast<typename Step::A*>(stream.Scratch(thread, scratch_bytes));
      for (int g = 0; g < group; ++g) unit_of(work, kv_head * group + g, first_block, end_block, q);
    });
  }
}

}  // namespace
}  // namespace qpkv
