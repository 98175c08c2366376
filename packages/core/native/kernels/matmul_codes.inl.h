// Products of coded weights with activations as integers: per group exact sums in int32, which the
// scales of weights and activations turn into float32. An output is the sum over groups in order,
// whatever m is: one row gives the same bits as many. Dots: WordDots or ByteDots.
#pragma once
#include "kernels/activation_rows.inl.h"
#include "kernels/code_dots.inl.h"
#include "kernels/matmul_panels.inl.h"
#include "kernels/weight_panel.inl.h"

namespace qpkv {
namespace {

// Register tile of many rows: integer sums of a group and float sums of all, so half the columns of
// a float tile.
constexpr int kCodedRows = kTileRows;
constexpr int kCodedCols = kTileCols > 1 ? kTileCols / 2 : 1;
constexpr int kCodedBlock = 256;  // input features unpacked at a time: at most 64 KB of operands
constexpr int kAhead = 4096;      // bytes of codes that reading runs ahead
constexpr int kRowsFromCodes = 8 * kTileRows;  // up to so many rows work straight from the codes

// sum + the part of one group: dots * scales (+ minima * the sum of the activations).
QPKV_INLINE F32x16 AddGroup(F32x16 sum, I32x16 dots, F32x16 scales, float x_scale) {
  return Fma(ToFloat(dots), Mul(scales, Set(x_scale)), sum);
}
QPKV_INLINE F32x16 AddMinimum(F32x16 sum, F32x16 minima, float x_scale, int32_t x_sum) {
  return Fma(minima, Set(x_scale * static_cast<float>(x_sum)), sum);
}

// kRows rows from `row` on times a panel straight from the codes, kCols vectors of columns at a
// time. sums: [kRows][64].
template <class Dots, int kRows, int kCols>
void CodeTile(const WeightFormat& format, const uint8_t* panel, const ActivationRows& rows, int row,
              float* sums) {
  constexpr int kOperands = Dots::kOperands;
  const WeightGroup layout = GroupOf(format);
  const int operands = format.group / Dots::kFeatures, steps = operands / kOperands;
  const bool minimum = format.minimum != WeightMinimum::kNone;
  const uint32_t* x = rows.operands + row * rows.stride;
  const size_t first_cell = static_cast<size_t>(row) * rows.groups;
  for (int g = 0; g < rows.groups; ++g, panel += layout.bytes, x += operands)
    for (int col = 0; col < kPanel; col += 16 * kCols) {
      const int32_t* starts = rows.starts + first_cell + g;
      typename Dots::Sums dots[kRows][kCols];
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
        for (int c = 0; c < kCols; ++c)
          dots[r][c] = Dots::Begin(starts + static_cast<size_t>(r) * rows.groups);
      const uint8_t* at = panel + col * 4;
      for (int step = 0; step < steps; ++step, at += kPanel * 4)
#pragma GCC unroll 8
        for (int c = 0; c < kCols; ++c) {
          PrefetchL1(at + 64 * c + kAhead);
          U16x32 codes[kOperands];
          Dots::LoadCodes(at + 64 * c, codes);
#pragma GCC unroll 8
          for (int i = 0; i < kOperands; ++i)
#pragma GCC unroll 8
            for (int r = 0; r < kRows; ++r)
              dots[r][c] = Dots::Dot(dots[r][c], codes[i],
                                     SetWordPair(x + r * rows.stride + step * kOperands + i));
        }
#pragma GCC unroll 8
      for (int c = 0; c < kCols; ++c) {
        const F32x16 scales = GroupScales(format, panel, col + 16 * c);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          float* sum = sums + r * kPanel + col + 16 * c;
          const size_t cell = first_cell + static_cast<size_t>(r) * rows.groups + g;
          F32x16 total =
              AddGroup(g == 0 ? Zero() : Load(sum), Dots::End(dots[r][c], rows.starts + cell),
                       scales, rows.scales[cell]);
          if (minimum)
            total = AddMinimum(total, GroupMinima(format, panel, col + 16 * c), rows.scales[cell],
                               rows.sums[cell]);
          Store(sum, total);
        }
      }
    }
}

template <class Dots, int kRows = kTileRows>
void CodeAnyRows(int count, const WeightFormat& format, const uint8_t* panel,
                 const ActivationRows& rows, int row, float* sums) {
  if constexpr (kRows > 1) {
    if (count < kRows) return CodeAnyRows<Dots, kRows - 1>(count, format, panel, rows, row, sums);
  }
  // One row: reading is all that counts, and the whole panel is read in one pass.
  CodeTile<Dots, kRows, kRows == 1 ? kPanel / 16 : kTileCols>(format, panel, rows, row, sums);
}

// Groups of a panel unpacked: operands[slice][step][16 * kCodedCols], slices of the columns that a
// register tile takes; scales and minima [groups][64].
struct CodeBlock {
  uint32_t* operands;
  float *scales, *minima;
  size_t slice;  // operands between slices
};

template <class Dots>
void UnpackCodes(const WeightFormat& format, const uint8_t* panel, int groups,
                 const CodeBlock& out) {
  constexpr int kOperands = Dots::kOperands;
  const int operands = format.group / Dots::kFeatures;
  for (int g = 0; g < groups; ++g, panel += GroupOf(format).bytes)
    for (int lane = 0; lane < kPanel; lane += 16) {
      Store(out.scales + g * kPanel + lane, GroupScales(format, panel, lane));
      if (format.minimum != WeightMinimum::kNone)
        Store(out.minima + g * kPanel + lane, GroupMinima(format, panel, lane));
      uint32_t* to = out.operands + lane / (16 * kCodedCols) * out.slice +
                     static_cast<size_t>(g) * operands * 16 * kCodedCols + lane % (16 * kCodedCols);
      for (int step = 0; step < operands / kOperands; ++step) {
        U16x32 codes[kOperands];
        Dots::LoadCodes(panel + (static_cast<size_t>(step) * kPanel + lane) * 4, codes);
#pragma GCC unroll 4
        for (int i = 0; i < kOperands; ++i, to += 16 * kCodedCols)
          StoreU16(reinterpret_cast<uint16_t*>(to), codes[i]);
      }
    }
}

// A register tile: kRows rows from `row` on times kCodedCols vectors of columns from `col` on, over
// the groups of an unpacked block. sums: [kRows][64]; they stay in registers where those suffice.
template <class Dots, int kRows>
void BlockTile(const CodeBlock& block, int col, const WeightFormat& format, int groups,
               const ActivationRows& rows, int row, int first_group, bool fresh, float* sums) {
  const bool minimum = format.minimum != WeightMinimum::kNone;
  const int operands = format.group / Dots::kFeatures;
  const uint32_t* w = block.operands + col / (16 * kCodedCols) * block.slice;
  const uint32_t* x =
      rows.operands + row * rows.stride + static_cast<size_t>(first_group) * operands;
  const size_t first_cell = static_cast<size_t>(row) * rows.groups + first_group;
  constexpr bool kStay = kTileCols > 1;
  [[maybe_unused]] F32x16 totals[kRows][kCodedCols];
  if (kStay)
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int c = 0; c < kCodedCols; ++c)
        totals[r][c] = fresh ? Zero() : Load(sums + r * kPanel + col + 16 * c);
  for (int g = 0; g < groups; ++g) {
    const int32_t* starts = rows.starts + first_cell + g;
    typename Dots::Sums dots[kRows][kCodedCols];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int c = 0; c < kCodedCols; ++c)
        dots[r][c] = Dots::Begin(starts + static_cast<size_t>(r) * rows.groups);
#pragma GCC unroll 4
    for (int s = 0; s < operands; ++s, ++x, w += 16 * kCodedCols) {
      U16x32 codes[kCodedCols];
#pragma GCC unroll 8
      for (int c = 0; c < kCodedCols; ++c)
        codes[c] = LoadU16(reinterpret_cast<const uint16_t*>(w + 16 * c));
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const U16x32 factor = SetWordPair(x + r * rows.stride);
#pragma GCC unroll 8
        for (int c = 0; c < kCodedCols; ++c) dots[r][c] = Dots::Dot(dots[r][c], codes[c], factor);
      }
    }
