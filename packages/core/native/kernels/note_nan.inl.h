// NoteNan: which rows hold NaN.
#pragma once

namespace qpkv {
namespace {

void NoteNan(Stream& stream, const NoteNanArgs& args) {
  constexpr int kRowsPerUnit = 16;
  stream.ParallelFor(static_cast<int>(DivideUp(args.rows, kRowsPerUnit)), [&](int unit, int) {
    const int end = (unit + 1) * kRowsPerUnit < args.rows ? (unit + 1) * kRowsPerUnit : args.rows;
    for (int row = unit * kRowsPerUnit; row < end; ++row) {
      const float* x = args.x + static_cast<size_t>(row) * args.dim;
      Mask16 nan = FirstN(0);
      for (int i = 0; i < args.dim; i += 16) nan = OrM(nan, IsNan(LoadN(x + i, args.dim - i)));
      if (Any(nan) && args.notes[row] < 0) args.notes[row] = args.mark;
    }
  });
}

}  // namespace
}  // namespace qpkv
