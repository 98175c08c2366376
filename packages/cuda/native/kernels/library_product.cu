// See library_product.h.
//
// The library wants plain rows of weights and activations in bf16. Panels are therefore taken apart
// into scratch for each product: of many rows that is little beside the product itself, and it is
// part of what is timed.
#include "device/warp.h"
#include "kernels/library_product.h"
#include "kernels/matmul_bf16.h"
#include "kernels/weights.h"

namespace qpkv {
namespace cuda {
namespace {

constexpr int kFewestRows = 128;
constexpr size_t kMostWeightBytes = 256
                                    << 20;  // of scratch; larger weights stay with the own kernels
constexpr int kAligned = 8;                 // values of a row: 16 bytes, as tensor cores like it
constexpr int kTrials = 3;
// What it takes to be called faster: so that a choice does not hang on a hair from run to run.
constexpr float kWorthwhile = 0.9f;
// Both round the same factors and sum in float32; what is further off is no rounding.
constexpr float kSame = 1e-3f;

constexpr int kTile = 32;  // pairs of features of a tile

// Blocks (tile of pairs, panel) of 256: words of a panel, [pair][lane], to rows of pairs.
__global__ void RowsOfPanelsKernel(PackedWeight weight, int pitch, uint32_t* out) {
  QPKV_SHARED(uint32_t, tile, [kPanel][kTile + 1]);
  const uint32_t* panel =
      reinterpret_cast<const uint32_t*>(PanelOf(weight, static_cast<int>(blockIdx.y)));
  const int first = static_cast<int>(blockIdx.x) * kTile, me = static_cast<int>(threadIdx.x);
  const int pairs = (weight.k + 1) / 2, row_words = pitch / 2;
  for (int i = me; i < kTile * kPanel; i += 256) {
    const int pair = first + i / kPanel, lane = i % kPanel;
    tile[lane][i / kPanel] = pair < pairs ? panel[static_cast<size_t>(pair) * kPanel + lane] : 0u;
  }
  __syncthreads();
  for (int i = me; i < kTile * kPanel; i += 256) {
    const int row = static_cast<int>(blockIdx.y) * kPanel + i / kTile, pair = first + i % kTile;
    if (row < weight.n && pair < row_words)
      out[static_cast<size_t>(row) * row_words + pair] = tile[i / kTile][i % kTile];
  }
}

// A thread per pair of features: blocks (pairs of a row, row).
__global__ void RoundRowsKernel(const float* x, int k, int pitch, uint32_t* out) {
  const int pair = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (pair >= pitch / 2) return;
  const float* row = x + static_cast<size_t>(blockIdx.y) * k;
  out[static_cast<size_t>(blockIdx.y) * (pitch / 2) + pair] =
      PackBf16(2 * pair < k ? row[2 * pair] : 0.0f, 2 * pair + 1 < k ? row[2 * pair + 1] : 0.0f);
}

// A thread per output: blocks (outputs, row).
__global__ void AddBiasKernel(const float* bias, int n, float* out) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) out[static_cast<size_t>(blockIdx.y) * n + i] += bias[i];
}

// most [2]: the bits of the largest |a - b| and |a|; NaN is larger than any number.
__global__ void CompareKernel(const float* a, const float* b, int n, uint32_t* most) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const size_t at = static_cast<size_t>(blockIdx.y) * n + i;
  const uint32_t apart = i < n ? BitsOfFloat(a[at] - b[at]) & 0x7fffffffu : 0u,
                 size = i < n ? BitsOfFloat(a[at]) & 0x7fffffffu : 0u;
  const uint32_t most_apart = WarpMax(apart), most_size = WarpMax(size);
  if (LaneId() != 0) return;
  atomicMax(most, most_apart);
  atomicMax(most + 1, most_size);
}

struct Factors {
  uint32_t *weight, *x;
  void* workspace;
  int pitch;
};

bool MakeRoom(CudaStream& on, const MatmulArgs& a, size_t workspace_bytes, Factors* factors) {
  const size_t row = static_cast<size_t>(factors->pitch) * 2;
  factors->weight = static_cast<uint32_t*>(on.ScratchIfThere(Slot::kWeight, row * a.weight.n));
  factors->x = static_cast<uint32_t*>(on.ScratchIfThere(Slot::kFactor, row * a.m));
  factors->workspace = on.ScratchIfThere(Slot::kWorkspace, workspace_bytes);
  return factors->weight != nullptr && factors->x != nullptr && factors->workspace != nullptr;
}

