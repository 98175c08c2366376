// The proximal solver (HQQ), naive: refines the zero points of all groups of a block together
// (arXiv 2309.15531 and its code, versions 0.2.2 and 0.2.8; kappa = 1.01 only in the first). Scales
// stay as min-max found them.
#pragma once
#include <cmath>
#include <vector>

#include "ops/tensor_format.h"

namespace qpkv {
namespace reference {

constexpr int kProximalSteps = 20;

// What a test asks of the solver: so many steps, whatever the stop test says. `errors` receives the
// error that each step began with.
struct ProximalProbe {
  int steps;
  std::vector<double> errors;
};
inline thread_local ProximalProbe* proximal_probe = nullptr;

// 1 / scale of the min-max start. Both versions cap it at 2e4; the second takes 1 for a range that
// is nearly 0.
inline float ProximalInverseScale(Solver solver, int top, float low, float high) {
  const float range = high - low;
  float inverse = static_cast<float>(top) / range;
  if (solver == Solver::kProximalConstant && std::fabs(range) <= 1e-4f) inverse = 1.0f;
  return std::fmin(inverse, 2e4f);  // a range of 0 gives infinity
}

// groups[g] lists the indices of group g in x. scale[g] and zero[g]: value = (code - zero) * scale.
inline void SolveProximal(Solver solver, int top, const std::vector<float>& x,
                          const std::vector<std::vector<int>>& groups,
                          const std::vector<float>& scale, std::vector<float>* zero) {
  float beta = 10.0f;
  double best = solver == Solver::kProximalGrowing ? 1e4 : INFINITY;
  ProximalProbe* const probe = proximal_probe;
  const int steps = probe ? probe->steps : kProximalSteps;
  for (int step = 0; step < steps; ++step) {
    double error = 0;
    size_t count = 0;
    for (size_t g = 0; g < groups.size(); ++g) {
      const float s = scale[g], z = (*zero)[g];
      count += groups[g].size();
      if (!(s > 0)) continue;  // a constant group is stored exactly and adds no error
      double sum = 0;
      for (int i : groups[g]) {
        const float code =
            std::fmin(std::fmax(std::nearbyint(x[i] / s + z), 0.0f), static_cast<float>(top));
        const float back = (code - z) * s;
        const float away = x[i] - back, size = std::fabs(away);
        const float kept = size > 0 ? std::fmax(size - std::pow(size, -0.3f) / beta, 0.0f) : 0.0f;
        sum += code - (x[i] - std::copysign(kept, away)) / s;
        error += size;
      }
      (*zero)[g] = static_cast<float>(sum / groups[g].size());
    }
    if (solver == Solver::kProximalGrowing) beta *= 1.01f;
    error /= count;
    if (probe) probe->errors.push_back(error);
    if (!probe && !(error < best)) return;  // the zero points of the worse step stay
    best = error;
  }
}

}  // namespace reference
}  // namespace qpkv
