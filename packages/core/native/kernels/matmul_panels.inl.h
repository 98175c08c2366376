// The frame of Matmul: rows run over a panel of 64 outputs in register tiles, in blocks of the
// depth whose part of the panel stays in L2; partial sums wait in scratch. An output is the sum
// over k in order, whatever m is: one row gives the same bits as many.
#pragma once
#include "kernels/tile_product.inl.h"
#include "kernels/weight_panel.inl.h"

namespace qpkv {
namespace {

constexpr int kDepthBlock = 512;  // input features per block: 64 KB of a bf16 panel
constexpr int kFewRows = 16;      // up to so many, memory is what a panel waits for, and blocks are
constexpr int kFewDepth = 128;    // small: they stay in L1 (16 KB of bf16) while the next one comes
constexpr int kRowChunk = 768;    // 192 KB of partial sums; a multiple of every Step::kRows

// Few rows: reading is all that counts, and the whole panel is read in one pass, where its sums fit
// in as many registers as those of a tile.
template <class Step>
constexpr bool OnePass(int rows) {
  return rows == 1 || rows * (kPanel / 16) <= kTileRows * Step::kCols;
}

// rows x panel of partial sums: sums[r * kPanel + lane], loaded first unless `fresh`.
template <class Step, int kRows, int kAhead>
void PanelRows(const typename Step::A* a, size_t a_stride, const typename Step::B* panel, int steps,
               bool fresh, float* sums) {
  constexpr int kCols = OnePass<Step>(kRows) ? kPanel / 16 : Step::kCols;
  for (int col = 0; col < kPanel; col += 16 * kCols) {
    F32x16 acc[kRows][kCols];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int c = 0; c < kCols; ++c)
        acc[r][c] = fresh ? Zero() : Load(sums + r * kPanel + col + 16 * c);
    TileProduct<Step, kRows, kCols, kAhead>(acc, a, a_stride, panel + col * Step::kDepth,
                                            kPanel * Step::kDepth, steps);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int c = 0; c < kCols; ++c) Store(sums + r * kPanel + col + 16 * c, acc[r][c]);
  }
}

template <class Step, int kAhead, int kRows = Step::kRows>
void PanelAnyRows(int rows, const typename Step::A* a, size_t a_stride,
                  const typename Step::B* panel, int steps, bool fresh, float* sums) {
  if constexpr (kRows > 1) {
    if (rows < kRows)
      return PanelAnyRows<Step, kAhead, kRows - 1>(rows, a, a_stride, panel, steps, fresh, sums);
  }
  PanelRows<Step, kRows, kAhead>(a, a_stride, panel, steps, fresh, sums);
}

// Rows of the next tile: what is left is shared evenly by the last two, as few rows cost nearly as
// much as many.
int TileRowsOf(int left, int most) {
  if (left <= most) return left;
  return left < 2 * most ? (left + 1) / 2 : most;
}

// out[r, col..] = sums (+ bias) (+ out) for the outputs of one panel.
void FinishPanel(const MatmulArgs& args, int first_row, int rows, int col, const float* sums) {
  const int n = args.weight.n, width = n - col < kPanel ? n - col : kPanel;
  for (int r = 0; r < rows; ++r) {
    float* out = args.out + static_cast<size_t>(first_row + r) * n + col;
    for (int i = 0; i < width; i += 16) {
      const int lanes = width - i < 16 ? width - i : 16;
      F32x16 x = Load(sums + static_cast<size_t>(r) * kPanel + i);
      if (args.bias) x = Add(x, LoadN(args.bias + col + i, lanes));
      if (args.accumulate) x = Add(x, LoadN(out + i, lanes));
      StoreN(out + i, x, lanes);
    }
  }
}

// A panel as it lies.
template <class Step>
struct PackedPanels {
  const PackedWeight& weight;
  static constexpr size_t kScratch = 0;
  // Features in a block; tiles that read a panel in one pass have one.
  int depth(int rows) const {
    if (OnePass<Step>(rows)) return weight.k;
    return rows <= kFewRows ? kFewDepth : kDepthBlock;
  }
  const typename Step::B* Block(int unit, int step, int, void*) const {
    return static_cast<const typename Step::B*>(weight.data) +
           unit * kPanel * AlignUp(weight.k, 2) + static_cast<size_t>(step) * kPanel * Step::kDepth;
  }
};

// A coded panel, a block at a time as floats: products in float32.
struct UnpackedPanels {
  const PackedWeight& weight;
  static constexpr size_t kScratch = sizeof(float) * kDepthBlock * kPanel;
  int depth(int) const { return kDepthBlock; }
  const float* Block(int unit, int step, int count, void* scratch) const {
    const WeightFormat& format = weight.format;
    const uint8_t* panel = static_cast<const uint8_t*>(weight.data) +
                           unit * WeightPanelBytes(format, weight.k) +
                           step / format.group * GroupOf(format).bytes;
    const int groups = static_cast<int>(DivideUp(count, format.group));
    float* out = static_cast<float*>(scratch);
    if (CodeWidth(format) == 4)
      UnpackFloats<4>(format, panel, groups, out);
    else
      UnpackFloats<8>(format, panel, groups, out);
    return out;
  }
};

// a: [m, a_stride] in steps.
template <class Step, class Panels>
void MultiplyPanels(Stream& stream, const MatmulArgs& args, const Panels& panels,
                    const typename Step::A* a, size_t a_stride) {
  const int steps = static_cast<int>(DivideUp(args.weight.k, Step::kDepth));
  stream.ParallelFor(static_cast<int>(DivideUp(args.weight.n, kPanel)), [&](int unit, int thread) {
    for (int first = 0; first < args.m; first += kRowChunk) {
      const int rows = args.m - first < kRowChunk ? args.m - first : kRowChunk;
      const size_t sum_bytes = sizeof(float) * kPanel * rows;
      float* sums = static_cast<float*>(stream.Scratch(thread, sum_bytes + Panels::kScratch));
      const int block = static_cast<int>(DivideUp(panels.depth(rows), Step::kDepth));
      for (int s = 0; s < steps; s += block) {
        const int count = steps - s < block ? steps - s : block;
        const typename Step::B* panel =
            panels.Block(unit, s, count, reinterpret_cast<char*>(sums) + sum_bytes);
        constexpr int kBlockBytes = sizeof(*panel) * kFewDepth * kPanel;
        for (int r = 0; r < rows;) {
          const int tile = TileRowsOf(rows - r, Step::kRows);
          const typename Step::A* rows_at = a + (first + r) * a_stride + s;
          // The first of few rows brings the next block meanwhile.
          if (Panels::kScratch == 0 && rows <= kFewRows && r == 0)
            PanelAnyRows<Step, kBlockBytes>(tile, rows_at, a_stride, panel, count, s == 0, sums);
          else
            PanelAnyRows<Step, 0>(tile, rows_at, a_stride, panel, count, s == 0, sums + r * kPanel);
          r += tile;
        }
      }
      FinishPanel(args, first, rows, unit * kPanel, sums);
    }
  });
}

}  // namespace
}  // namespace qpkv
