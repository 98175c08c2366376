// Reference AppendTokens and EvictLowest, token by token.
#include <algorithm>
#include <vector>

#include "reference/tile_cells.h"
#include "reference/tile_ops.h"
#include "reference/transform.h"

namespace qpkv {
namespace reference {
namespace {

void AppendToken(const CacheItem& item, int h, int r, Tensor tensor, int dim) {
  const HeadView& head = item.heads[h];
  const bool key = tensor == Tensor::kKey;
  const Part* parts = key ? head.keys : head.values;
  const int token = head.tokens - item.rows + r;
  int i = 0;
  while (parts[i].first +
             TokensOf(parts, key ? head.key_parts : head.value_parts, i, head.tokens) <=
         token)
    ++i;
  const TensorFormat& format = (key ? item.key_formats : item.value_formats)[parts[i].segment];
  const PartShape shape = {tensor, OnHost(&format), key ? item.needs : PartNeeds{},
                           parts[i].part_tokens};
  const PartLayout at = LayoutOf(shape, dim);
  const int slot = token - parts[i].first;
  if (slot == 0) std::memset(parts[i].data, 0, at.bytes);
  const float* x = (key ? item.keys : item.values) + static_cast<size_t>(r) * item.kv_stride +
                   static_cast<size_t>(h / item.heads_per_source) * item.kv_head_stride;
  const Transform& transform = key ? item.key_transform : item.value_transform;
  const std::vector<float> stored =
      StoredRow(transform,
                transform.means ? transform.means + static_cast<size_t>(h) * dim : nullptr, x, dim);
  for (int c = 0; c < dim; ++c)
    WriteExact(parts[i].data, at, tensor, format, dim, slot, c, stored[static_cast<size_t>(c)]);
  const int32_t position = head.last_index - (item.rows - 1 - r);
  MarkSlots(shape, parts[i].data, at, slot, 1, &position, nullptr, true);
}

void EvictFrom(const CacheItem& item, int h) {
  const RunningScores& s = item.running;
  const HeadView& head = item.heads[h];
  float* scores = s.scores + static_cast<size_t>(h) * s.stride;
  int32_t* positions = s.positions + static_cast<size_t>(h) * s.stride;
  uint8_t* valid = s.valid + static_cast<size_t>(h) * s.stride;
  int32_t* evicted = s.evicted + static_cast<size_t>(h) * s.evicted_stride;
  std::fill(evicted, evicted + s.evicted_stride, -1);
  for (int t = 0; t < head.tokens; ++t) {
    const float more = s.factor * item.token_mass[static_cast<size_t>(h) * item.mass_stride + t];
    scores[t] += more;
  }
  for (int n = 0; n < s.evicted_stride; ++n) {
    std::vector<int> live;  // by position
    for (int t = 0; t < head.tokens; ++t)
      if (valid[t]) live.push_back(t);
    if (static_cast<int>(live.size()) <= s.capacity) return;
    std::sort(live.begin(), live.end(), [&](int a, int b) { return positions[a] < positions[b]; });
    int lowest = -1;
    for (size_t i = 0; i + static_cast<size_t>(s.protect_last) < live.size(); ++i)
      if (positions[live[i]] >= s.protect_first &&
          (lowest < 0 || scores[live[i]] <= scores[lowest]))
        lowest = live[i];
    if (lowest < 0) return;
    valid[lowest] = 0;
    evicted[n] = lowest;
  }
}

}  // namespace

void AppendTokens(Stream&, const AppendTokensArgs& a) {
  for (int i = 0; i < a.count; ++i)
    for (int h = 0; h < a.items[i].head_count; ++h)
      for (int r = 0; r < a.items[i].rows; ++r) {
        const CacheItem& item = a.items[i];
        for (Tensor tensor : {Tensor::kKey, Tensor::kValue}) AppendToken(item, h, r, tensor, a.dim);
        if (item.running.scores == nullptr) continue;
        const HeadView& head = item.heads[h];
        const size_t at =
            static_cast<size_t>(h) * item.running.stride + head.tokens - item.rows + r;
        item.running.scores[at] = 0;
        item.running.positions[at] = head.last_position - (item.rows - 1 - r);
        item.running.valid[at] = 1;
      }
}

void EvictLowest(Stream&, const EvictLowestArgs& a) {
  for (int i = 0; i < a.count; ++i)
    for (int h = 0; a.items[i].running.scores != nullptr && h < a.items[i].head_count; ++h)
      EvictFrom(a.items[i], h);
}

}  // namespace reference
}  // namespace qpkv
