// Unpack: the reader of parts. Values as the float32 kernels see them, and what is stored. One unit
// per item.
#pragma once
#include "base/stream.h"
#include "kernels/decode_attention_scratch.inl.h"
#include "kernels/tile_decode.inl.h"

namespace qpkv {
namespace {

// Floats of one decoded block.
QPKV_INLINE size_t UnpackFloats(int dim) { return RoundUp(dim, 16) / 2 * 32 + 16; }

static void UnpackValues(const TileView& v, const LevelTables* levels, float* floats,
                         float* values) {
  for (int block = 0; block * kLanes < v.tokens; ++block) {
    DecodeFloats(v, block, levels, floats);
    for (int t = 0; t < MinInt(v.tokens - block * kLanes, kLanes); ++t)
      for (int c = 0; c < v.dim; ++c) {
        const int key = c / 2 * 32 + c % 2 * 16 + t;
        const int value = (t / 2 * v.channel_blocks + c / kLanes) * 32 + t % 2 * 16 + c % kLanes;
        values[static_cast<size_t>(block * kLanes + t) * v.dim + c] =
            floats[v.tensor == Tensor::kKey ? key : value];
      }
  }
}

static void UnpackPart(const UnpackItem& item, int dim, BumpAllocator c) {
  const TileView v = ViewOf(item.shape, item.part, item.tokens, dim);
  LevelTables* levels = c.Take<LevelTables>(1);
  float* block = c.Take<float>(UnpackFloats(dim));
  const bool packed = v.format->bits != 16;
  if (packed && v.format->levels) MakeLevelTables(*v.format, levels);
  UnpackValues(v, packed && v.format->levels ? levels : nullptr, block, item.values);
  if (item.positions)
    std::memcpy(item.positions, v.data + v.at.positions, sizeof(int32_t) * item.tokens);
  if (!packed) return;
  if (item.codes)
    for (int t = 0; t < item.tokens; ++t)
      for (int channel = 0; channel < dim; ++channel)
        item.codes[static_cast<size_t>(t) * dim + channel] =
            static_cast<uint8_t>(CodeAt(v, t, channel));
  if (item.balance)
    for (int i = 0; i < (v.per_channel ? item.tokens : dim); ++i)
      item.balance[i] = v.balanced ? LoadBalance(v, static_cast<size_t>(i)) : 1.0f;
  const int columns = v.per_channel ? dim : item.shape.part_tokens;
  for (int row = 0; row < v.at.scale_rows; ++row)
    for (int column = 0; column < columns; ++column) {
      const size_t from = static_cast<size_t>(row) * v.at.scale_stride + column;
      const size_t to = static_cast<size_t>(row) * columns + column;
      if (item.scales) item.scales[to] = LoadScale(v, from);
      if (item.offsets) item.offsets[to] = LoadOffset(v, from);
    }
}

static void Unpack(Stream& stream, const UnpackArgs& a) {
  const size_t bytes = UnpackFloats(a.dim) * sizeof(float) + sizeof(LevelTables) + 128;
  stream.ParallelFor(a.count, [&](int i, int thread) {
    UnpackPart(a.items.get()[i], a.dim,
               BumpAllocator{static_cast<uint8_t*>(stream.Scratch(thread, bytes))});
  });
}

}  // namespace
}  // namespace qpkv
