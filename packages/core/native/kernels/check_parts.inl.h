// CheckParts: whether bytes from outside may be read as parts. One unit per item.
#pragma once
#include "base/stream.h"
#include "kernels/unpack.inl.h"

namespace qpkv {
namespace {

static bool OutliersInOrder(const TileView& v) {
  if (v.format->bits == 16 || v.at.outlier_capacity == 0) return true;
  uint32_t count;
  std::memcpy(&count, v.data + v.at.outliers, 4);
  if (count > static_cast<uint32_t>(v.at.outlier_capacity)) return false;
  int last = -1;
  for (int i = 0; i < static_cast<int>(count); ++i) {
    const OutlierValue o = OutlierAt(v, i);
    const int cell = o.token * v.dim + o.channel;
    if (o.token >= v.tokens || o.channel >= v.dim || cell <= last) return false;
    last = cell;
  }
  return true;
}

static bool ZeroPointsAreCodes(const TileView& v) {
  if (v.format->bits == 16 || !v.integer_zero) return true;
  const int top = (1 << v.format->bits) - 1;
  if (v.format->zero == ZeroPoint::kInScale) {
    for (int i = 0; i < v.at.scale_rows * v.at.scale_stride; ++i)
      if (LoadOffset(v, static_cast<size_t>(i)) > static_cast<float>(top)) return false;
    return true;
  }
  for (int i = 0; i < v.at.scale_rows * v.at.scale_stride; ++i)
    if (v.data[v.at.offsets + i] > top) return false;
  return true;
}

static bool MarksFit(const TileView& v, PartNeeds needs) {
  if (v.tensor != Tensor::kKey) return true;
  for (int t = 0; needs.positions && t < v.tokens; ++t) {
    int32_t position;
    std::memcpy(&position, v.data + v.at.positions + static_cast<size_t>(t) * 4, 4);
    if (position < 0) return false;
  }
  for (int t = v.tokens; needs.mask && t < kTileTokens; ++t)
    if ((v.data[v.at.mask + t / 8] >> (t % 8)) & 1) return false;
  return true;
}

static bool PartIsSound(const CheckItem& item, int dim, BumpAllocator c) {
  const TileView v = ViewOf(item.shape, item.part, item.tokens, dim);
  if (!OutliersInOrder(v) || !ZeroPointsAreCodes(v) || !MarksFit(v, item.shape.needs)) return false;
  LevelTables* levels = c.Take<LevelTables>(1);
  float* block = c.Take<float>(UnpackFloats(dim));
  float* values = c.Take<float>(static_cast<size_t>(item.tokens) * dim);
  const bool book = v.format->bits != 16 && v.format->levels;
  if (book) MakeLevelTables(*v.format, levels);
  UnpackValues(v, book ? levels : nullptr, block, values);
  for (int i = 0; i < item.tokens * dim; ++i)
    if (!(__builtin_fabsf(values[i]) <= 3.402823466e38f)) return false;
  return true;
}

static void CheckParts(Stream& stream, const CheckPartsArgs& a) {
  uint8_t* sound = static_cast<uint8_t*>(stream.SharedScratch(a.count + 1));
  const size_t bytes =
      (UnpackFloats(a.dim) + static_cast<size_t>(kTileTokens) * a.dim) * sizeof(float) +
      sizeof(LevelTables) + 192;
  stream.ParallelFor(a.count, [&](int i, int thread) {
    sound[i] = PartIsSound(a.items.get()[i], a.dim,
                           BumpAllocator{static_cast<uint8_t*>(stream.Scratch(thread, bytes))});
  });
  *a.first_bad.get() = -1;
  for (int i = a.count - 1; i >= 0; --i)
    if (!sound[i]) *a.first_bad.get() = i;
}

}  // namespace
}  // namespace qpkv