bool Multiply(CudaStream& on, const MatmulArgs& a, const LtProduct& product,
              const Factors& factors) {
  const unsigned pairs = static_cast<unsigned>(factors.pitch / 2),
                 rows = static_cast<unsigned>(a.m);
  QPKV_LAUNCH(on.queue, RowsOfPanelsKernel,
              dim3(BlocksFor(pairs, kTile), BlocksFor(a.weight.n, kPanel)), 256, 0, a.weight,
              factors.pitch, factors.weight);
  QPKV_LAUNCH(on.queue, RoundRowsKernel, dim3(BlocksFor(pairs, 128), rows), 128, 0, a.x, a.weight.k,
              factors.pitch, factors.x);
  if (!on.queue.Enqueue([&](cudaStream_t stream) {
        return product.Run(factors.weight, factors.x, a.out, a.accumulate, factors.workspace,
                           stream);
      }))
    return false;
  if (a.bias != nullptr)
    QPKV_LAUNCH(on.queue, AddBiasKernel, dim3(BlocksFor(a.weight.n, 128), rows), 128, 0, a.bias,
                a.weight.n, a.out);
  return true;
}

// Both ways over what is to be multiplied, into memory of their own. Unknown still where NaN leaves
// nothing to compare.
Faster Try(CudaStream& on, const MatmulArgs& a, const LtProduct& product, const Factors& factors) {
  const size_t cells = static_cast<size_t>(a.m) * a.weight.n;
  float* memory = static_cast<float*>(on.queue.Allocate(sizeof(float) * (2 * cells + 2)));
  if (memory == nullptr) return Faster::kOwn;
  MatmulArgs own = a, library = a;
  own.bias = library.bias = nullptr;
  own.accumulate = library.accumulate = false;
  own.out = memory;
  library.out = memory + cells;
  const auto run_own = [&] { MatmulBf16(on, own); };
  bool works = Multiply(on, library, product, factors);
  const auto run_library = [&] { works = works && Multiply(on, library, product, factors); };
  run_own();
  const float own_ms = on.queue.Milliseconds(run_own, kTrials),
              library_ms = on.queue.Milliseconds(run_library, kTrials);
  uint32_t* most = reinterpret_cast<uint32_t*>(memory + 2 * cells);
  on.queue.Fill(most, 0, 2 * sizeof *most);
  QPKV_LAUNCH(on.queue, CompareKernel, dim3(BlocksFor(a.weight.n, 128), static_cast<unsigned>(a.m)),
              128, 0, own.out, library.out, a.weight.n, most);
  float furthest[2] = {0, 0};  // apart, in size
  on.queue.CopyOut(furthest, most, sizeof furthest);
  on.queue.Release(memory);
  if (!works || own_ms < 0 || library_ms < 0) return Faster::kOwn;
  if (furthest[1] != furthest[1]) return Faster::kUnknown;
  const bool same = furthest[0] <= kSame * furthest[1];
  return same && library_ms < kWorthwhile * own_ms ? Faster::kLibrary : Faster::kOwn;
}

}  // namespace

bool LibraryProduct(CudaStream& on, const MatmulArgs& a) {
  // What is replayed must be what ran before it, whose rows are few besides.
  if (a.m < kFewestRows || on.replaying() || !CublasLt::Get().there) return false;
  Factors factors{};
  factors.pitch = static_cast<int>(AlignUp(a.weight.k, kAligned));
  if (static_cast<size_t>(factors.pitch) * 2 * a.weight.n > kMostWeightBytes) return false;
  std::atomic<Faster>& faster = FasterFor(on.queue.device(), a.m, a.weight.n, a.weight.k);
  if (faster == Faster::kOwn) return false;
  const uint32_t alignment = reinterpret_cast<uintptr_t>(a.out) % 16 == 0 ? 16 : 4;
  const LtProduct* product = on.products.Find(a.m, a.weight.n, factors.pitch, alignment);
  if (product == nullptr || !MakeRoom(on, a, product->workspace_bytes(), &factors)) {
    faster = Faster::kOwn;
    return false;
  }
  if (faster == Faster::kUnknown) faster = Try(on, a, *product, factors);
  if (faster != Faster::kLibrary) return false;
  if (Multiply(on, a, *product, factors)) return true;
  faster = Faster::kOwn;
  return false;
}

}  // namespace cuda
}  // namespace qpkv
