// AppendTokens: new keys and values go exactly where the tables say that there is room. One unit
// per stored head and tensor.
#pragma once
#include "base/stream.h"
#include "kernels/tile_write.inl.h"
#include "kernels/transform.inl.h"

namespace qpkv {
namespace {

static void AppendHead(const CacheItem& item, int h, Tensor tensor, int dim) {
  const HeadView& head = item.heads[h];
  const bool key = tensor == Tensor::kKey;
  const Part* parts = key ? head.keys : head.values;
  const int count = key ? head.key_parts : head.value_parts;
  const float* source = (key ? item.keys : item.values) +
                        static_cast<size_t>(h / item.heads_per_source) * item.kv_head_stride;
  const Transform& transform = key ? item.key_transform : item.value_transform;
  const float* means = transform.means ? transform.means + static_cast<size_t>(h) * dim : nullptr;
  Rotation rotation;
  alignas(64) float stored[kMostChannels];
  if (transform.rotate) MakeRotation(dim, &rotation);
  const int begin = head.tokens - item.rows;
  int i = count - 1;
  while (i > 0 && parts[i].first > begin) --i;
  for (int r = 0; r < item.rows; ++i) {
    const Part& part = parts[i];
    const TensorFormat* format = (key ? item.key_formats : item.value_formats) + part.segment;
    const TileView v =
        ViewOf(tensor, part.data, format, 0, part.part_tokens, dim, key ? item.needs : PartNeeds{});
    const int end = part.first + TokensOf(parts, count, i, head.tokens);
    if (begin + r == part.first) std::memset(part.data, 0, v.at.bytes);
    for (; r < item.rows && begin + r < end; ++r) {
      const int slot = begin + r - part.first;
      const float* row = source + static_cast<size_t>(r) * item.kv_stride;
      if (!transform.none()) {
        TransformRow(transform, rotation, means, row, dim, stored);
        row = stored;
      }
      for (int c = 0; c < dim; ++c) StoreExact(v, part.data, slot, c, row[c]);
      if (!key) continue;
      if (item.needs.positions)
        StorePosition(v, part.data, slot, head.last_index - (item.rows - 1 - r));
      if (item.needs.mask) StoreValid(v, part.data, slot, true);
    }
  }
}

static void EnterScores(const CacheItem& item, int h) {
  const RunningScores& s = item.running;
  const HeadView& head = item.heads[h];
  for (int r = 0; r < item.rows; ++r) {
    const size_t i = static_cast<size_t>(h) * s.stride + head.tokens - item.rows + r;
    s.scores[i] = 0;
    s.positions[i] = head.last_position - (item.rows - 1 - r);
    s.valid[i] = 1;
  }
}

static void AppendTokens(Stream& stream, const AppendTokensArgs& a) {
  stream.ParallelFor(a.count * a.most_heads * 2, [&](int unit, int) {
    const CacheItem& item = a.items[unit / 2 / a.most_heads];
    const int h = unit / 2 % a.most_heads;
    if (h >= item.head_count) return;
    AppendHead(item, h, unit % 2 == 0 ? Tensor::kKey : Tensor::kValue, a.dim);
    if (unit % 2 == 0 && item.running.scores) EnterScores(item, h);
  });
}

}  // namespace
}  // namespace qpkv
