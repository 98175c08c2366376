// Reference Experts: one row and one expert at a time.
#include <algorithm>
#include <cmath>

#include "reference/dense_ops.h"

namespace qpkv {
namespace reference {

void Experts(Stream& stream, const ExpertsArgs& args) {
  for (int row = 0; row < args.rows; ++row) {
    const float* logits = args.router + static_cast<size_t>(row) * args.experts;
    std::vector<int> order(args.experts);
    for (int e = 0; e < args.experts; ++e) order[e] = e;
    std::sort(order.begin(), order.end(), [&](int a, int b) {
      return logits[a] > logits[b] || (logits[a] == logits[b] && a < b);
    });
    double lse = 0;
    const std::vector<double> p = Softmax(std::vector<double>(logits, logits + args.experts), &lse);
    double sum = 0;
    for (int i = 0; i < args.chosen; ++i) sum += p[order[i]];
    std::vector<double> total(args.hidden, 0.0);
    for (int i = 0; i < args.chosen; ++i) {
      const int e = order[i];
      std::vector<float> gate_up(2 * static_cast<size_t>(args.dim)), active(args.dim),
          result(args.hidden);
      Matmul(stream, {args.x + static_cast<size_t>(row) * args.hidden, 1, args.gate_up[e], nullptr,
                      gate_up.data(), false, args.products});
      Glu(stream, {gate_up.data(), active.data(), 1, args.dim, args.activation});
      Matmul(stream,
             {active.data(), 1, args.down[e], nullptr, result.data(), false, args.products});
      for (int c = 0; c < args.hidden; ++c)
        total[c] += result[c] * (args.normalize ? p[e] / sum : p[e]);
    }
    float* out = args.out + static_cast<size_t>(row) * args.hidden;
    for (int c = 0; c < args.hidden; ++c) out[c] = static_cast<float>(out[c] + total[c]);
  }
}

}  // namespace reference
}  // namespace qpkv
