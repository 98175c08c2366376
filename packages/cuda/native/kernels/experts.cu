// Experts: every row's choice first, then one chosen expert of each row at a time, in ascending
// order, so that a row's sum does not depend on its neighbours.
#include "kernels/activation.h"
#include "kernels/panel_product.h"
#include "kernels/table.h"

namespace qpkv {
namespace cuda {
namespace {

constexpr int kThreads = 128;

// Whether logit a of expert i comes before logit b of expert j: the larger, of equal ones the
// lower.
QPKV_DEVICE bool Before(float a, int i, float b, int j) { return a > b || (a == b && i < j); }

// choice, weight: [rows, chosen], experts ascending. A block per row.
__global__ void RouteKernel(ExpertsArgs a, int32_t* choice, float* weight) {
  const float* logits = a.router + static_cast<size_t>(blockIdx.x) * a.experts;
  choice += static_cast<size_t>(blockIdx.x) * a.chosen;
  weight += static_cast<size_t>(blockIdx.x) * a.chosen;
  float most = -Infinity();
  for (int e = 0; e < a.experts; ++e) most = fmaxf(most, logits[e]);
  float all = 0;
  for (int e = static_cast<int>(threadIdx.x); e < a.experts; e += kThreads)
    all += expf(logits[e] - most);
  all = BlockSum(all);
  // An expert is chosen if fewer than `chosen` come before it; its place is how many chosen ones
  // have a lower index.
  for (int e = static_cast<int>(threadIdx.x); e < a.experts; e += kThreads) {
    int before = 0;
    for (int other = 0; other < a.experts; ++other)
      before += other != e && Before(logits[other], other, logits[e], e);
    if (before >= a.chosen) continue;
    int place = 0;
    for (int lower = 0; lower < e; ++lower) {
      int ahead = 0;
      for (int other = 0; other < a.experts; ++other)
        ahead += other != lower && Before(logits[other], other, logits[lower], lower);
      place += ahead < a.chosen;
    }
    choice[place] = e;
    weight[place] = expf(logits[e] - most) / all;
  }
  __syncthreads();
  if (!a.normalize || threadIdx.x != 0) return;
  float sum = 0;
  for (int i = 0; i < a.chosen; ++i) sum += weight[i];
  for (int i = 0; i < a.chosen; ++i) weight[i] /= sum;
}

// x as the products of an expert's weights see it: words or bytes for codes. Blocks (groups, row).
__global__ void RoundRowsKernel(const PackedWeight* first, const float* x, int k, Products products,
                                float* out) {
  const WeightFormat format = first->format;
  const bool coded = !IsExact(format) && products != Products::kFloat;
  const int size = coded ? format.group : 16;
  const int at = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) * size;
  x += static_cast<size_t>(blockIdx.y) * k;
  out += static_cast<size_t>(blockIdx.y) * k;
  const int count = k - at < size ? k - at : size;
  if (count <= 0) return;
  if (coded) return RoundGroup(products, x + at, count, out + at);
  const bool bf16 =
      IsExact(format) && format.element == Element::kBf16 && products == Products::kShort;
  for (int i = at; i < at + count; ++i) out[i] = bf16 ? RoundToBf16(x[i]) : x[i];
}

// out[row] = the product of x[row] with the weight of its `nth` choice; `add`: times its weight, to
// out. Blocks (panel, row).
__global__ void ExpertProductKernel(const PackedWeight* weights, const int32_t* choice,
                                    const float* weight, int chosen, int nth, const float* x,
                                    float* out, bool add) {
  const size_t row = blockIdx.y;
  const PackedWeight w = weights[choice[row * chosen + nth]];
  float sum[1];
  PanelProduct<1>(w, static_cast<int>(blockIdx.x), x + row * w.k, 1, false, sum);
  const int n = static_cast<int>(blockIdx.x) * kPanel + static_cast<int>(threadIdx.x);
  if (threadIdx.x >= kPanel || n >= w.n) return;
  float& to = out[row * w.n + n];
  to = add ? fmaf(sum[0], weight[row * chosen + nth], to) : sum[0];
}

__global__ void ExpertGluKernel(const float* gate_up, float* out, int dim, Activation activation) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const size_t row = blockIdx.y;
  if (i < dim)
    out[row * dim + i] =
        Active(activation, gate_up[row * 2 * dim + i]) * gate_up[row * 2 * dim + dim + i];
}

}  // namespace

void Experts(Stream& stream, const ExpertsArgs& a) {
  CudaStream& on = On(stream);
  // Scratch: rounded rows, gate and up, activation, the choice.
  float* x = static_cast<float*>(a.scratch);
  float* gate_up = x + static_cast<size_t>(a.rows) * a.hidden;
  float* active = gate_up + 2 * static_cast<size_t>(a.rows) * a.dim;
  float* rounded = active;  // in place: a group is read before it is written
  float* weight = active + static_cast<size_t>(a.rows) * a.dim;
  int32_t* choice = reinterpret_cast<int32_t*>(weight + static_cast<size_t>(a.rows) * a.chosen);
  if (a.rows == 0) return;
  const unsigned rows = static_cast<unsigned>(a.rows);
  QPKV_LAUNCH(on.queue, RouteKernel, rows, kThreads, 0, a, choice, weight);
  QPKV_LAUNCH(on.queue, RoundRowsKernel, dim3(BlocksFor(a.hidden, 16 * kThreads), rows), kThreads,
              0, a.gate_up, a.x, a.hidden, a.products, x);
  for (int nth = 0; nth < a.chosen; ++nth) {
    QPKV_LAUNCH(on.queue, ExpertProductKernel, dim3(BlocksFor(2 * a.dim, kPanel), rows),
                kProductThreads, 0, a.gate_up, choice, weight, a.chosen, nth, x, gate_up, false);
    QPKV_LAUNCH(on.queue, ExpertGluKernel, dim3(BlocksFor(a.dim, kThreads), rows), kThreads, 0,
                gate_up, active, a.dim, a.activation);
    QPKV_LAUNCH(on.queue, RoundRowsKernel, dim3(BlocksFor(a.dim, 16 * kThreads), rows), kThreads, 0,
                a.down, active, a.dim, a.products, rounded);
    QPKV_LAUNCH(on.queue, ExpertProductKernel, dim3(BlocksFor(a.hidden, kPanel), rows),
                kProductThreads, 0, a.down, choice, weight, a.chosen, nth, rounded, a.out, true);
  }
}

}  // namespace cuda
}  // namespace qpkv
