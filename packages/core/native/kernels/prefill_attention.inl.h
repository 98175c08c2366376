// PrefillAttention: exact causal attention in tiles of 48 query rows x 64 keys, never an n x n
// matrix.
//
// For each group of stored heads: keys and values are packed once into panels in shared scratch,
// then every (query block, head) runs over its visible key blocks with an online softmax in base 2.
// The longest units come first. The number of heads per group bounds the scratch; it does not
// change results, and neither does the number of threads.
#pragma once
#include <math.h>

#include "kernels/attention_panels.inl.h"

namespace qpkv {
namespace {

// Bytes of packed keys and values at a time; at least one head.
constexpr size_t kPanelBudget = size_t{32} << 20;
// A masked logit, and the maximum before any key: 2^(masked - unseen) is 0.
constexpr float kMasked = -1e30f, kUnseen = -1e29f;

// Scratch of one (query block, head).
template <class Step>
struct QueryTile {
  typename Step::A* q;        // [48][steps of dim]
  typename Step::A* weights;  // [48][steps of 64]: unnormalized probabilities
  float* logits;              // [48][64]
  float* out;                 // [48][dim padded to 16], unnormalized
  float* sum;                 // [48][16] of the weights, by lane
  float* maximum;             // [48] of the raw logits
  float* rescale;             // [48] for `out`, of the current key block

