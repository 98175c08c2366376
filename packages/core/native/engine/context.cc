// See context.h.
#include "engine/context.h"

#include <algorithm>

namespace qpkv {
namespace {
// Small enough that a cancelled question stops soon, large enough for full speed of the matrix
// products.
constexpr int kAppendTokens = 128;
}  // namespace

Context::Context(std::shared_ptr<Model> model, std::vector<std::unique_ptr<KvLayer>> layers,
                 std::shared_ptr<Buffer> logits, std::vector<int32_t> ids)
    : model_(std::move(model)),
      layers_(std::move(layers)),
      logits_(std::move(logits)),
      ids_(std::move(ids)),
      tokens_(static_cast<int>(ids_.size())) {
  Publish();
}

Context::Context(const Context& other)
    : Sequence(other),
      random(other.random),
      model_(other.model_),
      logits_(other.logits_),
      ids_(other.ids_),
      tokens_(other.tokens_.load()) {
  for (const auto& layer : other.layers_) layers_.push_back(std::make_unique<KvLayer>(*layer));
  facts_ = other.Facts();
}

std::optional<SampledToken> Context::Append(const int32_t* ids, int count, float* all_logits,
                                            const Sampling* sampling) {
  const size_t vocab = static_cast<size_t>(model_->description.vocab);
  std::optional<SampledToken> chosen;
  for (int done = 0; done < count;) {
    const int rows = std::min(kAppendTokens, count - done);
    const bool last = done + rows == count;
    // A turn per chunk, so that other contexts of the engine get theirs.
    EngineTurn turn(*model_->engine);
    if (abort.exchange(false))
      throw Error("KV_ABORTED", "Cancelled after " + std::to_string(done) + " of " +
                                    std::to_string(count) + " tokens.");
    Work work;
    work.to = model_->description.layers;
    work.first = tokens_;
    work.rows = rows;
    work.ids = ids + done;
    if (all_logits != nullptr) work.all_logits = all_logits + static_cast<size_t>(done) * vocab;
    if (last || all_logits != nullptr) {
      OwnLogits();
      work.last_logits = logits_->floats();
    }
    const SampledToken token = StepOn(work, last ? sampling : nullptr);
    if (last && sampling != nullptr) chosen = token;
    ids_.insert(ids_.end(), work.ids, work.ids + rows);
    tokens_ += rows;
    Publish();
    done += rows;
  }
  return chosen;
}

SampledToken Context::Sample(const Sampling& sampling) {
  EngineTurn turn(*model_->engine);
  Work work;
  work.first = tokens_;
  work.last_logits = logits_->floats();
  return StepOn(work, &sampling);
}

std::vector<float> Context::Logits() {
  EngineTurn turn(*model_->engine);
  return DownloadFloats(*model_->engine, *logits_);
}

// One step with this work alone.
SampledToken Context::StepOn(Work work, const Sampling* sampling) {
  if (broken()) throw Error("KV_NUMERIC", "An earlier step of this context failed; prefill again.");
  work.sequence = this;
  work.sampling = sampling;
  if (sampling != nullptr && sampling->counts_tokens()) CountTokens();
  work.counts = static_cast<int32_t*>(counts_.data());
  if (sampling != nullptr && sampling->temperature > 0) work.uniform = random.Uniform();
  const Outcome outcome = std::move(Step(*model_, {work}).front());
  if (outcome.error) throw *outcome.error;
  return outcome.sampled;
}

// Logits that a fork shares are left to it.
void Context::OwnLogits() {
  if (logits_.use_count() == 1) return;
  logits_ =
      std::make_shared<Buffer>(model_->engine->device, sizeof(float) * model_->description.vocab);
}

// From the first penalty on the counts are kept on the device.
void Context::CountTokens() {
  if (counts_.data() != nullptr) return;
  std::vector<int32_t> counts(static_cast<size_t>(model_->description.vocab));
  for (int32_t id : ids_) ++counts[static_cast<size_t>(id)];
  Buffer made(model_->engine->device, counts.size() * sizeof(int32_t));
  model_->engine->Upload(made.data(), counts.data(), made.bytes());
  counts_ = std::move(made);
}

int Context::RopePosition(int layer, int first) const {
  const KvLayer& cache = *layers_[static_cast<size_t>(layer)];
  return cache.plan().cache_positions ? cache.next_index() : first;
}

RopeTable Context::RopeAt(int layer) const { return layers_[static_cast<size_t>(layer)]->rope(); }

bool Context::TurnsKeys(int layer) const {
  return !layers_[static_cast<size_t>(layer)]->plan().RopeBefore();
}

void Context::Attend(const LayerRows& rows) {
  Engine& engine = *model_->engine;
  const ModelDescription& d = model_->description;
  const size_t size = static_cast<size_t>(rows.rows) * d.kv_heads * d.head_dim;
  float* keys = engine.Floats(Slot::kNewKeys, size);
  float* values = engine.Floats(Slot::kNewValues, size);
  const auto store = [&](const float* x, float* to) {
    engine.ops.StoreHeads(
        engine.stream, {x, to, rows.rows, d.kv_heads, d.head_dim, rows.qkv.stride, rows.rows, 0});
  };
  store(rows.qkv.k, keys);
  store(rows.qkv.v, values);
  KvLayer& cache = *layers_[static_cast<size_t>(rows.layer)];
  cache.Append({keys, values, rows.rows, rows.rows, rows.first});
  cache.Attend(rows.qkv.q, rows.qkv.stride, rows.out, rows.rows, rows.first, d.decode,
               d.block.attention_scale);
}

void Context::AfterLayers(int tokens) {
  for (const auto& layer : layers_) layer->Flush(tokens);
}

void Context::Publish() {
  ContextFacts facts;
  for (const auto& layer : layers_) {
    const PartBytes part = layer->Bytes();
    facts.bytes.planned += part.planned;
    facts.bytes.grown += part.grown;
    facts.bytes.tails += part.tails;
    facts.kept.emplace_back();
    for (int head = 0; head < layer->shape().stored_heads(); ++head)
      facts.kept.back().push_back(layer->kept_tokens(head));
  }
  std::lock_guard<std::mutex> lock(facts_mutex_);
  facts_ = std::move(facts);
}

ContextFacts Context::Facts() const {
  std::lock_guard<std::mutex> lock(facts_mutex_);
  return facts_;
}

}  // namespace qpkv
