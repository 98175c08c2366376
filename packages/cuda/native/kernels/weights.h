// Single values and panels of packed weights (core's ops/weight_layout.h).
#pragma once
#include "device/numbers.h"
#include "ops/dense_ops.h"
#include "ops/weight_layout.h"

namespace qpkv {
namespace cuda {

// Where panel `panel` of a weight begins.
QPKV_DEVICE uint8_t* PanelOf(const PackedWeight& w, int panel) {
  return static_cast<uint8_t*>(w.data) +
         static_cast<size_t>(panel) * WeightPanelBytes(w.format, w.k);
}

// Where exact feature k of a lane lies, in elements of its panel.
QPKV_DEVICE size_t ExactIndex(Element element, int lane, int k) {
  if (element == Element::kBf16) return (static_cast<size_t>(k / 2) * kPanel + lane) * 2 + k % 2;
  return static_cast<size_t>(k) * kPanel + lane;
}

QPKV_DEVICE float MinimumAt(const WeightFormat& format, const uint8_t* group, int lane) {
  if (format.minimum == WeightMinimum::kNone) return 0;
  return LoadElement(format.minimum == WeightMinimum::kF16 ? Element::kF16 : Element::kF32,
                     group + GroupOf(format).minima, static_cast<size_t>(lane));
}

QPKV_DEVICE int CodeAt(const WeightFormat& format, const uint8_t* group, int lane, int i) {
  const int byte = group[CodeByte(format, lane, i)];
  return CodeWidth(format) == 8 ? byte : IsHighNibble(format, i) ? byte >> 4 : byte & 15;
}

QPKV_DEVICE float WeightAt(const PackedWeight& w, int row, int column) {
  const uint8_t* panel = PanelOf(w, row / kPanel);
  const int lane = row % kPanel;
  if (IsExact(w.format))
    return LoadElement(w.format.element, panel, ExactIndex(w.format.element, lane, column));
  const uint8_t* group = panel + column / w.format.group * GroupOf(w.format).bytes;
  const float scale =
      LoadElement(w.format.scale, group + GroupOf(w.format).scales, static_cast<size_t>(lane));
  const int code = CodeAt(w.format, group, lane, column % w.format.group) - CodeZero(w.format);
  if (w.format.minimum == WeightMinimum::kNone) return static_cast<float>(code) * scale;
  return fmaf(static_cast<float>(code), scale, MinimumAt(w.format, group, lane));
}

}  // namespace cuda
}  // namespace qpkv
