// LoadFloats and Embed: stored elements and rows of packed weights as float32.
#pragma once
#include "kernels/read_element.inl.h"
#include "ops/weight_layout.h"

namespace qpkv {
namespace {

void LoadFloats(Stream&, const LoadFloatsArgs& args) {
  for (int i = 0; i < args.count; i += 16)
    StoreN(args.out + i, ReadElements(args.source.get(), args.element, i, args.count - i),
           args.count - i);
}

// Row `row` of a packed weight.
void UnpackRow(const PackedWeight& w, int row, float* out) {
  const uint8_t* panel = static_cast<const uint8_t*>(w.data) +
                         static_cast<size_t>(row / kPanel) * WeightPanelBytes(w.format, w.k);
  const int lane = row % kPanel;
  if (IsExact(w.format)) {
    const bool pairs = w.format.element == Element::kBf16;
    for (int i = 0; i < w.k; ++i)
      out[i] = ReadElement(panel, w.format.element,
                           pairs ? (static_cast<size_t>(i / 2) * kPanel + lane) * 2 + i % 2
                                 : static_cast<size_t>(i) * kPanel + lane);
    return;
  }
  const WeightGroup layout = GroupOf(w.format);
  const float zero = static_cast<float>(CodeZero(w.format));
  for (int i = 0; i < w.k; ++i) {
    const int j = i % w.format.group;
    if (i > 0 && j == 0) panel += layout.bytes;
    const int byte = panel[CodeByte(w.format, lane, j)];
    const int code = CodeWidth(w.format) == 8    ? byte
                     : IsHighNibble(w.format, j) ? byte >> 4
                                                 : byte & 15;
    out[i] = (static_cast<float>(code) - zero) *
             ReadElement(panel + layout.scales, w.format.scale, lane);
    if (w.format.minimum != WeightMinimum::kNone)
      out[i] += ReadElement(panel + layout.minima,
                            w.format.minimum == WeightMinimum::kF16 ? Element::kF16 : Element::kF32,
                            lane);
  }
}

void Embed(Stream& stream, const EmbedArgs& args) {
  stream.ParallelFor(args.rows, [&](int row, int) {
    UnpackRow(args.table, args.ids[row], args.out + static_cast<size_t>(row) * args.table.k);
  });
}

}  // namespace
}  // namespace qpkv
