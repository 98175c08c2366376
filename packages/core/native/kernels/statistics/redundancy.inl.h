// redundancy: the mean cosine of a key with the others of its head, as softmax over the tokens. Of
// the near-duplicates of a key the last does not count for it, so that the newest copy is worth
// most.
//
// Two passes over all pairs: the first finds that last near-duplicate of each key, the second sums
// columns. A unit owns rows in the first and columns in the second, and both compute a pair alike.
#pragma once
#include <math.h>

#include "kernels/attention_panels.inl.h"
#include "kernels/row_norms.inl.h"
#include "ops/statistics/redundancy.h"

namespace qpkv {
namespace {
namespace redundancy {

using namespace statistics::redundancy;

// One head at work.
struct Head {
  const float* keys;  // [tokens, dim], normalized
  const float* panels;
  int32_t* skipped;  // [tokens]: the key that does not count for each, or -1
  int tokens, dim, blocks;
};

// Cosines of `rows` keys from first_row on with one block: out [48][64].
QPKV_INLINE void Cosines(const Head& head, const float* q, int rows, int block, float* out) {
  BlockLogits<F32Step>(q, head.panels + block * KeyBlockSize<F32Step>(head.dim), rows, head.dim,
                       out);
}

void FindSkipped(const Head& head, int first_row, float threshold, bool first_if_alone,
                 float* scratch) {
  const int rows = head.tokens - first_row < kQueryBlock ? head.tokens - first_row : kQueryBlock;
  float *q = scratch, *cosines = q + kQueryBlock * QueryStride<F32Step>(head.dim);
  PackQueries<F32Step>(head.keys + static_cast<size_t>(first_row) * head.dim, head.dim, rows,
                       head.dim, q);
  for (int r = 0; r < rows; ++r) head.skipped[first_row + r] = first_if_alone ? 0 : -1;
  for (int block = 0; block < head.blocks; ++block) {
    Cosines(head, q, rows, block, cosines);
    for (int r = 0; r < rows; ++r)
      for (int i = 0; i < kKeyBlock && block * kKeyBlock + i < head.tokens; ++i)
        if (cosines[r * kKeyBlock + i] > threshold && block * kKeyBlock + i != first_row + r)
          head.skipped[first_row + r] = block * kKeyBlock + i;
  }
}

// out [64]: mean cosines of one block of keys.
void ColumnMeans(const Head& head, int block, float* scratch, float* out) {
  float *q = scratch, *cosines = q + kQueryBlock * QueryStride<F32Step>(head.dim);
  double sums[kKeyBlock] = {};
  for (int first_row = 0; first_row < head.tokens; first_row += kQueryBlock) {
    const int rows = head.tokens - first_row < kQueryBlock ? head.tokens - first_row : kQueryBlock;
    PackQueries<F32Step>(head.keys + static_cast<size_t>(first_row) * head.dim, head.dim, rows,
                         head.dim, q);
    Cosines(head, q, rows, block, cosines);
    for (int r = 0; r < rows; ++r) {
      float* row = cosines + r * kKeyBlock;
      const int own = first_row + r - block * kKeyBlock,
                skipped = head.skipped[first_row + r] - block * kKeyBlock;
      if (own >= 0 && own < kKeyBlock) row[own] = 0;
      if (skipped >= 0 && skipped < kKeyBlock) row[skipped] = 0;
      for (int i = 0; i < kKeyBlock; ++i) sums[i] += row[i];
    }
  }
  for (int i = 0; i < kKeyBlock; ++i) out[i] = static_cast<float>(sums[i] / head.tokens);
}

void Softmax(float* x, int count) {
  float most = x[0];
  for (int i = 1; i < count; ++i) most = x[i] > most ? x[i] : most;
  double sum = 0;
  for (int i = 0; i < count; ++i) sum += x[i] = ::expf(x[i] - most);
  for (int i = 0; i < count; ++i) x[i] = static_cast<float>(x[i] / sum);
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage != StatisticStage::kFinish) return;
  constexpr float kSmallest = 1e-12f;  // a key of zeros has direction zero
  const int tokens = args.shape.tokens, dim = args.shape.dim;
  const int blocks = static_cast<int>(DivideUp(tokens, kKeyBlock));
  const size_t panel = KeyBlockSize<F32Step>(dim);
  float* panels = static_cast<float*>(
      stream.SharedScratch(sizeof(float) * (blocks * panel + static_cast<size_t>(dim) * tokens +
                                            static_cast<size_t>(blocks) * kKeyBlock) +
                           sizeof(int32_t) * tokens));
  float* keys = panels + blocks * panel;
  float* means = keys + static_cast<size_t>(tokens) * dim;
  int32_t* skipped = reinterpret_cast<int32_t*>(means + blocks * kKeyBlock);
  const size_t scratch_bytes =
      sizeof(float) * (kQueryBlock * QueryStride<F32Step>(dim) + kQueryBlock * kKeyBlock);
  for (int h = 0; h < args.shape.kv_heads; ++h) {
    const float* from = args.k + static_cast<size_t>(h) * args.capacity * dim;
    stream.ParallelFor(blocks, [&](int block, int) {
      for (int t = block * kKeyBlock; t < tokens && t < (block + 1) * kKeyBlock; ++t) {
        const float* key = from + static_cast<size_t>(t) * dim;
        const float norm = VectorNorm(key, dim, 2);
        for (int i = 0; i < dim; ++i)
          keys[static_cast<size_t>(t) * dim + i] = key[i] / (norm > kSmallest ? norm : kSmallest);
      }
      PackKeyBlock<F32Step>(keys + static_cast<size_t>(block) * kKeyBlock * dim,
                            tokens - block * kKeyBlock, dim, panels + block * panel);
    });
    const Head head = {keys, panels, skipped, tokens, dim, blocks};
    stream.ParallelFor(static_cast<int>(DivideUp(tokens, kQueryBlock)), [&](int unit, int thread) {
      FindSkipped(head, unit * kQueryBlock, static_cast<float>(args.options.get()[kThreshold]),
                  static_cast<Alone>(args.options.get()[kAlone]) == Alone::kFirst,
                  static_cast<float*>(stream.Scratch(thread, scratch_bytes)));
    });
    stream.ParallelFor(blocks, [&](int block, int thread) {
      ColumnMeans(head, block, static_cast<float*>(stream.Scratch(thread, scratch_bytes)),
                  means + block * kKeyBlock);
    });
    float* out = args.out + static_cast<size_t>(h) * tokens;
    for (int t = 0; t < tokens; ++t) out[t] = means[t];
    Softmax(out, tokens);
  }
}

constexpr Statistic kStatistic = {&kAbout, nullptr, nullptr, Run};

}  // namespace redundancy
}  // namespace
}  // namespace qpkv
