// Reference chunk-attention.
#include "ops/statistics/chunk_attention.h"

#include <algorithm>

#include "reference/dense_ops.h"
#include "reference/statistics/vectors.h"

namespace qpkv {
namespace reference {
namespace chunk_attention {
namespace {

using namespace statistics::chunk_attention;

size_t StateBytes(const StatisticShape& shape, const double*) {
  return sizeof(float) * shape.tokens * shape.q_heads * shape.dim;
}

void AddChunk(const StatisticArgs& args, int head, int begin, int end, int padding) {
  const double* options = args.options.get();
  const StatisticShape& shape = args.shape;
  const size_t width = static_cast<size_t>(shape.q_heads) * shape.dim;
  const int kv_head = head / (shape.q_heads / shape.kv_heads);
  const double scale = static_cast<Logits>(options[kLogits]) == Logits::kScaled ? args.scale : 1.0;
  const bool causal = static_cast<Mask>(options[kMask]) == Mask::kCausal;
  std::vector<double> sums(static_cast<size_t>(end - begin), 0.0);
  for (int row = begin; row < end; ++row) {
    const float* q =
        static_cast<const float*>(args.state) + row * width + static_cast<size_t>(head) * shape.dim;
    std::vector<double> logits;
    for (int t = begin; t < (causal ? row + 1 : end); ++t) {
      const std::vector<double> key = RowOf(args, args.k, kv_head, t);
      double dot = 0;
      for (int i = 0; i < shape.dim; ++i)
        dot += Factor(q[i], args.precision) * Factor(static_cast<float>(key[i]), args.precision);
      logits.push_back(dot * scale);
    }
    const size_t seen = logits.size();
    logits.resize(seen + static_cast<size_t>(padding), 0.0);
    double lse = 0;
    const std::vector<double> p = Softmax(logits, &lse);
    for (size_t t = 0; t < seen; ++t) sums[t] += p[t];
  }
  for (int t = begin; t < end; ++t)
    args.out[static_cast<size_t>(head) * shape.tokens + t] = static_cast<float>(
        sums[t - begin] + static_cast<double>(padding) / (padding + end - begin));
}

void Run(Stream&, const StatisticArgs& args) {
  const double* options = args.options.get();
  const size_t width = static_cast<size_t>(args.shape.q_heads) * args.shape.dim;
  if (args.stage == StatisticStage::kChunk) {
    for (int row = 0; row < args.rows; ++row)
      std::copy_n(args.q + static_cast<size_t>(row) * args.q_stride, width,
                  static_cast<float*>(args.state) + (args.first + row) * width);
    return;
  }
  const int size = static_cast<int>(options[kChunk]),
            last = args.shape.tokens - static_cast<int>(options[kLast]);
  const bool zeros = static_cast<Padding>(options[kPadding]) == Padding::kZeros;
  for (int head = 0; head < args.shape.q_heads; ++head)
    for (int begin = static_cast<int>(options[kFirst]); begin < last; begin += size) {
      const int end = std::min(begin + size, last);
      AddChunk(args, head, begin, end, zeros ? size - (end - begin) : 0);
    }
}

}  // namespace

extern const Statistic kStatistic;
const Statistic kStatistic = {&kAbout, nullptr, StateBytes, Run};

}  // namespace chunk_attention
}  // namespace reference
}  // namespace qpkv
