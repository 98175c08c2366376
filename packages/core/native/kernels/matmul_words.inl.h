// Products of coded weights with activations as 16-bit words: per group exact sums in int32, which
// the scales of weights and activations turn into float32. An output is the sum over groups in
// order, whatever m is: one row gives the same bits as many.
#pragma once
#include "kernels/matmul_panels.inl.h"
#include "kernels/weight_panel.inl.h"
#include "kernels/word_rows.inl.h"

namespace qpkv {
namespace {

// sum + the part of one group: dots * scales (+ minima * the sum of the activations).
QPKV_INLINE F32x16 AddGroup(F32x16 sum, I32x16 dots, F32x16 scales, float x_scale) {
  return Fma(ToFloat(dots), Mul(scales, Set(x_scale)), sum);
}
QPKV_INLINE F32x16 AddMinimum(F32x16 sum, F32x16 minima, float x_scale, int32_t x_sum) {
  return Fma(minima, Set(x_scale * static_cast<float>(x_sum)), sum);
}

constexpr int kWordBlock = 256;  // input features unpacked at a time: 32 KB of words, in L1
constexpr int kAhead = 4096;     // bytes of codes that reading runs ahead
constexpr int kRowsFromCodes = 8 * kTileRows;  // up to so many rows work straight from the codes

// kRows rows from `row` on times a panel straight from the codes, kCols vectors of columns at a
// time. sums: [kRows][64].
template <int kWidth, int kRows, int kCols>
void CodeTile(const WeightFormat& format, const uint8_t* panel, const WordRows& rows, int row,
              float* sums) {
  constexpr int kPairs = 16 / kWidth;
  const WeightGroup layout = GroupOf(format);
  const int zero = CodeZero(format), quads = format.group / (2 * kPairs);
  const bool minimum = format.minimum != WeightMinimum::kNone;
  const uint32_t* x = rows.pairs + row * rows.pair_stride;
  const size_t cell = static_cast<size_t>(row) * rows.groups;
  for (int g = 0; g < rows.groups; ++g, panel += layout.bytes, x += format.group / 2)
    for (int col = 0; col < kPanel; col += 16 * kCols) {
      I32x16 dots[kRows][kCols];
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
        for (int c = 0; c < kCols; ++c)
          dots[r][c] = SetI(-zero * rows.sums[cell + static_cast<size_t>(r) * rows.groups + g]);
      const uint8_t* at = panel + col * 4;
      for (int quad = 0; quad < quads; ++quad, at += kPanel * 4)
#pragma GCC unroll 8
        for (int c = 0; c < kCols; ++c) {
          PrefetchL1(at + 64 * c + kAhead);
          const QuadPairs<kWidth> codes = LoadQuad<kWidth>(at + 64 * c);
#pragma GCC unroll 8
          for (int i = 0; i < kPairs; ++i)
#pragma GCC unroll 8
            for (int r = 0; r < kRows; ++r)
              dots[r][c] = DotWords(dots[r][c], codes.pair[i],
                                    SetWordPair(x + r * rows.pair_stride + quad * kPairs + i));
        }
#pragma GCC unroll 8
      for (int c = 0; c < kCols; ++c) {
        const F32x16 scales = GroupScales(format, panel, col + 16 * c);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          float* sum = sums + r * kPanel + col + 16 * c;
          const size_t at_cell = cell + static_cast<size_t>(r) * rows.groups + g;
          F32x16 total =
              AddGroup(g == 0 ? Zero() : Load(sum), dots[r][c], scales, rows.scales[at_cell]);
          if (minimum)
            total = AddMinimum(total, GroupMinima(format, panel, col + 16 * c),
                               rows.scales[at_cell], rows.sums[at_cell]);
          Store(sum, total);
        }
      }
    }
}

template <int kWidth, int kRows = kTileRows>
void CodeAnyRows(int count, const WeightFormat& format, const uint8_t* panel, const WordRows& rows,
                 int row, float* sums) {
  if constexpr (kRows > 1) {
    if (count < kRows) return CodeAnyRows<kWidth, kRows - 1>(count, format, panel, rows, row, sums);
  }
  // One row: reading is all that counts, and the whole panel is read in one pass.
  CodeTile<kWidth, kRows, kRows == 1 ? kPanel / 16 : kTileCols>(format, panel, rows, row, sums);
}

// A register tile: kRows rows from `row` on times kWordCols vectors of columns from `col` on, over
// the groups of an unpacked block. sums: [kRows][64]; they stay in registers where those suffice.
template <int kRows>
void WordTile(const WordBlock& block, int col, int group_size, int groups, bool minimum,
              const WordRows& rows, int row, int first_group, bool fresh, float* sums) {
  const uint16_t* w = block.pairs + col / (16 * kWordCols) * block.slice;
  const uint32_t* x =
      rows.pairs + row * rows.pair_stride + static_cast<size_t>(first_group) * (group_size / 2);
  const size_t cell = static_cast<size_t>(row) * rows.groups + first_group;
  constexpr bool kStay = kTileCols > 1;
  [[maybe_unused]] F32x16 totals[kRows][kWordCols];
  if (kStay)
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int c = 0; c < kWordCols; ++c)
        totals[r][c] = fresh ? Zero() : Load(sums + r * kPanel + col + 16 * c);
  for (int g = 0; g < groups; ++g) {
    I32x16 dots[kRows][kWordCols];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int c = 0; c < kWordCols; ++c) dots[r][c] = SetI(0);
#pragma GCC unroll 4
    for (int s = 0; s < group_size / 2; ++s, ++x, w += 32 * kWordCols) {
      U16x32 pairs[kWordCols];
#pragma GCC unroll 8
      for (int c = 0; c < kWordCols; ++c) pairs[c] = LoadU16(w + 32 * c);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const U16x32 factor = SetWordPair(x + r * rows.pair_stride);
#pragma GCC unroll 8
        for (int c = 0; c < kWordCols; ++c) dots[r][c] = DotWords(dots[r][c], pairs[c], factor);
      }
    }
