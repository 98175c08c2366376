// Matmul: out = x w^T (+ bias, + out) over weights packed in panels of 64 outputs.
//
// A unit is one panel. Its depth is cut into blocks whose part of the panel stays in L2, and the
// rows run over it in register tiles; partial sums wait in scratch. An output is the sum over k in
// order, whatever m is: one row gives the same bits as many.
#pragma once
#include "kernels/pack_weight.inl.h"
#include "kernels/tile_product.inl.h"

namespace qpkv {
namespace {

constexpr int kDepthBlock = 512;  // input features per block: 64 KB of a bf16 panel

// rows x panel of partial sums: sums[r * kPanel + lane], loaded first unless `fresh`.
template <class Step, int kRows>
void PanelRows(const typename Step::A* a, size_t a_stride, const typename Step::B* panel, int steps,
               bool fresh, float* sums) {
  // One row: reading is all that counts, and the whole panel is read in one pass.
  constexpr int kCols = kRows == 1 ? kPanel / 16 : Step::kCols;
  for (int col = 0; col < kPanel; col += 16 * kCols) {
    F32x16 acc[kRows][kCols];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int c = 0; c < kCols; ++c)
        acc[r][c] = fresh ? Zero() : Load(sums + r * kPanel + col + 16 * c);
    TileProduct<Step, kRows, kCols>(acc, a, a_stride, panel + col * Step::kDepth,
                                    kPanel * Step::kDepth, steps);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int c = 0; c < kCols; ++c) Store(sums + r * kPanel + col + 16 * c, acc[r][c]);
  }
}

template <class Step, int kRows = kTileRows>
void PanelAnyRows(int rows, const typename Step::A* a, size_t a_stride,
                  const typename Step::B* panel, int steps, bool fresh, float* sums) {
  if constexpr (kRows > 1) {
    if (rows < kRows)
      return PanelAnyRows<Step, kRows - 1>(rows, a, a_stride, panel, steps, fresh, sums);
  }
  PanelRows<Step, kRows>(a, a_stride, panel, steps, fresh, sums);
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

// a: [m, a_stride] in steps.
template <class Step>
void MultiplyPanels(Stream& stream, const MatmulArgs& args, const typename Step::A* a,
                    size_t a_stride) {
  const int panels = static_cast<int>(DivideUp(args.weight.n, kPanel));
  const int steps = static_cast<int>(DivideUp(args.weight.k, Step::kDepth));
  const size_t panel_size = kPanel * AlignUp(args.weight.k, 2);
  constexpr int kBlock = kDepthBlock / Step::kDepth;
  constexpr int kRowChunk = 768;  // 192 KB of partial sums; a multiple of every kTileRows
  stream.ParallelFor(panels, [&](int unit, int thread) {
    const typename Step::B* panel =
        static_cast<const typename Step::B*>(args.weight.data) + unit * panel_size;
    for (int first = 0; first < args.m; first += kRowChunk) {
      const int rows = args.m - first < kRowChunk ? args.m - first : kRowChunk;
      float* sums = static_cast<float*>(stream.Scratch(thread, sizeof(float) * kPanel * rows));
      // A single register tile has no use for blocks: its sums stay in registers.
      const int block = rows <= kTileRows ? steps : kBlock;
      for (int s = 0; s < steps; s += block) {
        const int count = steps - s < block ? steps - s : block;
        for (int r = 0; r < rows; r += kTileRows)
          PanelAnyRows<Step>(rows - r, a + (first + r) * a_stride + s, a_stride,
                             panel + static_cast<size_t>(s) * kPanel * Step::kDepth, count, s == 0,
                             sums + r * kPanel);
      }
      FinishPanel(args, first, rows, unit * kPanel, sums);
    }
  });
}

// x as rows of PairValue, rounded to bf16: [m, stride].
PairValue* PackRows(Stream& stream, const float* x, int m, int k, size_t stride) {
  PairValue* out = static_cast<PairValue*>(stream.SharedScratch(sizeof(PairValue) * stride * m));
  constexpr int kRowsPerUnit = 16;
  stream.ParallelFor(static_cast<int>(DivideUp(m, kRowsPerUnit)), [&](int unit, int) {
    const int end = (unit + 1) * kRowsPerUnit < m ? (unit + 1) * kRowsPerUnit : m;
    for (int r = unit * kRowsPerUnit; r < end; ++r) {
      const float* from = x + static_cast<size_t>(r) * k;
      PairValue* to = out + r * stride;
      int i = 0;
      for (; i + 32 <= k; i += 32) StorePairValues(to + i / 2, Load(from + i), Load(from + i + 16));
      if (i < k)
        StorePairValues(to + i / 2, LoadN(from + i, k - i), LoadN(from + i + 16, k - i - 16));
    }
  });
  return out;
}

void Matmul(Stream& stream, const MatmulArgs& args) {
  const int k = args.weight.k;
  const Element element = args.weight.format.element;
  if (element == Element::kF32) return MultiplyPanels<F32Step>(stream, args, args.x, k);
  if (element == Element::kF16) return MultiplyPanels<F16Step>(stream, args, args.x, k);
  if (args.precision == Precision::kBf16) {
    // One cache line of padding keeps the rows of a tile out of each other's cache sets.
    const size_t stride = AlignUp(k, 32) / 2 + 16;
    return MultiplyPanels<PairStep>(stream, args, PackRows(stream, args.x, args.m, k, stride),
                                    stride);
  }
  const float* x = args.x;
  if (k % 2 != 0) {  // pairs need an even depth
    float* padded = static_cast<float*>(stream.SharedScratch(sizeof(float) * (k + 1) * args.m));
    for (int r = 0; r < args.m; ++r) {
      __builtin_memcpy(padded + static_cast<size_t>(r) * (k + 1), x + static_cast<size_t>(r) * k,
                       sizeof(float) * k);
      padded[static_cast<size_t>(r) * (k + 1) + k] = 0.0f;
    }
    x = padded;
  }
  MultiplyPanels<WidePairStep>(stream, args, reinterpret_cast<const FloatPair*>(x),
                               AlignUp(k, 2) / 2);
}

}  // namespace
}  // namespace qpkv
