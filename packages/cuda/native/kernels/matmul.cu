// Matmul in float32: products with exact weights and with codes that are read as they lie. What is
// rounded to bf16 on both sides goes to tensor cores (matmul_bf16.cu, library_product.cu).
#include "kernels/library_product.h"
#include "kernels/matmul_bf16.h"
#include "kernels/panel_product.h"
#include "kernels/table.h"

namespace qpkv {
namespace cuda {
namespace {

constexpr int kRows = 8;  // of a block

// Blocks (panel, rows).
template <int kMost>
__global__ void MatmulKernel(MatmulArgs a) {
  const int first = static_cast<int>(blockIdx.y) * kMost, panel = static_cast<int>(blockIdx.x);
  const int rows = a.m - first < kMost ? a.m - first : kMost;
  float sums[kMost];
  PanelProduct<kMost>(a.weight, panel, a.x + static_cast<size_t>(first) * a.weight.k, rows, false,
                      sums);
  const int n = panel * kPanel + static_cast<int>(threadIdx.x);
  if (threadIdx.x >= kPanel || n >= a.weight.n) return;
  for (int r = 0; r < rows; ++r) {
    float& out = a.out[static_cast<size_t>(first + r) * a.weight.n + n];
    const float sum = a.bias != nullptr ? sums[r] + a.bias[n] : sums[r];
    out = a.accumulate ? out + sum : sum;
  }
}

// A thread per group: blocks (groups of a row, row).
__global__ void RoundGroupsKernel(const float* x, int k, int group, Products products, float* out) {
  const int g = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x), first = g * group;
  if (first >= k) return;
  const size_t at = static_cast<size_t>(blockIdx.y) * k + first;
  RoundGroup(products, x + at, k - first < group ? k - first : group, out + at);
}

}  // namespace

void Matmul(Stream& stream, const MatmulArgs& args) {
  CudaStream& on = On(stream);
  const WeightFormat& format = args.weight.format;
  const unsigned panels = BlocksFor(args.weight.n, kPanel);
  const bool bf16 = IsExact(format) && format.element == Element::kBf16;
  const bool round = bf16 && args.products == Products::kShort;
  // A grid has at most 65,535 blocks along the rows.
  constexpr int kMost = 32768;
  for (int first = 0; first < args.m; first += kMost) {
    MatmulArgs a = args;
    a.m = args.m - first < kMost ? args.m - first : kMost;
    a.x += static_cast<size_t>(first) * args.weight.k;
    a.out += static_cast<size_t>(first) * args.weight.n;
    if (round) {
      if (!LibraryProduct(on, a)) MatmulBf16(on, a);
      continue;
    }
    if (!IsExact(format) && args.products != Products::kFloat) {
      float* rounded = static_cast<float*>(
          on.Scratch(Slot::kSource, sizeof(float) * a.m * static_cast<size_t>(a.weight.k)));
      if (rounded == nullptr) return;
      const int groups = static_cast<int>(DivideUp(a.weight.k, format.group));
      QPKV_LAUNCH(on.queue, RoundGroupsKernel,
                  dim3(BlocksFor(groups, 128), static_cast<unsigned>(a.m)), 128, 0, a.x, a.weight.k,
                  format.group, a.products, rounded);
      a.x = rounded;
    }
    if (a.m == 1)
      QPKV_LAUNCH(on.queue, MatmulKernel<1>, dim3(panels), kProductThreads, 0, a);
    else
      QPKV_LAUNCH(on.queue, MatmulKernel<kRows>, dim3(panels, BlocksFor(a.m, kRows)),
                  kProductThreads, 0, a);
  }
}

}  // namespace cuda
}  // namespace qpkv