#pragma GCC unroll 8
    for (int c = 0; c < kCodedCols; ++c) {
      const F32x16 scales = Load(block.scales + g * kPanel + col + 16 * c);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const size_t cell = first_cell + static_cast<size_t>(r) * rows.groups + g;
        float* sum = sums + r * kPanel + col + 16 * c;
        F32x16 total = kStay ? totals[r][c] : fresh && g == 0 ? Zero() : Load(sum);
        total =
            AddGroup(total, Dots::End(dots[r][c], rows.starts + cell), scales, rows.scales[cell]);
        if (minimum)
          total = AddMinimum(total, Load(block.minima + g * kPanel + col + 16 * c),
                             rows.scales[cell], rows.sums[cell]);
        if (kStay)
          totals[r][c] = total;
        else
          Store(sum, total);
      }
    }
  }
  if (kStay)
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int c = 0; c < kCodedCols; ++c) Store(sums + r * kPanel + col + 16 * c, totals[r][c]);
}

template <class Dots, int kRows = kCodedRows>
void BlockAnyRows(int count, const CodeBlock& block, int col, const WeightFormat& format,
                  int groups, const ActivationRows& rows, int row, int first_group, bool fresh,
                  float* sums) {
  if constexpr (kRows > 1) {
    if (count < kRows)
      return BlockAnyRows<Dots, kRows - 1>(count, block, col, format, groups, rows, row,
                                           first_group, fresh, sums);
  }
  BlockTile<Dots, kRows>(block, col, format, groups, rows, row, first_group, fresh, sums);
}

