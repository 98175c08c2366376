// Products of coded weights with activations as bytes: per group exact sums in int32, which the
// scales of weights and activations turn into float32, in the order of words.
#pragma once
#include "kernels/byte_rows.inl.h"
#include "kernels/matmul_words.inl.h"

namespace qpkv {
namespace {

// 16 lanes of a quad of codes as quads of bytes in the order of features.
template <int kWidth>
struct ByteQuads {
  U16x32 quad[8 / kWidth];
};
template <int kWidth>
QPKV_INLINE ByteQuads<kWidth> LoadByteQuads(const uint8_t* quad) {
  const U16x32 x = LoadU16(reinterpret_cast<const uint16_t*>(quad));
  if constexpr (kWidth == 8) {
    return {{x}};
  } else {
    const U16x32 low = SetU16(0x0f0f);
    return {{AndU16(x, low), AndU16(ShiftRightU16(x, 4), low)}};
  }
}

// kRows rows from `row` on times a panel straight from the codes, kCols vectors of columns at a
// time. sums: [kRows][64].
template <int kWidth, int kRows, int kCols>
void ByteCodeTile(const WeightFormat& format, const uint8_t* panel, const ByteRows& rows, int row,
                  float* sums) {
  constexpr int kQuads = 8 / kWidth;
  const WeightGroup layout = GroupOf(format);
  const int steps = format.group / (4 * kQuads);
  const bool minimum = format.minimum != WeightMinimum::kNone;
  const uint32_t* x = rows.quads + row * rows.quad_stride;
  const size_t cell = static_cast<size_t>(row) * rows.groups;
  for (int g = 0; g < rows.groups; ++g, panel += layout.bytes, x += format.group / 4) {
    const int32_t* starts = rows.starts + cell + g;
    for (int col = 0; col < kPanel; col += 16 * kCols) {
      ByteSums dots[kRows][kCols];
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
        for (int c = 0; c < kCols; ++c)
          dots[r][c] = BeginByteDots(starts + static_cast<size_t>(r) * rows.groups);
      const uint8_t* at = panel + col * 4;
      for (int step = 0; step < steps; ++step, at += kPanel * 4)
#pragma GCC unroll 8
        for (int c = 0; c < kCols; ++c) {
          PrefetchL1(at + 64 * c + kAhead);
          const ByteQuads<kWidth> codes = LoadByteQuads<kWidth>(at + 64 * c);
#pragma GCC unroll 8
          for (int i = 0; i < kQuads; ++i)
#pragma GCC unroll 8
            for (int r = 0; r < kRows; ++r)
              dots[r][c] = DotBytes(dots[r][c], codes.quad[i],
                                    SetWordPair(x + r * rows.quad_stride + step * kQuads + i));
        }
#pragma GCC unroll 8
      for (int c = 0; c < kCols; ++c) {
        const F32x16 scales = GroupScales(format, panel, col + 16 * c);
#pragma GCC unroll 8
        for (int r = 0; r < kRows; ++r) {
          float* sum = sums + r * kPanel + col + 16 * c;
          const size_t at_cell = cell + static_cast<size_t>(r) * rows.groups + g;
          F32x16 total =
              AddGroup(g == 0 ? Zero() : Load(sum),
                       EndByteDots(dots[r][c], starts + static_cast<size_t>(r) * rows.groups),
                       scales, rows.scales[at_cell]);
          if (minimum)
            total = AddMinimum(total, GroupMinima(format, panel, col + 16 * c),
                               rows.scales[at_cell], rows.sums[at_cell]);
          Store(sum, total);
        }
      }
    }
  }
}

template <int kWidth, int kRows = kTileRows>
void ByteCodeAnyRows(int count, const WeightFormat& format, const uint8_t* panel,
                     const ByteRows& rows, int row, float* sums) {
  if constexpr (kRows > 1) {
    if (count < kRows)
      return ByteCodeAnyRows<kWidth, kRows - 1>(count, format, panel, rows, row, sums);
  }
  // One row: reading is all that counts, and the whole panel is read in one pass.
  ByteCodeTile<kWidth, kRows, kRows == 1 ? kPanel / 16 : kTileCols>(format, panel, rows, row, sums);
}

// Groups as bytes: quads[slice][step][16 * kWordCols]; scales and minima [groups][64].
struct ByteBlock {
  uint32_t* quads;
  float *scales, *minima;
  size_t slice;  // quads between slices
};

template <int kWidth>
void UnpackBytes(const WeightFormat& format, const uint8_t* panel, int groups,
                 const ByteBlock& out) {
  constexpr int kQuads = 8 / kWidth;
  for (int g = 0; g < groups; ++g, panel += GroupOf(format).bytes) {
    for (int lane = 0; lane < kPanel; lane += 16) {
      Store(out.scales + g * kPanel + lane, GroupScales(format, panel, lane));
      if (format.minimum != WeightMinimum::kNone)
        Store(out.minima + g * kPanel + lane, GroupMinima(format, panel, lane));
      uint32_t* to = out.quads + lane / (16 * kWordCols) * out.slice +
                     static_cast<size_t>(g) * (format.group / 4) * 16 * kWordCols +
                     lane % (16 * kWordCols);
      for (int step = 0; step < format.group / (4 * kQuads); ++step) {
        const ByteQuads<kWidth> x =
            LoadByteQuads<kWidth>(panel + (static_cast<size_t>(step) * kPanel + lane) * 4);
#pragma GCC unroll 2
        for (int i = 0; i < kQuads; ++i, to += 16 * kWordCols)
          StoreU16(reinterpret_cast<uint16_t*>(to), x.quad[i]);
      }
    }
  }
}

// A register tile: kRows rows from `row` on times kWordCols vectors of columns from `col` on, over
// the groups of an unpacked block. sums: [kRows][64]; they stay in registers where those suffice.
template <int kRows>
void ByteTile(const ByteBlock& block, int col, const WeightFormat& format, int groups,
              const ByteRows& rows, int row, int first_group, bool fresh, float* sums) {
  const bool minimum = format.minimum != WeightMinimum::kNone;
  const int steps = format.group / 4;
  const uint32_t* w = block.quads + col / (16 * kWordCols) * block.slice;
  const uint32_t* x =
      rows.quads + row * rows.quad_stride + static_cast<size_t>(first_group) * steps;
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
    const int32_t* starts = rows.starts + cell + g;
    ByteSums dots[kRows][kWordCols];
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 8
      for (int c = 0; c < kWordCols; ++c)
        dots[r][c] = BeginByteDots(starts + static_cast<size_t>(r) * rows.groups);
#pragma GCC unroll 4
    for (int s = 0; s < steps; ++s, ++x, w += 16 * kWordCols) {
      U16x32 codes[kWordCols];
#pragma GCC unroll 8
      for (int c = 0; c < kWordCols; ++c)
        codes[c] = LoadU16(reinterpret_cast<const uint16_t*>(w + 16 * c));
#pragma GCC unroll 16
      for (int r = 0; r < kRows; ++r) {
        const U16x32 factor = SetWordPair(x + r * rows.quad_stride);
#pragma GCC unroll 8
        for (int c = 0; c < kWordCols; ++c) dots[r][c] = DotBytes(dots[r][c], codes[c], factor);
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
        total =
            AddGroup(total, EndByteDots(dots[r][c], starts + static_cast<size_t>(r) * rows.groups),
                     scales, rows.scales[at]);
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
void ByteAnyRows(int count, const ByteBlock& block, int col, const WeightFormat& format, int groups,
                 const ByteRows& rows, int row, int first_group, bool fresh, float* sums) {
  if constexpr (kRows > 1) {
    if (count < kRows)
      return ByteAnyRows<kRows - 1>(count, block, col, format, groups, rows, row, first_group,
                                    fresh, sums);
  }
  ByteTile<kRows>(block, col, format, groups, rows, row, first_group, fresh, sums);
}

template <int kWidth>
void MultiplyBytes(Stream& stream, const MatmulArgs& args) {
  const WeightFormat format = args.weight.format;
  const ByteRows rows =
      PackByteRows(stream, args.x, args.m, args.weight.k, format.group, CodeZero(format));
  const size_t panel_bytes = WeightPanelBytes(format, args.weight.k),
               group_bytes = GroupOf(format).bytes;
  const int block_groups = kWordBlock / format.group;
  stream.ParallelFor(static_cast<int>(DivideUp(args.weight.n, kPanel)), [&](int unit, int thread) {
    const uint8_t* panel = static_cast<const uint8_t*>(args.weight.data) + unit * panel_bytes;
    constexpr size_t kQuads = static_cast<size_t>(kWordBlock) / 4 * kPanel;
    const size_t metadata = static_cast<size_t>(block_groups) * kPanel;
    const int most = args.m < kRowChunk ? args.m : kRowChunk;
    const size_t sum_count = static_cast<size_t>(most) * kPanel;
    if (args.m <= kRowsFromCodes) {
      float* sums = static_cast<float*>(stream.Scratch(thread, sizeof(float) * sum_count));
      for (int r = 0; r < args.m; r += kTileRows)
        ByteCodeAnyRows<kWidth>(args.m - r, format, panel, rows, r, sums + r * kPanel);
      return FinishPanel(args, 0, args.m, unit * kPanel, sums);
    }
    float* sums = static_cast<float*>(stream.Scratch(
        thread, sizeof(uint32_t) * kQuads + sizeof(float) * (2 * metadata + sum_count)));
    ByteBlock block;
    block.scales = sums + sum_count;
    block.minima = block.scales + metadata;
    block.quads = reinterpret_cast<uint32_t*>(block.minima + metadata);
    block.slice = kQuads / (kPanel / (16 * kWordCols));
    for (int first = 0; first < args.m; first += kRowChunk) {
      const int count = args.m - first < kRowChunk ? args.m - first : kRowChunk;
      for (int g = 0; g < rows.groups; g += block_groups) {
        const int groups = rows.groups - g < block_groups ? rows.groups - g : block_groups;
        UnpackBytes<kWidth>(format, panel + g * group_bytes, groups, block);
        for (int col = 0; col < kPanel; col += 16 * kWordCols)
          for (int r = 0; r < count; r += kWordRows)
            ByteAnyRows(count - r, block, col, format, groups, rows, first + r, g, g == 0,
                        sums + r * kPanel);
      }
      FinishPanel(args, first, count, unit * kPanel, sums);
    }
  });
}

}  // namespace
}  // namespace qpkv
