// PackWeight: [n, k] as stored in a file -> panels of 64 outputs, the layout of weight_layout.h.
#pragma once
#include "kernels/quantize_weight.inl.h"
#include "kernels/read_element.inl.h"
#include "ops/weight_layout.h"

namespace qpkv {
namespace {

size_t PackedWeightBytes(const WeightFormat& format, int n, int k) {
  return WeightBytes(format, n, k);
}

// One row into lane `lane` of a bf16 panel [k / 2][64][2]; `source` null packs zeros.
void PackRowPairs(const void* source, Element element, size_t start, int k, int lane,
                  uint16_t* panel) {
  for (int i = 0; i < k; i += 2, panel += 2 * kPanel) {
    panel[2 * lane] = source ? ReadAsBf16(source, element, start + i) : 0;
    panel[2 * lane + 1] = source && i + 1 < k ? ReadAsBf16(source, element, start + i + 1) : 0;
  }
}

// One row into lane `lane` of a panel [k][64] of `to`.
void PackRowSingles(const void* source, Element from, size_t start, int k, int lane, Element to,
                    void* panel) {
  const int padded = static_cast<int>(AlignUp(k, 2));
  for (int i = 0; i < padded; ++i) {
    const size_t at = static_cast<size_t>(i) * kPanel + lane;
    const bool zero = !source || i >= k;
    if (to == Element::kF32) {
      static_cast<float*>(panel)[at] = zero ? 0.0f : ReadElement(source, from, start + i);
    } else {
      uint16_t bits = 0;
      if (!zero)
        bits = from == Element::kF16 ? ReadBits16(source, start + i)
                                     : FloatToF16(ReadElement(source, from, start + i));
      static_cast<uint16_t*>(panel)[at] = bits;
    }
  }
}

// bf16 to bf16, the common case: pairs move as 32-bit words, 16 lines of the panel at a time so
// that they stay in L1.
void PackPanelBf16(const char* source, int k, int rows, int first_lane, uint16_t* panel) {
  constexpr int kBlock = 32;
  for (int i = 0; i < k; i += kBlock)
    for (int r = 0; r < rows; ++r) {
      const char* from = source + (static_cast<size_t>(r) * k + i) * sizeof(uint16_t);
      uint16_t* to = panel + static_cast<size_t>(i) * kPanel + 2 * (first_lane + r);
      const int end = k - i < kBlock ? k - i : kBlock;
      int j = 0;
      for (; j + 1 < end; j += 2, to += 2 * kPanel, from += 4) __builtin_memcpy(to, from, 4);
      if (j < end) {
        __builtin_memcpy(to, from, 2);
        to[1] = 0;
      }
    }
}

// Row `row` of the source, or zeros behind the last one, into lane `lane` of a panel.
void PackRow(const PackWeightArgs& args, int row, bool zero, int lane, uint8_t* panel) {
  const WeightFormat& format = args.out.format;
  const void* source = zero ? nullptr : args.source.get();
  const size_t start = static_cast<size_t>(row) * args.out.k;
  if (!IsExact(format)) {
    if (zero)
      PackZeroCodes(args.out, lane, panel);
    else if (args.codes)
      PackGivenCodes(args, row, lane, panel);
    else
      PackQuantized(args, row, lane, panel);
  } else if (format.element == Element::kBf16) {
    PackRowPairs(source, args.source_element, start, args.out.k, lane,
                 reinterpret_cast<uint16_t*>(panel));
  } else {
    PackRowSingles(source, args.source_element, start, args.out.k, lane, format.element, panel);
  }
}

void PackWeight(Stream& stream, const PackWeightArgs& args) {
  const PackedWeight& out = args.out;
  const int first = args.row_begin / kPanel;
  const int end = static_cast<int>(DivideUp(args.row_end, kPanel));
  const size_t panel_bytes = WeightPanelBytes(out.format, out.k);
  stream.ParallelFor(end - first, [&](int unit, int) {
    const int panel_row = (first + unit) * kPanel;
    uint8_t* panel =
        static_cast<uint8_t*>(out.data) + static_cast<size_t>(first + unit) * panel_bytes;
    const int begin = panel_row > args.row_begin ? panel_row : args.row_begin;
    const int stop = panel_row + kPanel < args.row_end ? panel_row + kPanel : args.row_end;
    // The source that fills the last row also writes the zeros behind it.
    const int zeros = args.row_end == out.n ? panel_row + kPanel : stop;
    int row = begin;
    if (out.format == ExactWeights(Element::kBf16) && args.source_element == Element::kBf16) {
      const size_t start = static_cast<size_t>(begin - args.row_begin) * out.k;
      PackPanelBf16(static_cast<const char*>(args.source.get()) + start * sizeof(uint16_t), out.k,
                    stop - begin, begin - panel_row, reinterpret_cast<uint16_t*>(panel));
      row = stop;
    }
    for (; row < zeros; ++row)
      PackRow(args, row - args.row_begin, row >= stop, row - panel_row, panel);
  });
}

}  // namespace
}  // namespace qpkv
