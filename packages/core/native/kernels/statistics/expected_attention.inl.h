// expected-attention: mean and covariance of the queries before RoPE, rotated to later positions on
// average, against each key: k mu / sqrt(d) + k^T C k / (2 d).
//
// Moments are summed in double per 64 rows of a chunk. The products with the covariance are those
// of queries (its rows, and the mean) with blocks of keys.
#pragma once
#include <math.h>

#include "kernels/attention_panels.inl.h"
#include "ops/statistics/expected_attention.h"

namespace qpkv {
namespace {
namespace expected_attention {

using namespace statistics::expected_attention;

// State: per query head the sum [dim] and the sum of products [dim, dim] of its queries.
size_t StateBytes(const StatisticShape& shape, const double*) {
  return sizeof(double) * shape.q_heads * (static_cast<size_t>(shape.dim) + 1) * shape.dim;
}

// Adds the products of channel i with all channels over rows [from, to).
void AddProducts(const StatisticArgs& args, int head, int i, int from, int to, double* sums) {
  const int dim = args.shape.dim;
  const size_t width = static_cast<size_t>(args.shape.q_heads) * dim;
  F32x16 part[16] = {};
  for (int r = from; r < to; ++r) {
    const float* q = args.q_before + r * width + static_cast<size_t>(head) * dim;
    const F32x16 factor = Set(q[i]);
    for (int j = 0; j < dim; j += 16)
      part[j / 16] = Fma(LoadN(q + j, dim - j), factor, part[j / 16]);
  }
  for (int j = 0; j < dim; j += 16) {
    float products[16];
    Store(products, part[j / 16]);
    for (int k = 0; k < 16 && j + k < dim; ++k) sums[j + k] += products[k];
  }
}

void AddMoments(Stream& stream, const StatisticArgs& args) {
  const int dim = args.shape.dim, sinks = static_cast<int>(args.options.get()[kSinks]);
  const int begin = sinks > args.first ? sinks - args.first : 0;
  const bool covariance = args.options.get()[kCovariance] != 0;
  const size_t width = static_cast<size_t>(args.shape.q_heads) * dim;
  stream.ParallelFor(args.shape.q_heads * dim, [&](int unit, int) {
    const int head = unit / dim, i = unit % dim;
    double* sums = static_cast<double*>(args.state) + static_cast<size_t>(head) * (dim + 1) * dim;
    for (int r = begin; r < args.rows; ++r)
      sums[i] += args.q_before[r * width + static_cast<size_t>(head) * dim + i];
    for (int r = begin; covariance && r < args.rows; r += 64)
      AddProducts(args, head, i, r, r + 64 < args.rows ? r + 64 : args.rows,
                  sums + static_cast<size_t>(i + 1) * dim);
  });
}

// Mean cosines and sines of later positions, [rotary_dim / 2] each.
void MeanRotations(const StatisticArgs& args, double* cosines, double* sines) {
  const int future = static_cast<int>(args.options.get()[kFuture]);
  for (int i = 0; i < args.rotary_dim / 2; ++i) {
    cosines[i] = sines[i] = 0;
    for (int p = args.shape.tokens; p < args.shape.tokens + future; ++p) {
      const double angle = static_cast<double>(p) * args.inv_freq[i];
      cosines[i] += ::cos(angle);
      sines[i] += ::sin(angle);
    }
    cosines[i] *= args.rope_scale / future;
    sines[i] *= args.rope_scale / future;
  }
}

// Rotates channels i and i + rotary_dim / 2 of a vector with elements `stride` apart.
QPKV_INLINE void RotateVector(double* x, size_t stride, int rotary_dim, const double* cosines,
                              const double* sines) {
  for (int i = 0; i < rotary_dim / 2; ++i) {
    const double a = x[i * stride], b = x[(i + rotary_dim / 2) * stride];
    x[i * stride] = cosines[i] * a - sines[i] * b;
    x[(i + rotary_dim / 2) * stride] = cosines[i] * b + sines[i] * a;
  }
}

// Sums of one head become its rotated mean times the logit scale, and its rotated covariance times
// half the squared scale.
void FinishMoments(const StatisticArgs& args, const double* cosines, const double* sines,
                   double* mean) {
  const int dim = args.shape.dim;
  double* covariance = mean + dim;
  const int count = args.shape.tokens - static_cast<int>(args.options.get()[kSinks]);
  const double inverse = count > 0 ? 1.0 / count : 0.0;
  for (int i = 0; i < dim; ++i) mean[i] *= inverse;
  for (int i = 0; i < dim; ++i)
    for (int j = 0; j < dim; ++j) {
      double& c = covariance[static_cast<size_t>(i) * dim + j];
      c = args.options.get()[kCovariance] != 0 ? c * inverse - mean[i] * mean[j] : 0.0;
    }
  RotateVector(mean, 1, args.rotary_dim, cosines, sines);
  for (int i = 0; i < dim; ++i)
    RotateVector(covariance + static_cast<size_t>(i) * dim, 1, args.rotary_dim, cosines, sines);
  for (int j = 0; j < dim; ++j)
    RotateVector(covariance + j, static_cast<size_t>(dim), args.rotary_dim, cosines, sines);
  for (int i = 0; i < dim; ++i) mean[i] *= args.scale;
  for (int i = 0; i < dim * dim; ++i) covariance[i] *= 0.5 * args.scale * args.scale;
}

constexpr int kBlocks = 8;  // key blocks per unit

// Scratch of one unit, in floats.
QPKV_INLINE size_t UnitFloats(int dim) {
  return (DivideUp(dim + 1, kQueryBlock) * kQueryBlock) * QueryStride<F32Step>(dim) +
         KeyBlockSize<F32Step>(dim) + kQueryBlock * kKeyBlock + static_cast<size_t>(dim + 1) * dim;
}

// Logits of the keys [64 first_block, ..) of one query head. Row 0 of the products is the mean, row
// i + 1 channel i of the covariance.
void HeadLogits(const StatisticArgs& args, int head, int first_block, int end_block,
                float* scratch) {
  const int dim = args.shape.dim, tokens = args.shape.tokens;
  const int rows = args.options.get()[kCovariance] != 0 ? dim + 1 : 1;
  const int kv_head = head / (args.shape.q_heads / args.shape.kv_heads);
  const size_t packed = kQueryBlock * QueryStride<F32Step>(dim);
  float* q = scratch;
  float* keys = q + DivideUp(dim + 1, kQueryBlock) * packed;
  float* products = keys + KeyBlockSize<F32Step>(dim);
  float* matrix = products + kQueryBlock * kKeyBlock;
  const double* moments =
      static_cast<const double*>(args.state) + static_cast<size_t>(head) * (dim + 1) * dim;
  for (int i = 0; i < rows * dim; ++i) matrix[i] = static_cast<float>(moments[i]);
  for (int r = 0; r < rows; r += kQueryBlock)
    PackQueries<F32Step>(matrix + static_cast<size_t>(r) * dim, dim, rows - r, dim,
                         q + r / kQueryBlock * packed);
  for (int block = first_block; block < end_block; ++block) {
    const int token = block * kKeyBlock;
    PackKeyBlock<F32Step>(args.k + (static_cast<size_t>(kv_head) * args.capacity + token) * dim,
                          tokens - token, dim, keys);
    F32x16 logits[4] = {Zero(), Zero(), Zero(), Zero()};
    for (int r = 0; r < rows; r += kQueryBlock) {
      const int count = rows - r < kQueryBlock ? rows - r : kQueryBlock;
      BlockLogits<F32Step>(q + r / kQueryBlock * packed, keys, count, dim, products);
      for (int row = 0; row < count; ++row)
        for (int i = 0; i < 4; ++i) {
          const F32x16 product = LoadAligned(products + row * kKeyBlock + 16 * i);
          const float* key = keys + static_cast<size_t>(r + row - 1) * kKeyBlock + 16 * i;
          logits[i] =
              r + row == 0 ? Add(logits[i], product) : Fma(product, LoadAligned(key), logits[i]);
        }
    }
    for (int i = 0; i < 4 && token + 16 * i < tokens; ++i)
      StoreN(args.out + static_cast<size_t>(head) * tokens + token + 16 * i, logits[i],
             tokens - token - 16 * i);
  }
}

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage == StatisticStage::kChunk) return AddMoments(stream, args);
  const int dim = args.shape.dim, heads = args.shape.q_heads;
  double cosines[128], sines[128];
  MeanRotations(args, cosines, sines);
  stream.ParallelFor(heads, [&](int head, int) {
    FinishMoments(args, cosines, sines,
                  static_cast<double*>(args.state) + static_cast<size_t>(head) * (dim + 1) * dim);
  });
  const int blocks = static_cast<int>(DivideUp(args.shape.tokens, kKeyBlock));
  const int units = static_cast<int>(DivideUp(blocks, kBlocks));
  stream.ParallelFor(heads * units, [&](int unit, int thread) {
    const int first = unit % units * kBlocks;
    HeadLogits(args, unit / units, first, first + kBlocks < blocks ? first + kBlocks : blocks,
               static_cast<float*>(stream.Scratch(thread, sizeof(float) * UnitFloats(dim))));
  });
}

constexpr Statistic kStatistic = {&kAbout, nullptr, StateBytes, Run};

}  // namespace expected_attention
}  // namespace
}  // namespace qpkv