#pragma GCC unroll 8
    for (int c = 0; c < kWordCols; ++c) {
      const F32x16 scales = Load(block.scales + g * kPanel + col + 16 * c);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const size_t at = cell + static_cast<size_t>(r) * rows.groups + g;
        float* sum = sums + r * kPanel + col + 16 * c;
        F32x16 total = kStay ? totals[r][c] : fresh && g == 0 ? Zero() : Load(sum);
        total = AddGroup(total, dots[r][c], scales, rows.scales[at]);
        if (minimum)
          total = AddMinimum(total, Load(block.minima + g * kPanel + col + 16 * c), rows.scales[at],
                             rows.sums[at]);
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
      for (int c = 0; c < kWordCols; ++c) Store(sums + r * kPanel + col + 16 * c, totals[r][c]);
}

template <int kRows = kWordRows>
void WordAnyRows(int count, const WordBlock& block, int col, int group_size, int groups,
                 bool minimum, const WordRows& rows, int row, int first_group, bool fresh,
                 float* sums) {
  if constexpr (kRows > 1) {
    if (count < kRows)
      return WordAnyRows<kRows - 1>(count, block, col, group_size, groups, minimum, rows, row,
                                    first_group, fresh, sums);
  }
  WordTile<kRows>(block, col, group_size, groups, minimum, rows, row, first_group, fresh, sums);
}

template <int kWidth>
void MultiplyWords(Stream& stream, const MatmulArgs& args) {
  const WeightFormat format = args.weight.format;
  const WordRows rows = PackWordRows(stream, args.x, args.m, args.weight.k, format.group,
                                     args.products == Products::kShort);
  const size_t panel_bytes = WeightPanelBytes(format, args.weight.k),
               group_bytes = GroupOf(format).bytes;
  const bool minimum = format.minimum != WeightMinimum::kNone;
  const int block_groups = kWordBlock / format.group;
  stream.ParallelFor(static_cast<int>(DivideUp(args.weight.n, kPanel)), [&](int unit, int thread) {
    const uint8_t* panel = static_cast<const uint8_t*>(args.weight.data) + unit * panel_bytes;
    constexpr size_t kWords = static_cast<size_t>(kWordBlock) * kPanel;
    const size_t metadata = static_cast<size_t>(block_groups) * kPanel;
    const int most = args.m < kRowChunk ? args.m : kRowChunk;
    const size_t sum_count = static_cast<size_t>(most) * kPanel;
    if (args.m <= kRowsFromCodes) {
      float* sums = static_cast<float*>(stream.Scratch(thread, sizeof(float) * sum_count));
      for (int r = 0; r < args.m; r += kTileRows)
        CodeAnyRows<kWidth>(args.m - r, format, panel, rows, r, sums + r * kPanel);
      return FinishPanel(args, 0, args.m, unit * kPanel, sums);
    }
    float* sums = static_cast<float*>(stream.Scratch(
        thread, sizeof(uint16_t) * kWords + sizeof(float) * (2 * metadata + sum_count)));
    WordBlock block;
    block.scales = sums + sum_count;
    block.minima = block.scales + metadata;
    block.pairs = reinterpret_cast<uint16_t*>(block.minima + metadata);
    block.slice = kWords / (kPanel / (16 * kWordCols));
    for (int first = 0; first < args.m; first += kRowChunk) {
      const int count = args.m - first < kRowChunk ? args.m - first : kRowChunk;
      for (int g = 0; g < rows.groups; g += block_groups) {
        const int groups = rows.groups - g < block_groups ? rows.groups - g : block_groups;
        UnpackWords<kWidth>(format, panel + g * group_bytes, groups, 0, block);
        for (int col = 0; col < kPanel; col += 16 * kWordCols)
          for (int r = 0; r < count; r += kWordRows)
            WordAnyRows(count - r, block, col, format.group, groups, minimum, rows, first + r, g,
                        g == 0, sums + r * kPanel);
      }
      FinishPanel(args, first, count, unit * kPanel, sums);
    }
  });
}

}  // namespace
}  // namespace qpkv
