// Reference Unpack and CheckParts: value by value.
#include <vector>

#include "reference/tile_cells.h"
#include "reference/tile_ops.h"

namespace qpkv {
namespace reference {
namespace {

void UnpackOne(const UnpackItem& item, int dim) {
  const TensorFormat& format = *item.shape.format.get();
  const PartLayout at = LayoutOf(item.shape, dim);
  for (int t = 0; t < item.tokens; ++t)
    for (int c = 0; c < dim; ++c)
      item.values[static_cast<size_t>(t) * dim + c] =
          ReadValue(item.part, at, item.shape.tensor, format, dim, t, c);
  if (item.positions)
    std::memcpy(item.positions, item.part + at.positions, sizeof(int32_t) * item.tokens);
  if (format.bits == 16) return;

  for (int i = 0; i < OutlierCount(item.part, at); ++i) {
    const Outlier outlier = ReadOutlier(item.part, at, format.metadata, i);
    if (outlier.token < item.tokens && outlier.channel < dim)
      item.values[static_cast<size_t>(outlier.token) * dim + outlier.channel] = outlier.value;
  }
  if (item.codes)
    for (int t = 0; t < item.tokens; ++t)
      for (int c = 0; c < dim; ++c)
        item.codes[static_cast<size_t>(t) * dim + c] = static_cast<uint8_t>(
            ReadCode(item.part, at, format.bits, CellOf(item.shape.tensor, dim, t, c)));
  const int balanced = format.scale_per == ScalePer::kChannel ? item.tokens : dim;
  for (int i = 0; item.balance && i < balanced; ++i)
    item.balance[i] =
        format.balance_steps > 0
            ? LoadElement(format.metadata, item.part + at.balance, static_cast<size_t>(i))
            : 1.0f;
  const int columns = format.scale_per == ScalePer::kChannel ? dim : item.shape.part_tokens;
  for (int row = 0; row < at.scale_rows; ++row)
    for (int column = 0; column < columns; ++column) {
      const size_t from = static_cast<size_t>(row) * at.scale_stride + column;
      const size_t to = static_cast<size_t>(row) * columns + column;
      if (item.scales) item.scales[to] = ReadScale(item.part, at, format, from);
      if (item.offsets) item.offsets[to] = ReadOffset(item.part, at, format, from);
    }
}

bool IsSound(Stream& stream, const CheckItem& item, int dim) {
  const TensorFormat& format = *item.shape.format.get();
  const PartLayout at = LayoutOf(item.shape, dim);
  const bool key = item.shape.tensor == Tensor::kKey;
  uint32_t outliers = 0;
  if (format.bits != 16 && at.outlier_capacity > 0)
    std::memcpy(&outliers, item.part + at.outliers, 4);
  if (outliers > static_cast<uint32_t>(at.outlier_capacity)) return false;
  for (int i = 0, last = -1; i < static_cast<int>(outliers); ++i) {
    const Outlier outlier = ReadOutlier(item.part, at, format.metadata, i);
    const int cell = outlier.token * dim + outlier.channel;
    if (outlier.token >= item.tokens || outlier.channel >= dim || cell <= last) return false;
    last = cell;
  }
  if (format.bits != 16 && format.zero == ZeroPoint::kInScale)
    for (int i = 0; i < at.scale_rows * at.scale_stride; ++i)
      if (ScaleWord(item.part, at, static_cast<size_t>(i)) % 16 >= 1u << format.bits) return false;
  if (format.bits != 16 && format.zero == ZeroPoint::kInteger)
    for (int i = 0; i < at.scale_rows * at.scale_stride; ++i)
      if (item.part[at.offsets + i] >= 1 << format.bits) return false;
  for (int t = 0; key && item.shape.needs.positions && t < item.tokens; ++t) {
    int32_t position;
    std::memcpy(&position, item.part + at.positions + static_cast<size_t>(t) * 4, 4);
    if (position < 0) return false;
  }
  for (int t = item.tokens; key && item.shape.needs.mask && t < kTileTokens; ++t)
    if (IsValid(item.part, at, item.shape.needs, Tensor::kKey, t)) return false;
  std::vector<float> values(static_cast<size_t>(item.tokens) * dim);
  UnpackItem read{};
  read.shape = item.shape;
  read.part = item.part;
  read.tokens = item.tokens;
  read.values = values.data();
  Unpack(stream, {OnHost<const UnpackItem>(&read), 1, dim});
  for (float value : values)
    if (!std::isfinite(value)) return false;
  return true;
}

}  // namespace

void Unpack(Stream&, const UnpackArgs& args) {
  for (int i = 0; i < args.count; ++i) UnpackOne(args.items.get()[i], args.dim);
}

void CheckParts(Stream& stream, const CheckPartsArgs& args) {
  *args.first_bad.get() = -1;
  for (int i = args.count - 1; i >= 0; --i)
    if (!IsSound(stream, args.items.get()[i], args.dim)) *args.first_bad.get() = i;
}

}  // namespace reference
}  // namespace qpkv
