// Reference PrefillAttention: one query row at a time, all its logits at once.
#include <algorithm>
#include <cmath>

#include "reference/dense_ops.h"

namespace qpkv {
namespace reference {

std::vector<double> Softmax(const std::vector<double>& logits, double* lse) {
  std::vector<double> p(logits);
  if (p.empty()) return p;
  const double most = *std::max_element(p.begin(), p.end());
  double sum = 0;
  for (double& x : p) sum += x = std::exp(x - most);
  for (double& x : p) x /= sum;
  *lse = most + std::log(sum);
  return p;
}

namespace {

double Dot(const float* a, const float* b, int dim, Precision precision) {
  double sum = 0;
  for (int i = 0; i < dim; ++i) sum += Factor(a[i], precision) * Factor(b[i], precision);
  return sum;
}

int FirstVisible(int position, int window) {
  return window > 0 ? std::max(0, position + 1 - window) : 0;
}

}  // namespace

void PrefillAttention(Stream&, const PrefillAttentionArgs& args) {
  const int group = args.q_heads / args.kv_heads;
  for (int row = 0; row < args.rows; ++row)
    for (int head = 0; head < args.q_heads; ++head) {
      const float* q =
          args.q + static_cast<size_t>(row) * args.q_stride + static_cast<size_t>(head) * args.dim;
      const size_t first_key = static_cast<size_t>(head / group) * args.capacity;
      const int position = args.first + row, begin = FirstVisible(position, args.window);
      std::vector<double> logits;
      for (int t = begin; t <= position; ++t)
        logits.push_back(Capped(
            Dot(q, args.k + (first_key + t) * args.dim, args.dim, args.precision) * args.scale,
            args.cap));
      double lse = 0;
      const std::vector<double> p = Softmax(logits, &lse);
      float* out = args.out + (static_cast<size_t>(row) * args.q_heads + head) * args.dim;
      for (int i = 0; i < args.dim; ++i) {
        double sum = 0;
        for (size_t j = 0; j < p.size(); ++j)
          sum += p[j] * Factor(args.v[(first_key + begin + j) * args.dim + i], args.precision);
        out[i] = static_cast<float>(sum);
      }
      if (args.lse) args.lse[static_cast<size_t>(head) * args.rows + row] = static_cast<float>(lse);
    }
}

}  // namespace reference
}  // namespace qpkv
