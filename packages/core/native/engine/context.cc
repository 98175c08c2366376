// See context.h.
#include "engine/context.h"

#include <algorithm>

#include "engine/feed.h"

namespace qpkv {

Context::Context(std::shared_ptr<Model> model, std::vector<std::unique_ptr<KvLayer>> layers,
                 std::shared_ptr<Buffer> logits, std::vector<int32_t> ids)
    : model_(std::move(model)),
      cache_(std::move(layers)),
      logits_(std::move(logits)),
      ids_(std::move(ids)),
      tokens_(static_cast<int>(ids_.size())),
      growth_(model_->memory, tokens_) {
  Publish();
}

Context::Context(const Context& other) : Context(other, other.tokens()) {}

Context::Context(const Context& other, int tokens)
    : Sequence(other),
      random(other.random),
      model_(other.model_),
      cache_(other.cache_),
      logits_(other.logits_),
      ids_(other.ids_.begin(), other.ids_.begin() + tokens),
      tokens_(tokens),
      growth_(model_->memory, tokens) {
  for (int l = 0; l < cache_.layers() && tokens < other.tokens(); ++l) {
    if (!cache_.layer(l).KeepsAll())
      throw Error("KV_UNSUPPORTED",
                  "Only a cache that holds every token exactly can be cut after a token.");
    cache_.layer(l).KeepFirst(tokens);
  }
  Publish();
  growth_.BeginFork(other.growth_, tokens, other.CopiedByFork());
}

// Parts are shared until one writes: where tokens leave that may be all of them, else the last one
// of each head.
size_t Context::CopiedByFork() const {
  size_t bytes = 0;
  for (int l = 0; l < cache_.layers(); ++l) {
    const KvLayer& layer = cache_.layer(l);
    const LayerShape& shape = layer.shape();
    const PartBytes held = layer.Bytes();
    const size_t all = static_cast<size_t>(static_cast<long long>(held.planned) + held.grown);
    const size_t last = size_t{2} * kTileTokens * sizeof(float) *
                        static_cast<size_t>(shape.stored_heads() * shape.head_dim);
    bytes += Evicts(layer.plan()) ? all : std::min(all, last);
  }
  return bytes;
}

Work Context::Prepare(const int32_t* ids, int rows, float* all_logits, bool logits,
                      const Sampling* sampling) {
  if (broken()) throw Error("KV_NUMERIC", "An earlier step of this context failed; prefill again.");
  Work work;
  work.sequence = this;
  work.to = rows > 0 ? model_->description.layers : 0;
  work.first = tokens_;
  work.rows = rows;
  work.ids = ids;
  work.all_logits = all_logits;
  if (rows > 0 && logits) OwnLogits();
  if (rows == 0 || logits) work.last_logits = logits_->floats();
  work.sampling = sampling;
  if (sampling != nullptr && sampling->temperature > 0) work.uniform = random.Uniform();
  return work;
}

SampledToken Context::Took(const Work& work, const Outcome& outcome) {
  if (outcome.error) throw *outcome.error;
  if (work.rows > 0) {
    ids_.insert(ids_.end(), work.ids, work.ids + work.rows);
    tokens_ += work.rows;
    Publish();
  }
  return outcome.sampled;
}

std::optional<SampledToken> Context::Append(const int32_t* ids, int count, float* all_logits,
                                            const Sampling* sampling) {
  Feed feed(*this, ids, count, sampling);
  feed.KeepLogits(all_logits);
  while (!feed.done()) {
    EngineLock lock(*model_->engine);
    feed.Took(Step(*model_, {feed.Next()}).front());
  }
  return feed.chosen();
}

SampledToken Context::Sample(const Sampling& sampling) {
  return *Append(nullptr, 0, nullptr, &sampling);
}

std::vector<float> Context::Logits() {
  EngineLock lock(*model_->engine);
  return DownloadFloats(*model_->engine, *logits_);
}

// Logits that a fork shares are left to it.
void Context::OwnLogits() {
  if (logits_.use_count() == 1) return;
  logits_ =
      std::make_shared<Buffer>(model_->engine->device, sizeof(float) * model_->description.vocab);
}

void Context::CountTokens() {
  if (counts_.data() != nullptr) return;
  std::vector<int32_t> counts(static_cast<size_t>(model_->description.vocab));
  for (int32_t id : ids_) ++counts[id];
  Buffer made(model_->engine->device, counts.size() * sizeof(int32_t));
  model_->engine->Upload(made.data(), counts.data(), made.bytes());
  counts_ = std::move(made);
}

int Context::RopePosition(int layer, int first) const {
  const KvLayer& cache = cache_.layer(layer);
  return CachePositions(cache.plan()) ? cache.next_index() : first;
}

RopeTable Context::RopeAt(int layer) const { return cache_.layer(layer).rope(); }

bool Context::RotatesKeys(int layer) const { return !RopeBefore(cache_.layer(layer).plan()); }

// From the first penalty on.
void Context::BeforeLayers(const Work& work) {
  if (work.sampling != nullptr && work.sampling->counts_tokens()) CountTokens();
}

void Context::Publish() {
  ContextFacts facts;
  facts.bytes = cache_.Bytes();
  for (int l = 0; l < cache_.layers(); ++l) {
    const KvLayer& layer = cache_.layer(l);
    facts.kept.emplace_back();
    for (int head = 0; head < layer.shape().stored_heads(); ++head)
      facts.kept.back().push_back(layer.kept_tokens(head));
  }
  std::lock_guard<std::mutex> lock(facts_mutex_);
  facts_ = std::move(facts);
}

void Context::Renew(Grant lent, const ContextMemory& memory) {
  Publish();
  const PartBytes bytes = Facts().bytes;
  growth_.Renew(std::move(lent), tokens_,
                static_cast<size_t>(static_cast<long long>(bytes.planned) + bytes.grown), memory);
}

ContextFacts Context::Facts() const {
  std::lock_guard<std::mutex> lock(facts_mutex_);
  return facts_;
}

}  // namespace qpkv
