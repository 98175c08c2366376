// Unpack: the reader of parts. Values as the float32 kernels see them, and what is stored.
#pragma once
#include "base/stream.h"
#include "kernels/decode_attention_scratch.inl.h"
#include "kernels/tile_decode.inl.h"

namespace qpkv {
namespace {

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

static void Unpack(Stream& stream, const UnpackArgs& a) {
  const TileView v = ViewOf(a.tensor, a.part, a.format, a.tokens, a.part_tokens, a.dim, a.needs);
  const size_t floats = RoundUp(a.dim, 16) / 2 * 32 + 16;
  Carver c{
      static_cast<uint8_t*>(stream.Scratch(0, floats * sizeof(float) + sizeof(LevelTables) + 128))};
  LevelTables* levels = c.Take<LevelTables>(1);
  float* block = c.Take<float>(floats);
  const bool packed = a.format->bits != 16;
  if (packed && a.format->levels) MakeLevelTables(*a.format, levels);
  UnpackValues(v, packed && a.format->levels ? levels : nullptr, block, a.values);
  if (!packed) return;
  if (a.codes)
    for (int t = 0; t < a.tokens; ++t)
      for (int channel = 0; channel < a.dim; ++channel)
        a.codes[static_cast<size_t>(t) * a.dim + channel] =
            static_cast<uint8_t>(CodeAt(v, t, channel));
  const int columns = v.per_channel ? a.dim : a.part_tokens;
  for (int row = 0; row < v.at.scale_rows; ++row)
    for (int column = 0; column < columns; ++column) {
      const size_t from = static_cast<size_t>(row) * v.at.scale_stride + column;
      const size_t to = static_cast<size_t>(row) * columns + column;
      if (a.scales) a.scales[to] = LoadScale(v, from);
      if (a.offsets) a.offsets[to] = LoadOffset(v, from);
    }
}

}  // namespace
}  // namespace qpkv
