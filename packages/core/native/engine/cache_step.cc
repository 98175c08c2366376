// See cache_step.h.
#include "engine/cache_step.h"

#include <algorithm>

#include "engine/hash.h"

namespace qpkv {

CacheStep::CacheStep(Engine& engine, std::vector<CacheRows> caches)
    : engine_(engine), caches_(std::move(caches)) {
  if (caches_.empty()) return;
  layers_ = caches_[0].cache->layers();
  head_dim_ = caches_[0].cache->layer(0).shape().head_dim;
}

// Of the caches without trouble so far.
template <class Use>
void CacheStep::ForEach(const Use& use) {
  for (CacheRows& one : caches_) {
    if (one.error) continue;
    try {
      use(one);
    } catch (const Error& error) {
      one.error = error;
    }
  }
}

template <class Use>
void CacheStep::ForLayers(bool by_score, const Use& use) {
  ForEach([&](CacheRows& one) {
    const size_t first = Elements(&one - caches_.data(), layers_);
    for (int l = 0; l < layers_; ++l)
      if (one.cache->layer(l).by_score() == by_score)
        use(one.cache->layer(l), evicted_begin_[first + l]);
  });
}

void CacheStep::MakeRoom() {
  Requantizer requantizer;
  ForEach([&](CacheRows& one) {
    for (int l = 0; l < layers_ && one.appended > 0; ++l)
      one.cache->layer(l).MakeRoom(one.appended, &requantizer);
  });
  requantizer.Run(engine_, head_dim_);
  ForEach([&](CacheRows& one) {
    for (int l = 0; l < layers_ && one.appended > 0; ++l) one.cache->layer(l).Enter(one.appended);
  });
  evicted_begin_.assign(1, 0);
  for (const CacheRows& one : caches_)
    for (int l = 0; l < layers_; ++l)
      evicted_begin_.push_back(evicted_begin_.back() + one.cache->layer(l).evicted_count());
}

void CacheStep::Sync(int32_t* evicted, DeviceWrites* writes) {
  ScoreMoves moves;
  ForEach([&](CacheRows& one) {
    for (int l = 0; l < layers_; ++l) one.cache->layer(l).Sync(one.appended, writes, &moves);
  });
  moves.Run(engine_);
  for (const CacheRows& one : caches_) {
    if (one.error) continue;
    ++count_;
    most_rows_ = std::max(most_rows_, one.rows.rows);
    most_heads_ = std::max(most_heads_, one.cache->layer(0).shape().stored_heads());
    most_group_ = std::max(most_group_, one.cache->layer(0).shape().group());
  }
  ForEach([&](CacheRows& one) {
    for (int l = 0; l < layers_; ++l) keeps_queries_ |= one.cache->layer(l).keeps_queries();
  });
  by_score_.assign(static_cast<size_t>(layers_), false);
  if (count_ == 0) return;
  std::vector<CacheItem> items(Elements(layers_, count_));
  int column = 0;
  ForEach([&](CacheRows& one) {
    const size_t first = Elements(&one - caches_.data(), layers_);
    for (int l = 0; l < layers_; ++l) {
      const KvLayer& layer = one.cache->layer(l);
      items[l * count_ + column] = layer.Item(one.rows, evicted + evicted_begin_[first + l]);
      by_score_[l] = by_score_[l] || layer.by_score();
    }
    ++column;
  });
  const size_t bytes = items.size() * sizeof(CacheItem);
  void* device = engine_.Bytes(Slot::kCacheItems, bytes);
  writes->Add(device, items.data(), bytes);
  items_ = static_cast<const CacheItem*>(device);
}

const CacheItem* CacheStep::ItemsOf(int layer) const { return items_ + Elements(layer, count_); }

void CacheStep::Append(int layer) const {
  if (count_ > 0)
    engine_.ops.AppendTokens(engine_.stream,
                             {ItemsOf(layer), count_, head_dim_, most_heads_, most_rows_});
}

void CacheStep::Attend(int layer, Precision precision, float logit_scale) const {
  if (count_ == 0) return;
  DecodeAttentionArgs args{};
  args.items = ItemsOf(layer);
  args.count = count_;
  args.dim = head_dim_;
  args.most_heads = most_heads_;
  args.most_rows = most_rows_;
  args.scale = logit_scale;
  args.precision = precision;
  args.cap = caches_[0].cache->layer(layer).shape().cap;
  args.most_group = most_group_;
  engine_.ops.DecodeAttention(engine_.stream, args);
}

void CacheStep::Evict(int layer) const {
  if (count_ > 0 && by_score_[layer])
    engine_.ops.EvictLowest(engine_.stream, {ItemsOf(layer), count_, most_heads_});
}

void CacheStep::KeepQueries(int layer, float logit_scale) {
  if (!keeps_queries_) return;
  ForEach([&](CacheRows& one) {
    if (one.cache->layer(layer).keeps_queries())
      one.cache->layer(layer).KeepQueries(one.rows, logit_scale);
  });
}

uint64_t CacheStep::Key() const {
  uint64_t key = HashOf({static_cast<uint64_t>(count_), static_cast<uint64_t>(most_heads_),
                         static_cast<uint64_t>(most_rows_), static_cast<uint64_t>(most_group_),
                         reinterpret_cast<uintptr_t>(items_)});
  for (bool by_score : by_score_) key = HashOf({key, static_cast<uint64_t>(by_score)});
  return key;
}

void CacheStep::MarkTokens(const std::vector<MarkItem>& marks) {
  if (!marks.empty())
    engine_.ops.MarkTokens(engine_.stream, {OnHost<const MarkItem>(marks.data()),
                                            static_cast<int>(marks.size()), head_dim_});
}

void CacheStep::FinishEviction(const int32_t* evicted) {
  const bool by_score = evicted != nullptr;
  std::vector<MarkItem> marks;
  ForLayers(by_score, [&](KvLayer& layer, size_t at) {
    layer.TakeOut(by_score ? evicted + at : nullptr, &marks);
  });
  MarkTokens(marks);
  Requantizer requantizer;
  ForLayers(by_score, [&](KvLayer& layer, size_t) { layer.PackSurvivors(&requantizer); });
  requantizer.Run(engine_, head_dim_);
  for (bool more = true; more;) {
    more = false;
    ForLayers(by_score, [&](KvLayer& layer, size_t) { more |= layer.CodeOldTokens(&requantizer); });
    requantizer.Run(engine_, head_dim_);
  }
}

}  // namespace qpkv
