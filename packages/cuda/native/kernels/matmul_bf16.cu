// See matmul_bf16.h.
//
// A panel of weights is read as it lies: the word of a pair of features and an output is a register
// of fragment A (core's ops/weight_layout.h), so outputs are the rows of the product and rows of
// activations its columns. The input features are cut into pieces by their number alone; each is
// summed in order, and the pieces are added in order: side by side in a few rows, one after another
// in many.
#include "device/mma.h"
#include "device/warp.h"
#include "kernels/matmul_bf16.h"
#include "kernels/weights.h"

namespace qpkv {
namespace cuda {
namespace {

constexpr int kPieces = 4;
constexpr int kDepth = 64;  // features staged at once
constexpr int kPitch =
    kDepth / 2 + 4;                   // words of a staged row: no two lanes of a load share a bank
constexpr int kGroups = kPanel / 16;  // warps that share a panel, 16 outputs each

QPKV_DEVICE int PieceOf(int k) { return static_cast<int>(AlignUp(DivideUp(k, kPieces), kDepth)); }

// Rows [0, rows) of x, features [k, k + kDepth), as pairs of bf16; `thread` of `threads`.
template <int kRows>
QPKV_DEVICE void StageRows(const float* x, int rows, int k, int all, int thread, int threads,
                           uint32_t (*staged)[kPitch]) {
  for (int i = thread; i < kRows * kDepth / 2; i += threads) {
    const int r = i / (kDepth / 2), pair = i % (kDepth / 2), at = k + 2 * pair;
    const float* row = x + static_cast<size_t>(r) * all;
    const float low = r < rows && at < all ? row[at] : 0.0f;
    const float high = r < rows && at + 1 < all ? row[at + 1] : 0.0f;
    staged[r][pair] = PackBf16(low, high);
  }
}

// c [kTiles] += 16 outputs x 8 kTiles rows over the staged features.
template <int kTiles>
QPKV_DEVICE void MultiplyStaged(const uint32_t* panel, int pair, int pairs, int output,
                                const uint32_t (*staged)[kPitch], FragmentC* c) {
  const int g = LaneId() / 4, t = LaneId() % 4;
  for (int i = 0; i < kDepth / 2; i += 8) {
    FragmentA a;
    for (int h = 0; h < 2; ++h) {
      const int at = pair + i + t + 4 * h;
      const bool there = at < pairs;
      const uint32_t* words = panel + static_cast<size_t>(at) * kPanel + output + g;
      a.r[2 * h] = there ? words[0] : 0u;
      a.r[2 * h + 1] = there ? words[8] : 0u;
    }
    for (int tile = 0; tile < kTiles; ++tile) {
      const uint32_t* row = staged[tile * 8 + g] + i + t;
      const FragmentB b = {{row[0], row[4]}};
      Multiply(c[tile], a, b);
    }
  }
}

QPKV_DEVICE void Store(const MatmulArgs& a, int n, int row, float sum) {
  if (n >= a.weight.n || row >= a.m) return;
  float& out = a.out[static_cast<size_t>(row) * a.weight.n + n];
  if (a.bias != nullptr) sum += a.bias[n];
  out = a.accumulate ? out + sum : sum;
}

// Up to 8 rows: the pieces side by side. Blocks (panel); kPieces x kGroups warps.
__global__ void FewRowsKernel(MatmulArgs a) {
  QPKV_SHARED(uint32_t, staged, [kPieces][8][kPitch]);
  QPKV_SHARED(float, sums, [kPieces][8][kPanel]);
  const int piece = WarpId() / kGroups, output = WarpId() % kGroups * 16;
  const int size = PieceOf(a.weight.k), pairs = static_cast<int>(DivideUp(a.weight.k, 2));
  const uint32_t* panel =
      reinterpret_cast<const uint32_t*>(PanelOf(a.weight, static_cast<int>(blockIdx.x)));
  FragmentC c = {{0, 0, 0, 0}};
  for (int step = 0; step < size; step += kDepth) {
    const int k = piece * size + step;
    __syncthreads();
    StageRows<8>(a.x, a.m, k, a.weight.k, static_cast<int>(threadIdx.x) % (kGroups * kWarp),
                 kGroups * kWarp, staged[piece]);
    __syncthreads();
    MultiplyStaged<1>(panel, k / 2, pairs, output, staged[piece], &c);
  }
  const int g = LaneId() / 4, t = LaneId() % 4;
  for (int i = 0; i < 4; ++i) sums[piece][2 * t + i % 2][output + g + i / 2 * 8] = c.r[i];
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < 8 * kPanel; i += kPieces * kGroups * kWarp) {
    const int row = i / kPanel, lane = i % kPanel;
    float sum = sums[0][row][lane];
    for (int p = 1; p < kPieces; ++p) sum += sums[p][row][lane];
    Store(a, static_cast<int>(blockIdx.x) * kPanel + lane, row, sum);
  }
}

constexpr int kTiles = 8;  // of 8 rows in a block of many

// Blocks (panel, 64 rows); kGroups warps.
__global__ void ManyRowsKernel(MatmulArgs a) {
  QPKV_SHARED(uint32_t, staged, [8 * kTiles][kPitch]);
  const int output = WarpId() * 16, first = static_cast<int>(blockIdx.y) * 8 * kTiles;
  const int size = PieceOf(a.weight.k), pairs = static_cast<int>(DivideUp(a.weight.k, 2));
  const uint32_t* panel =
      reinterpret_cast<const uint32_t*>(PanelOf(a.weight, static_cast<int>(blockIdx.x)));
  const float* x = a.x + static_cast<size_t>(first) * a.weight.k;
  FragmentC all[kTiles], c[kTiles];
  for (int piece = 0; piece < kPieces; ++piece) {
    for (int tile = 0; tile < kTiles; ++tile) c[tile] = {{0, 0, 0, 0}};
    for (int step = 0; step < size; step += kDepth) {
      const int k = piece * size + step;
      __syncthreads();
      StageRows<8 * kTiles>(x, a.m - first, k, a.weight.k, static_cast<int>(threadIdx.x),
                            kGroups * kWarp, staged);
      __syncthreads();
      MultiplyStaged<kTiles>(panel, k / 2, pairs, output, staged, c);
    }
    for (int tile = 0; tile < kTiles; ++tile)
      for (int i = 0; i < 4; ++i)
        all[tile].r[i] = piece == 0 ? c[tile].r[i] : all[tile].r[i] + c[tile].r[i];
  }
  const int g = LaneId() / 4, t = LaneId() % 4;
  for (int tile = 0; tile < kTiles; ++tile)
    for (int i = 0; i < 4; ++i)
      Store(a, static_cast<int>(blockIdx.x) * kPanel + output + g + i / 2 * 8,
            first + tile * 8 + 2 * t + i % 2, all[tile].r[i]);
}

}  // namespace

void MatmulBf16(CudaStream& on, const MatmulArgs& a) {
  const unsigned panels = BlocksFor(a.weight.n, kPanel);
  if (a.m <= 8)
    QPKV_LAUNCH(on.queue, FewRowsKernel, panels, kPieces * kGroups * kWarp, 0, a);
  else
    QPKV_LAUNCH(on.queue, ManyRowsKernel, dim3(panels, BlocksFor(a.m, 8 * kTiles)), kGroups * kWarp,
                0, a);
}

}  // namespace cuda
}  // namespace qpkv