  static size_t Bytes(int dim) {
    return kQueryBlock *
           (sizeof(typename Step::A) * (QueryStride<Step>(dim) + kKeyBlock / Step::kDepth) +
            sizeof(float) * (kKeyBlock + AlignUp(dim, 16) + 16 + 2));
  }
  QueryTile(void* scratch, int dim) {
    q = static_cast<typename Step::A*>(scratch);
    weights = q + kQueryBlock * QueryStride<Step>(dim);
    logits = reinterpret_cast<float*>(weights + kQueryBlock * (kKeyBlock / Step::kDepth));
    out = logits + kQueryBlock * kKeyBlock;
    sum = out + kQueryBlock * AlignUp(dim, 16);
    maximum = sum + kQueryBlock * 16;
    rescale = maximum + kQueryBlock;
  }
};

// Logits of one row -> weights, with the running maximum and sum.
template <class Step>
QPKV_INLINE void SoftmaxRow(const QueryTile<Step>& tile, int r, float scale2) {
  const float* logits = tile.logits + r * kKeyBlock;
  const F32x16 x0 = LoadAligned(logits), x1 = LoadAligned(logits + 16);
  const F32x16 x2 = LoadAligned(logits + 32), x3 = LoadAligned(logits + 48);
  const float before = tile.maximum[r];
  float now = before, rescale = 1.0f;
  // Most blocks bring no larger logit: then nothing has to be reduced.
  const F32x16 largest = Max(Max(x0, x1), Max(x2, x3));
  if (Any(Less(Set(before), largest))) {
    now = ReduceMax(Max(largest, Set(before)));
    rescale = ReduceMax(Exp2Down(Set((before - now) * scale2)));
    tile.maximum[r] = now;
  }
  tile.rescale[r] = rescale;
  const F32x16 scale = Set(scale2), offset = Set(-now * scale2);
  const auto weight = [&](F32x16 x) __attribute__((always_inline)) {
    return Step::kDepth == 2 ? Exp2Fast(Fma(x, scale, offset)) : Exp2Down(Fma(x, scale, offset));
  };
  const F32x16 p0 = weight(x0), p1 = weight(x1), p2 = weight(x2), p3 = weight(x3);
  float* sum = tile.sum + r * 16;
  StoreAligned(sum, Fma(LoadAligned(sum), Set(rescale), Add(Add(p0, p1), Add(p2, p3))));
  typename Step::A* weights = tile.weights + r * (kKeyBlock / Step::kDepth);
  Step::StoreA(weights, p0, p1);
  Step::StoreA(weights + 32 / Step::kDepth, p2, p3);
}

// out = out * rescale + weights x values, for kCols vectors of channels from `col` on.
template <class Step, int kCols>
QPKV_INLINE void AddValueColumns(const QueryTile<Step>& tile, const typename Step::B* values,
                                 int rows, int padded, int col) {
  for (int r = 0; r < rows; r += kTileRows) {
    F32x16 acc[kTileRows][kCols];
    float* out = tile.out + static_cast<size_t>(r) * padded + col;
#pragma GCC unroll 8
    for (int i = 0; i < kTileRows; ++i) {
      const F32x16 rescale = Set(tile.rescale[r + i]);
#pragma GCC unroll 8
      for (int c = 0; c < kCols; ++c)
        acc[i][c] = Mul(rescale, LoadAligned(out + i * padded + 16 * c));
    }
    constexpr int kSteps = kKeyBlock / Step::kDepth;
    TileProduct<Step, kTileRows, kCols>(acc, tile.weights + r * kSteps, kSteps,
                                        values + col * Step::kDepth,
                                        static_cast<size_t>(padded) * Step::kDepth, kSteps);
#pragma GCC unroll 8
    for (int i = 0; i < kTileRows; ++i)
#pragma GCC unroll 8
      for (int c = 0; c < kCols; ++c) StoreAligned(out + i * padded + 16 * c, acc[i][c]);
  }
}

template <class Step, int kCols = Step::kCols>
void AddValues(const QueryTile<Step>& tile, const typename Step::B* values, int rows, int padded,
               int col) {
  for (; padded - col >= 16 * kCols; col += 16 * kCols)
    AddValueColumns<Step, kCols>(tile, values, rows, padded, col);
  if constexpr (kCols > 1) {
    if (col < padded) AddValues<Step, kCols - 1>(tile, values, rows, padded, col);
  }
}

// Packed keys and values of the heads in work; `first_block` is the first visible key block.
template <class Step>
struct KvPanels {
  typename Step::B* keys;
  typename Step::B* values;
  int first_block, blocks;
};

template <class Step>
void AttendQueries(const PrefillAttentionArgs& args, const KvPanels<Step>& panels, int panel_head,
                   int head, int first_row, int rows, void* scratch) {
  const int dim = args.dim, padded = static_cast<int>(AlignUp(dim, 16));
  const QueryTile<Step> tile(scratch, dim);
  const float scale2 = args.scale * kLog2E;
  PackQueries<Step>(
      args.q + static_cast<size_t>(first_row) * args.q_stride + static_cast<size_t>(head) * dim,
      args.q_stride, rows, dim, tile.q);
  const int tile_rows = static_cast<int>(AlignUp(rows, kTileRows));
  for (int r = 0; r < kQueryBlock; ++r) {
    tile.maximum[r] = kUnseen;
    StoreAligned(tile.sum + r * 16, Zero());
    tile.rescale[r] = 1.0f;
  }
  __builtin_memset(tile.out, 0, sizeof(float) * kQueryBlock * padded);

  const Visible first = CausalRange(args.first + first_row, args.window);
  const Visible last = CausalRange(args.first + first_row + rows - 1, args.window);
  const int end_block = (last.end + kKeyBlock - 1) / kKeyBlock;
  for (int block = first.begin / kKeyBlock; block < end_block; ++block) {
    const size_t at =
        static_cast<size_t>(panel_head) * panels.blocks + (block - panels.first_block);
    BlockLogits<Step>(tile.q, panels.keys + at * KeyBlockSize<Step>(dim), tile_rows, dim,
                      tile.logits);
    if (args.cap > 0) CapBlock(tile.logits, tile_rows, args.scale, args.cap);
    const int begin = block * kKeyBlock;
    // Every row sees the whole block iff the first row reaches its end and the last row its begin.
    const bool whole = begin + kKeyBlock <= first.end && last.begin <= begin;
    for (int r = 0; r < tile_rows; ++r) {
      if (!whole) {
        const int row = r < rows ? r : rows - 1;
        MaskRow(tile.logits + r * kKeyBlock, begin,
                CausalRange(args.first + first_row + row, args.window), kMasked);
      }
      SoftmaxRow<Step>(tile, r, scale2);
    }
    AddValues<Step>(tile, panels.values + at * ValueBlockSize<Step>(dim), tile_rows, padded, 0);
  }

  for (int r = 0; r < rows; ++r) {
    const float sum = ReduceAdd(LoadAligned(tile.sum + r * 16));
    const F32x16 inverse = Set(1.0f / sum);
    float* out = args.out + (static_cast<size_t>(first_row + r) * args.q_heads + head) * dim;
    for (int i = 0; i < dim; i += 16)
      StoreN(out + i, Mul(inverse, Load(tile.out + r * padded + i)), dim - i);
    if (args.lse)
      args.lse[static_cast<size_t>(head) * args.rows + first_row + r] =
          tile.maximum[r] * args.scale + ::logf(sum);
  }
}

template <class Step>
void PrefillHeads(Stream& stream, const PrefillAttentionArgs& args) {
  using B = typename Step::B;
  const int tokens = args.first + args.rows, dim = args.dim, group = args.q_heads / args.kv_heads;
  const int first_block = CausalRange(args.first, args.window).begin / kKeyBlock;
  const int blocks = (tokens + kKeyBlock - 1) / kKeyBlock - first_block;
  const size_t key_size = KeyBlockSize<Step>(dim) * blocks,
               value_size = ValueBlockSize<Step>(dim) * blocks;
  const size_t head_bytes = (key_size + value_size) * sizeof(B);
  int heads = static_cast<int>(kPanelBudget / head_bytes);
  heads = heads < 1 ? 1 : heads > args.kv_heads ? args.kv_heads : heads;
  KvPanels<Step> panels;
  panels.keys = static_cast<B*>(stream.SharedScratch(head_bytes * heads));
  panels.values = panels.keys + key_size * heads;
  panels.first_block = first_block;
  panels.blocks = blocks;

  const int query_blocks = (args.rows + kQueryBlock - 1) / kQueryBlock;
  for (int first_head = 0; first_head < args.kv_heads; first_head += heads) {
    const int count = args.kv_heads - first_head < heads ? args.kv_heads - first_head : heads;
    stream.ParallelFor(count * blocks, [&](int unit, int) {
      const int head = unit / blocks, block = unit % blocks,
                token = (first_block + block) * kKeyBlock;
      const int present = tokens - token < kKeyBlock ? tokens - token : kKeyBlock;
      const size_t from = (static_cast<size_t>(first_head + head) * args.capacity + token) * dim;
      PackKeyBlock<Step>(args.k + from, present, dim, panels.keys + unit * KeyBlockSize<Step>(dim));
      PackValueBlock<Step>(args.v + from, present, dim,
                           panels.values + unit * ValueBlockSize<Step>(dim));
    });
    stream.ParallelFor(count * group * query_blocks, [&](int unit, int thread) {
      const int query_block = query_blocks - 1 - unit / (count * group),
                head = unit % (count * group);
      const int first_row = query_block * kQueryBlock;
      const int rows = args.rows - first_row < kQueryBlock ? args.rows - first_row : kQueryBlock;
      AttendQueries<Step>(args, panels, head / group, first_head * group + head, first_row, rows,
                          stream.Scratch(thread, QueryTile<Step>::Bytes(dim)));
    });
  }
}

void PrefillAttention(Stream& stream, const PrefillAttentionArgs& args) {
  if (args.precision == Precision::kBf16)
    PrefillHeads<PairStep>(stream, args);
  else
    PrefillHeads<F32Step>(stream, args);
}

}  // namespace
}  // namespace qpkv
