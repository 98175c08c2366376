// Reference RmsNorm, Scale, Rope, Glu and StoreHeads.
#include <cmath>

#include "reference/dense_ops.h"

namespace qpkv {
namespace reference {

void RmsNorm(Stream&, const RmsNormArgs& args) {
  for (int item = 0; item < args.rows * args.groups; ++item) {
    const size_t at = static_cast<size_t>(item / args.groups) * args.stride +
                      static_cast<size_t>(item % args.groups) * args.dim;
    const float* x = args.x + at;
    float* out = args.out + at;
    double sum = 0;
    for (int i = 0; i < args.dim; ++i) sum += static_cast<double>(x[i]) * x[i];
    const double factor = 1.0 / std::sqrt(sum / args.dim + args.epsilon);
    for (int i = 0; i < args.dim; ++i) {
      const double y = x[i] * factor * (static_cast<double>(args.weight[i]) + args.offset);
      out[i] = static_cast<float>(args.accumulate ? out[i] + y : y);
    }
  }
}

void Scale(Stream&, const ScaleArgs& args) {
  for (size_t i = 0; i < args.count; ++i) {
    const double y = Capped(static_cast<double>(args.x[i]) * args.factor, args.cap);
    args.out[i] = static_cast<float>(args.accumulate ? args.out[i] + y : y);
  }
}

void Rope(Stream&, const RopeArgs& args) {
  const int half = args.rotary_dim / 2;
  for (int row = 0; row < args.rows; ++row)
    for (int head = 0; head < args.heads; ++head) {
      float* x =
          args.x + static_cast<size_t>(row) * args.stride + static_cast<size_t>(head) * args.dim;
      for (int i = 0; i < half; ++i) {
        // The angle is a float32 product on purpose: that is what the models were trained with.
        const float angle = static_cast<float>(args.positions[row]) * args.inv_freq[i];
        const double c = std::cos(static_cast<double>(angle)) * args.scale;
        const double s = std::sin(static_cast<double>(angle)) * args.scale;
        const double low = x[i], high = x[i + half];
        x[i] = static_cast<float>(low * c - high * s);
        x[i + half] = static_cast<float>(high * c + low * s);
      }
    }
}

void Glu(Stream&, const GluArgs& args) {
  const auto active = [&](double x) {
    if (args.activation == Activation::kSilu) return x / (1.0 + std::exp(-x));
    return 0.5 * x *
           (1.0 + std::tanh(std::sqrt(2.0 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
  };
  for (int row = 0; row < args.rows; ++row)
    for (int i = 0; i < args.dim; ++i) {
      const double gate = args.gate_up[static_cast<size_t>(row) * 2 * args.dim + i];
      const double up = args.gate_up[static_cast<size_t>(row) * 2 * args.dim + args.dim + i];
      args.out[static_cast<size_t>(row) * args.dim + i] = static_cast<float>(active(gate) * up);
    }
}

void StoreHeads(Stream&, const StoreHeadsArgs& args) {
  for (int head = 0; head < args.heads; ++head)
    for (int row = 0; row < args.rows; ++row)
      for (int i = 0; i < args.dim; ++i)
        args.out[(static_cast<size_t>(head) * args.capacity + args.first + row) * args.dim + i] =
            args.x[static_cast<size_t>(row) * args.stride + static_cast<size_t>(head) * args.dim +
                   i];
}

}  // namespace reference
}  // namespace qpkv
