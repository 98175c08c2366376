// Reference Unpack: value by value.
#include "reference/tile_cells.h"
#include "reference/tile_ops.h"

namespace qpkv {
namespace reference {

void Unpack(Stream&, const UnpackArgs& a) {
  const TensorFormat& format = *a.format;
  const PartLayout at = LayoutOf(a.tensor, format, a.part_tokens, a.dim, a.needs);
  for (int t = 0; t < a.tokens; ++t)
    for (int c = 0; c < a.dim; ++c)
      a.values[static_cast<size_t>(t) * a.dim + c] =
          ReadValue(a.part, at, a.tensor, format, a.dim, t, c);
  if (format.bits == 16) return;

  for (int i = 0; i < OutlierCount(a.part, at); ++i) {
    const Outlier outlier = ReadOutlier(a.part, at, format.metadata, i);
    if (outlier.token < a.tokens && outlier.channel < a.dim)
      a.values[static_cast<size_t>(outlier.token) * a.dim + outlier.channel] = outlier.value;
  }
  if (a.codes)
    for (int t = 0; t < a.tokens; ++t)
      for (int c = 0; c < a.dim; ++c)
        a.codes[static_cast<size_t>(t) * a.dim + c] =
            static_cast<uint8_t>(ReadCode(a.part, at, format.bits, CellOf(a.tensor, a.dim, t, c)));
  const int columns = format.scale_per == ScalePer::kChannel ? a.dim : a.part_tokens;
  for (int row = 0; row < at.scale_rows; ++row)
    for (int column = 0; column < columns; ++column) {
      const size_t from = static_cast<size_t>(row) * at.scale_stride + column;
      const size_t to = static_cast<size_t>(row) * columns + column;
      if (a.scales) a.scales[to] = LoadElement(format.metadata, a.part + at.scales, from);
      if (a.offsets) a.offsets[to] = ReadOffset(a.part, at, format, from);
    }
}

}  // namespace reference
}  // namespace qpkv
