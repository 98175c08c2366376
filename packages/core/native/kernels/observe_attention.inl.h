// ObserveAttention: the attention probability that every key receives, summed over query rows.
//
// One more product of queries and keys. If the log-sum-exps of the rows are not given, a first pass
// finds them; then a unit owns 256 keys of one stored head and runs over all its query rows in
// order, so no sums are merged and no order depends on threads.
#pragma once
#include <math.h>

#include "kernels/attention_panels.inl.h"

namespace qpkv {
namespace {

constexpr int kObserveBlocks = 4;  // key blocks per unit
constexpr float kHidden = -1e30f;  // a masked logit

QPKV_INLINE Visible ObservedRange(const ObserveAttentionArgs& args, int row) {
  const int position = args.first + row;
  Visible seen = CausalRange(position, args.window);
  const bool all = args.mask == ObserveMask::kWindowBlock && position < args.tokens - args.block;
  if (all || seen.end > args.tokens) seen.end = args.tokens;
  return seen;
}

// The keys that any row of [first_row, first_row + rows) sees, and those that every row sees.
QPKV_INLINE void RangesOf(const ObserveAttentionArgs& args, int first_row, int rows, Visible* any,
                          Visible* every) {
  *any = *every = ObservedRange(args, first_row);
  for (int r = 1; r < rows; ++r) {
    const Visible seen = ObservedRange(args, first_row + r);
    any->begin = seen.begin < any->begin ? seen.begin : any->begin;
    any->end = seen.end > any->end ? seen.end : any->end;
    every->begin = seen.begin > every->begin ? seen.begin : every->begin;
    every->end = seen.end < every->end ? seen.end : every->end;
  }
}

template <class Step>
QPKV_INLINE const float* HeadQueries(const ObserveAttentionArgs& args, int head, int row) {
  return args.q + static_cast<size_t>(row) * args.q_stride + static_cast<size_t>(head) * args.dim;
}

// Base-2 log-sum-exp of the scaled logits of one block of query rows, over all key blocks of its
// head.
template <class Step>
void RowNormalizers(const ObserveAttentionArgs& args, const typename Step::B* keys, int head,
                    int first_row, int rows, typename Step::A* q, float* logits, float* lse2) {
  PackQueries<Step>(HeadQueries<Step>(args, head, first_row), args.q_stride, rows, args.dim, q);
  Visible any, every;
  RangesOf(args, first_row, rows, &any, &every);
  const F32x16 scale = Set(args.scale * kLog2E);
  F32x16 maximum[kQueryBlock], sum[kQueryBlock];  // per lane: no reduction inside the loop
  for (int r = 0; r < rows; ++r) {
    maximum[r] = Set(kHidden);
    sum[r] = Zero();
  }
  for (int block = any.begin / kKeyBlock; block * kKeyBlock < any.end; ++block) {
    const int begin = block * kKeyBlock;
    BlockLogits<Step>(q, keys + block * KeyBlockSize<Step>(args.dim), rows, args.dim, logits);
    if (args.cap > 0) CapBlock(logits, rows, args.scale, args.cap);
    const bool whole = every.begin <= begin && begin + kKeyBlock <= every.end;
    for (int r = 0; r < rows; ++r) {
      float* row = logits + r * kKeyBlock;
      if (!whole) MaskRow(row, begin, ObservedRange(args, first_row + r), kHidden);
      F32x16 x[4], now = maximum[r];
      for (int i = 0; i < 4; ++i) {
        x[i] = Mul(scale, LoadAligned(row + 16 * i));
        now = Max(x[i], now);
      }
      F32x16 total = Mul(sum[r], Exp2(Sub(maximum[r], now)));
      for (int i = 0; i < 4; ++i) total = Add(total, Exp2(Sub(x[i], now)));
      maximum[r] = now;
      sum[r] = total;
    }
  }
  for (int r = 0; r < rows; ++r) {
    // Lanes that saw no key hold a count of masked keys at kHidden; the weight 2^(kHidden - peak)
    // removes them.
    const float peak = ReduceMax(maximum[r]);
    const float total = ReduceAdd(Mul(sum[r], Exp2(Sub(maximum[r], Set(peak)))));
    lse2[r] = peak + ::logf(total) * kLog2E;
  }
}

// Adds the probabilities of `rows` query rows to the mass of one key block: sums [4] vectors of 16
// keys.
template <class Step>
QPKV_INLINE void AddMass(const ObserveAttentionArgs& args, const float* lse2, int first_row,
                         int rows, int key_begin, bool whole, float* logits, F32x16 (&sums)[4]) {
  const F32x16 scale = Set(args.scale * kLog2E);
  for (int r = 0; r < rows; ++r) {
    float* row = logits + r * kKeyBlock;
    if (!whole) MaskRow(row, key_begin, ObservedRange(args, first_row + r), kHidden);
    const F32x16 offset = Set(-lse2[r]);
    for (int i = 0; i < 4; ++i) {
      const F32x16 x = Fma(LoadAligned(row + 16 * i), scale, offset);
      sums[i] = Add(sums[i], Step::kDepth == 2 ? Exp2Fast(x) : Exp2(x));
    }
  }
}

template <class Step>
struct ObserveWork {
  const ObserveAttentionArgs& args;
  const typename Step::B* keys;  // packed panels of `kv_head`
  int group, kv_head;
  float* lse2;    // [q_heads, rows]
  size_t q_size;  // of one packed query block, in Step::A
};

// Mass of the keys of one unit from all query heads of its stored head.
template <class Step>
void ObserveUnit(const ObserveWork<Step>& work, int first_block, int end_block, void* scratch) {
  const ObserveAttentionArgs& args = work.args;
  typename Step::A* q = static_cast<typename Step::A*>(scratch);
  float* logits = reinterpret_cast<float*>(q + work.q_size);
  const int unit_begin = first_block * kKeyBlock, unit_end = end_block * kKeyBlock;
  for (int g = 0; g < work.group; ++g) {
    const int head = work.kv_head * work.group + g;
    F32x16 sums[kObserveBlocks][4];
    for (int b = 0; b < kObserveBlocks; ++b)
      for (int i = 0; i < 4; ++i) sums[b][i] = Zero();
    for (int first_row = 0; first_row < args.rows; first_row += kQueryBlock) {
      const int rows = args.rows - first_row < kQueryBlock ? args.rows - first_row : kQueryBlock;
      Visible any, every;
      RangesOf(args, first_row, rows, &any, &every);
      if (any.end <= unit_begin || unit_end <= any.begin) continue;
      PackQueries<Step>(HeadQueries<Step>(args, head, first_row), args.q_stride, rows, args.dim, q);
      const float* lse2 = work.lse2 + static_cast<size_t>(head) * args.rows + first_row;
      for (int block = first_block; block < end_block; ++block) {
        const int begin = block * kKeyBlock;
        if (any.end <= begin || begin + kKeyBlock <= any.begin) continue;
        BlockLogits<Step>(q, work.keys + block * KeyBlockSize<Step>(args.dim), rows, args.dim,
                          logits);
        if (args.cap > 0) CapBlock(logits, rows, args.scale, args.cap);
        const bool whole = every.begin <= begin && begin + kKeyBlock <= every.end;
        AddMass<Step>(args, lse2, first_row, rows, begin, whole, logits, sums[block - first_block]);
      }
    }
    for (int block = first_block; block < end_block; ++block)
      for (int i = 0; i < 4; ++i) {
        const int token = block * kKeyBlock + 16 * i, n = args.tokens - token;
        if (n <= 0) break;
        float* mass = args.mass + static_cast<size_t>(head) * args.tokens + token;
        StoreN(mass, Add(LoadN(mass, n), sums[block - first_block][i]), n);
      }
  }
}

template <class Step>
void ObserveHeads(Stream& stream, const ObserveAttentionArgs& args) {
  const int group = args.q_heads / args.kv_heads, dim = args.dim;
  const int blocks = (args.tokens + kKeyBlock - 1) / kKeyBlock;
  const int row_blocks = (args.rows + kQueryBlock - 1) / kQueryBlock;
  const size_t key_bytes = AlignUp(KeyBlockSize<Step>(dim) * blocks * sizeof(typename Step::B), 64);
  uint8_t* shared = static_cast<uint8_t*>(
      stream.SharedScratch(key_bytes + sizeof(float) * args.q_heads * args.rows));
  typename Step::B* keys = reinterpret_cast<typename Step::B*>(shared);
  float* lse2 = reinterpret_cast<float*>(shared + key_bytes);
  const size_t q_size = kQueryBlock * QueryStride<Step>(dim);
  const size_t scratch_bytes =
      q_size * sizeof(typename Step::A) + sizeof(float) * kQueryBlock * kKeyBlock;
  if (args.lse)
    for (int head = 0; head < args.q_heads; ++head)
      for (int r = 0; r < args.rows; ++r)
        lse2[static_cast<size_t>(head) * args.rows + r] =
            args.lse[static_cast<size_t>(head) * args.lse_stride + r] * kLog2E;

  for (int kv_head = 0; kv_head < args.kv_heads; ++kv_head) {
    const float* source = args.k + static_cast<size_t>(kv_head) * args.capacity * dim;
    stream.ParallelFor((blocks + kObserveBlocks - 1) / kObserveBlocks, [&](int unit, int) {
      for (int block = unit * kObserveBlocks; block < blocks && block < (unit + 1) * kObserveBlocks;
           ++block)
        PackKeyBlock<Step>(source + static_cast<size_t>(block) * kKeyBlock * dim,
                           args.tokens - block * kKeyBlock, dim,
                           keys + block * KeyBlockSize<Step>(dim));
    });
    if (!args.lse)
      stream.ParallelFor(group * row_blocks, [&](int unit, int thread) {
        const int head = kv_head * group + unit % group,
                  first_row = (row_blocks - 1 - unit / group) * kQueryBlock;
        const int rows = args.rows - first_row < kQueryBlock ? args.rows - first_row : kQueryBlock;
        typename Step::A* q = static_cast<typename Step::A*>(stream.Scratch(thread, scratch_bytes));
        RowNormalizers<Step>(args, keys, head, first_row, rows, q,
                             reinterpret_cast<float*>(q + q_size),
                             lse2 + static_cast<size_t>(head) * args.rows + first_row);
      });
    const ObserveWork<Step> work = {args, keys, group, kv_head, lse2, q_size};
    stream.ParallelFor((blocks + kObserveBlocks - 1) / kObserveBlocks, [&](int unit, int thread) {
      const int first_block = unit * kObserveBlocks;
      const int end_block =
          first_block + kObserveBlocks < blocks ? first_block + kObserveBlocks : blocks;
      ObserveUnit<Step>(work, first_block, end_block, stream.Scratch(thread, scratch_bytes));
    });
  }
}

void ObserveAttention(Stream& stream, const ObserveAttentionArgs& args) {
  if (args.precision == Precision::kBf16)
    ObserveHeads<PairStep>(stream, args);
  else
    ObserveHeads<F32Step>(stream, args);
}

}  // namespace
}  // namespace qpkv
