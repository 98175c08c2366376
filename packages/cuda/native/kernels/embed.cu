// Embed: rows of a packed table, value by value.
#include "kernels/table.h"
#include "kernels/weights.h"

namespace qpkv {
namespace cuda {
namespace {

constexpr int kThreads = 256;

// Blocks (channels, row).
__global__ void EmbedKernel(EmbedArgs a) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < a.table.k)
    a.out[static_cast<size_t>(blockIdx.y) * a.table.k + i] =
        WeightAt(a.table, a.ids[blockIdx.y], i);
}

}  // namespace

void Embed(Stream& stream, const EmbedArgs& a) {
  ForRows(a.rows, [&](int first, int rows) {
    EmbedArgs part = a;
    part.ids += first;
    part.out += static_cast<size_t>(first) * a.table.k;
    QPKV_LAUNCH(On(stream).queue, EmbedKernel,
                dim3(BlocksFor(a.table.k, kThreads), static_cast<unsigned>(rows)), kThreads, 0,
                part);
  });
}

}  // namespace cuda
}  // namespace qpkv
