// See kv_cache.h.
#include "engine/kv_cache.h"

namespace qpkv {

KvCache::KvCache(std::vector<std::unique_ptr<KvLayer>> layers) : layers_(std::move(layers)) {}

KvCache::KvCache(const KvCache& other) {
  for (const auto& layer : other.layers_) layers_.push_back(std::make_unique<KvLayer>(*layer));
}

PartBytes KvCache::Bytes() const {
  PartBytes sum;
  for (const auto& layer : layers_) {
    const PartBytes part = layer->Bytes();
    sum.planned += part.planned;
    sum.grown += part.grown;
    sum.tails += part.tails;
  }
  return sum;
}

void KvCache::Begin(Engine& engine, int appended, const StepRows& rows) {
  rows_ = rows;
  DeviceWrites writes;
  victim_begin_.assign(1, 0);
  for (const auto& layer : layers_) {
    if (appended > 0) layer->MakeRoom(appended);
    layer->Sync(appended, &writes);
    victim_begin_.push_back(victim_begin_.back() +
                            static_cast<size_t>(layer->victim_stride()) *
                                static_cast<size_t>(layer->shape().stored_heads()));
  }
  auto* items =
      static_cast<CacheItem*>(items_.Ensure(engine.device, layers_.size() * sizeof(CacheItem)));
  auto* victims = static_cast<int32_t*>(
      victims_.Ensure(engine.device, (victim_begin_.back() + 1) * sizeof(int32_t)));
  for (size_t l = 0; l < layers_.size(); ++l)
    writes.Add(items + l, layers_[l]->Item(rows, victims + victim_begin_[l]));
  writes.Run(engine);
}

void KvCache::Append(Engine& engine, int layer) const {
  const LayerShape& shape = this->layer(layer).shape();
  engine.ops.AppendTokens(engine.stream, {static_cast<const CacheItem*>(items_.data()) + layer, 1,
                                          shape.head_dim, shape.stored_heads(), rows_.rows});
}

void KvCache::Attend(Engine& engine, int layer, Precision precision, float logit_scale) const {
  const KvLayer& of = this->layer(layer);
  DecodeAttentionArgs args{};
  args.items = static_cast<const CacheItem*>(items_.data()) + layer;
  args.count = 1;
  args.dim = of.shape().head_dim;
  args.most_heads = of.shape().stored_heads();
  args.most_rows = rows_.rows;
  args.scale = logit_scale;
  args.inv_freq = of.rope().inv_freq;
  args.rope_scale = of.rope().scale;
  args.precision = precision;
  args.turned = of.rope().turned;
  args.cap = of.shape().cap;
  engine.ops.DecodeAttention(engine.stream, args);
}

void KvCache::Evict(Engine& engine, int layer) const {
  const KvLayer& of = this->layer(layer);
  if (of.by_score())
    engine.ops.EvictLowest(engine.stream, {static_cast<const CacheItem*>(items_.data()) + layer, 1,
                                           of.shape().stored_heads()});
}

void KvCache::End(Engine& engine) {
  std::vector<int32_t> victims(victim_begin_.back());
  if (!victims.empty())
    engine.Download(victims.data(), victims_.data(), victims.size() * sizeof(int32_t));
  for (size_t l = 0; l < layers_.size(); ++l)
    layers_[l]->Settle(victim_begin_[l + 1] > victim_begin_[l] ? victims.data() + victim_begin_[l]
                                                               : nullptr);
}

}  // namespace qpkv
