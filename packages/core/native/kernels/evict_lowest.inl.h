// EvictLowest: running scores, and who leaves by them. One unit per stored head.
#pragma once
#include "base/stream.h"
#include "kernels/tile_view.inl.h"

namespace qpkv {
namespace {

static void AddMass(const CacheItem& item, int h) {
  const RunningScores& s = item.running;
  const HeadView& head = item.heads[h];
  const size_t row = static_cast<size_t>(h) * s.stride;
  const float* mass = item.token_mass + static_cast<size_t>(h) * item.mass_stride;
  for (int t = 0; t < head.tokens; t += 16) {
    const int n = MinInt(head.tokens - t, 16);
    const F32x16 more = Mul(LoadN(mass + t, n), Set(s.factor));
    StoreN(s.scores + row + t, Add(LoadN(s.scores + row + t, n), more), n);
  }
}

static void EvictHead(const CacheItem& item, int h) {
  const RunningScores& s = item.running;
  const int tokens = item.heads[h].tokens;
  const size_t row = static_cast<size_t>(h) * s.stride;
  const float* scores = s.scores + row;
  const int32_t* positions = s.positions + row;
  uint8_t* valid = s.valid + row;
  int32_t* evicted = s.evicted + static_cast<size_t>(h) * s.evicted_stride;
  for (int i = 0; i < s.evicted_stride; ++i) evicted[i] = -1;
  int live = 0;
  for (int t = 0; t < tokens; ++t) live += valid[t];
  if (live <= s.capacity) return;
  // The newest protect_last stay: everything from position `end` on.
  int32_t end = 0x7fffffff;
  for (int i = 0; i < s.protect_last; ++i) {
    int32_t newest = -1;
    for (int t = 0; t < tokens; ++t)
      if (valid[t] && positions[t] < end && positions[t] > newest) newest = positions[t];
    if (newest < 0) return;
    end = newest;
  }
  for (int n = 0; live > s.capacity && n < s.evicted_stride; ++n, --live) {
    int lowest = -1;
    for (int t = 0; t < tokens; ++t) {
      if (!valid[t] || positions[t] < s.protect_first || positions[t] >= end) continue;
      if (lowest < 0 || scores[t] < scores[lowest] ||
          (scores[t] == scores[lowest] && positions[t] > positions[lowest]))
        lowest = t;
    }
    if (lowest < 0) return;
    valid[lowest] = 0;
    evicted[n] = lowest;
  }
}

static void EvictLowest(Stream& stream, const EvictLowestArgs& a) {
  stream.ParallelFor(a.count * a.most_heads, [&](int unit, int) {
    const CacheItem& item = a.items[unit / a.most_heads];
    const int h = unit % a.most_heads;
    if (h >= item.head_count || item.running.scores == nullptr) return;
    AddMass(item, h);
    EvictHead(item, h);
  });
}

}  // namespace
}  // namespace qpkv
