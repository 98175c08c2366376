// StoreHeads: [rows, heads, dim] -> [heads, capacity, dim] from token `first` on.
#pragma once

namespace qpkv {
namespace {

void StoreHeads(Stream& stream, const StoreHeadsArgs& args) {
  constexpr int kRowsPerUnit = 64;
  stream.ParallelFor(static_cast<int>(DivideUp(args.rows, kRowsPerUnit)), [&](int unit, int) {
    const int end = (unit + 1) * kRowsPerUnit < args.rows ? (unit + 1) * kRowsPerUnit : args.rows;
    for (int head = 0; head < args.heads; ++head)
      for (int row = unit * kRowsPerUnit; row < end; ++row)
        __builtin_memcpy(
            args.out + (static_cast<size_t>(head) * args.capacity + args.first + row) * args.dim,
            args.x + static_cast<size_t>(row) * args.stride + static_cast<size_t>(head) * args.dim,
            sizeof(float) * args.dim);
  });
}

}  // namespace
}  // namespace qpkv
