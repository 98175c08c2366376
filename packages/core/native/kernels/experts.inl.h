// Experts: the rows of a step grouped by the experts that they chose.
#pragma once
#include <math.h>

#include "kernels/glu.inl.h"
#include "kernels/matmul.inl.h"

namespace qpkv {
namespace {

// The experts of one row: ids in ascending order, with their weights.
void ChooseExperts(const ExpertsArgs& args, const float* logits, int32_t* ids, float* weights) {
  for (int i = 0; i < args.chosen; ++i) {
    int best = -1;
    for (int e = 0; e < args.experts; ++e) {
      bool taken = false;
      for (int j = 0; j < i; ++j) taken = taken || ids[j] == e;
      if (!taken && (best < 0 || logits[e] > logits[best])) best = e;
    }
    ids[i] = best;
  }
  const float most = logits[ids[0]];
  float sum = 0;
  for (int e = 0; !args.normalize && e < args.experts; ++e) sum += ::expf(logits[e] - most);
  for (int i = 0; i < args.chosen; ++i) {
    weights[i] = ::expf(logits[ids[i]] - most);
    if (args.normalize) sum += weights[i];
  }
  for (int i = 0; i < args.chosen; ++i) weights[i] /= sum;
  for (int i = 1; i < args.chosen; ++i)
    for (int j = i; j > 0 && ids[j - 1] > ids[j]; --j) {
      const int32_t id = ids[j];
      const float weight = weights[j];
      ids[j] = ids[j - 1], weights[j] = weights[j - 1];
      ids[j - 1] = id, weights[j - 1] = weight;
    }
}

void Experts(Stream& stream, const ExpertsArgs& args) {
  const size_t rows = static_cast<size_t>(args.rows), hidden = static_cast<size_t>(args.hidden),
               dim = static_cast<size_t>(args.dim);
  float* gathered = static_cast<float*>(args.scratch);                      // [rows, hidden]
  float* gate_up = gathered + rows * hidden;                                // [rows, 2 * dim]
  float* active = gate_up + rows * 2 * dim;                                 // [rows, dim]
  float* result = active + rows * dim;                                      // [rows, hidden]
  float* weights = result + rows * hidden;                                  // [rows, chosen]
  int32_t* ids = reinterpret_cast<int32_t*>(weights + rows * args.chosen);  // [rows, chosen]
  int32_t* members = ids + rows * args.chosen;  // [rows] that chose the expert
  for (int row = 0; row < args.rows; ++row)
    ChooseExperts(args, args.router + static_cast<size_t>(row) * args.experts,
                  ids + static_cast<size_t>(row) * args.chosen,
                  weights + static_cast<size_t>(row) * args.chosen);
  const auto weight_of = [&](int row, int expert) {
    for (int i = 0; i < args.chosen; ++i)
      if (ids[static_cast<size_t>(row) * args.chosen + i] == expert)
        return weights + static_cast<size_t>(row) * args.chosen + i;
    return static_cast<float*>(nullptr);
  };
  for (int e = 0; e < args.experts; ++e) {
    int count = 0;
    for (int row = 0; row < args.rows; ++row)
      if (weight_of(row, e)) {
        __builtin_memcpy(gathered + count * hidden, args.x + row * hidden, hidden * sizeof(float));
        members[count++] = row;
      }
    if (count == 0) continue;
    Matmul(stream, {gathered, count, args.gate_up[e], nullptr, gate_up, false, args.products});
    Glu(stream, {gate_up, active, count, args.dim, args.activation});
    Matmul(stream, {active, count, args.down[e], nullptr, result, false, args.products});
    stream.ParallelFor(count, [&](int i, int) {
      const F32x16 weight = Set(*weight_of(members[i], e));
      float* out = args.out + members[i] * hidden;
      for (int c = 0; c < args.hidden; c += 16) {
        const int n = args.hidden - c;
        StoreN(out + c, Fma(LoadN(result + i * hidden + c, n), weight, LoadN(out + c, n)), n);
      }
    });
  }
}

}  // namespace
}  // namespace qpkv