// bytes: activations are rounded to bytes, even where dots of words take them.
template <class Dots>
void MultiplyCodes(Stream& stream, const MatmulArgs& args, bool bytes) {
  const WeightFormat format = args.weight.format;
  const ActivationRows rows = PackActivations<Dots>(stream, args.x, args.m, args.weight.k,
                                                    format.group, CodeZero(format), bytes);
  const size_t panel_bytes = WeightPanelBytes(format, args.weight.k),
               group_bytes = GroupOf(format).bytes;
  const int block_groups = kCodedBlock / format.group;
  stream.ParallelFor(static_cast<int>(DivideUp(args.weight.n, kPanel)), [&](int unit, int thread) {
    const uint8_t* panel = static_cast<const uint8_t*>(args.weight.data) + unit * panel_bytes;
    constexpr size_t kOperands = static_cast<size_t>(kCodedBlock) / Dots::kFeatures * kPanel;
    const size_t metadata = static_cast<size_t>(block_groups) * kPanel;
    const int most = args.m < kRowChunk ? args.m : kRowChunk;
    const size_t sum_count = static_cast<size_t>(most) * kPanel;
    if (args.m <= kRowsFromCodes) {
      float* sums = static_cast<float*>(stream.Scratch(thread, sizeof(float) * sum_count));
      for (int r = 0; r < args.m; r += kTileRows)
        CodeAnyRows<Dots>(args.m - r, format, panel, rows, r, sums + r * kPanel);
      return FinishPanel(args, 0, args.m, unit * kPanel, sums);
    }
    float* sums = static_cast<float*>(stream.Scratch(
        thread, sizeof(uint32_t) * kOperands + sizeof(float) * (2 * metadata + sum_count)));
    CodeBlock block;
    block.scales = sums + sum_count;
    block.minima = block.scales + metadata;
    block.operands = reinterpret_cast<uint32_t*>(block.minima + metadata);
    block.slice = kOperands / (kPanel / (16 * kCodedCols));
    for (int first = 0; first < args.m; first += kRowChunk) {
      const int count = args.m - first < kRowChunk ? args.m - first : kRowChunk;
      for (int g = 0; g < rows.groups; g += block_groups) {
        const int groups = rows.groups - g < block_groups ? rows.groups - g : block_groups;
        UnpackCodes<Dots>(format, panel + g * group_bytes, groups, block);
        for (int col = 0; col < kPanel; col += 16 * kCodedCols)
          for (int r = 0; r < count; r += kCodedRows)
            BlockAnyRows<Dots>(count - r, block, col, format, groups, rows, first + r, g, g == 0,
                               sums + r * kPanel);
      }
      FinishPanel(args, first, count, unit * kPanel, sums);
    }
  });
}

}  // namespace
}  // namespace qpkv
