// See context.h.
#include "engine/context.h"

#include <algorithm>

#include "engine/layer_forward.h"

namespace qpkv {
namespace {
// Small enough that a cancelled question stops soon, large enough for full speed of the matrix
// products.
constexpr int kAppendTokens = 128;
}  // namespace

Context::Context(std::shared_ptr<Model> model, std::vector<std::unique_ptr<KvLayer>> layers,
                 std::vector<float> logits, const std::vector<int32_t>& ids)
    : model_(std::move(model)),
      layers_(std::move(layers)),
      logits_(std::move(logits)),
      seen_(logits_.size()),
      tokens_(static_cast<int>(ids.size())) {
  for (int32_t id : ids) seen_[static_cast<size_t>(id)] = true;
}

Context::Context(const Context& other)
    : random(other.random),
      model_(other.model_),
      logits_(other.logits_),
      seen_(other.seen_),
      tokens_(other.tokens_.load()),
      broken_(other.broken_) {
  for (const auto& layer : other.layers_) layers_.push_back(std::make_unique<KvLayer>(*layer));
}

void Context::Append(const int32_t* ids, int count, float* all_logits) {
  if (broken_) throw Error("KV_NUMERIC", "An earlier step of this context failed; prefill again.");
  for (int done = 0; done < count;) {
    const int rows = std::min(kAppendTokens, count - done);
    // The lock is taken per chunk, so that other contexts of the engine get their turn.
    std::lock_guard<FairMutex> lock(model_->engine->mutex);
    if (abort.exchange(false))
      throw Error("KV_ABORTED", "Cancelled after " + std::to_string(done) + " of " +
                                    std::to_string(count) + " tokens.");
    broken_ = true;
    AppendChunk(ids + done, rows,
                all_logits == nullptr
                    ? nullptr
                    : all_logits + static_cast<size_t>(done) * model_->description.vocab,
                done + rows == count);
    broken_ = false;
    done += rows;
  }
}

void Context::AppendChunk(const int32_t* ids, int rows, float* all_logits, bool last) {
  const Model& model = *model_;
  const ModelDescription& d = model.description;
  Engine& engine = *model.engine;
  const Ops& ops = engine.ops;
  float* hidden = engine.Floats(Slot::kHidden, static_cast<size_t>(rows) * d.hidden);
  float* keys = engine.Floats(Slot::kNewKeys, static_cast<size_t>(rows) * d.kv_heads * d.head_dim);
  float* values =
      engine.Floats(Slot::kNewValues, static_cast<size_t>(rows) * d.kv_heads * d.head_dim);
  float* attention =
      engine.Floats(Slot::kAttention, static_cast<size_t>(rows) * d.query_heads * d.head_dim);
  // Ids, positions in the text, and per layer those in its cache.
  std::vector<int32_t> state(ids, ids + rows);
  for (int i = 0; i < rows; ++i) state.push_back(tokens_ + i);
  for (const auto& layer : layers_)
    for (int i = 0; i < rows; ++i) state.push_back(layer->next_index() + i);
  int32_t* on_device = engine.Ints(Slot::kStepState, state.size());
  engine.Upload(on_device, state.data(), state.size() * sizeof(int32_t));
  const int32_t* text = on_device + rows;
  EmbedTokens(model, on_device, rows, hidden);
  for (int l = 0; l < d.layers; ++l) {
    KvLayer& layer = *layers_[static_cast<size_t>(l)];
    const QkvRows qkv = ProjectQkv(model, l, hidden, rows);
    const int32_t* positions = layer.plan().cache_positions ? text + (l + 1) * rows : text;
    TurnRows(model, qkv, Turn::kQueries, layer.rope(), positions, rows);
    if (!layer.plan().RopeBefore())
      TurnRows(model, qkv, Turn::kKeys, layer.rope(), positions, rows);
    ops.StoreHeads(engine.stream, {qkv.k, keys, rows, d.kv_heads, d.head_dim, qkv.stride, rows, 0});
    ops.StoreHeads(engine.stream,
                   {qkv.v, values, rows, d.kv_heads, d.head_dim, qkv.stride, rows, 0});
    layer.Append({keys, values, rows, rows, tokens_});
    layer.Attend(qkv.q, qkv.stride, attention, rows, tokens_, d.decode, d.block.attention_scale);
    layer.Flush(tokens_ + rows);
    FinishLayer(model, l, attention, hidden, rows);
    CheckNumbers(engine, hidden + static_cast<size_t>(rows - 1) * d.hidden, d.hidden, l);
  }
  if (all_logits != nullptr || last) {
    const int wanted = all_logits != nullptr ? rows : 1;
    const float* logits =
        ComputeLogits(model, hidden + static_cast<size_t>(rows - wanted) * d.hidden, wanted);
    const float* newest = logits + static_cast<size_t>(wanted - 1) * d.vocab;
    CheckNumbers(engine, newest, d.vocab, -1);
    if (all_logits != nullptr)
      engine.Download(all_logits, logits, sizeof(float) * wanted * d.vocab);
    logits_.resize(static_cast<size_t>(d.vocab));
    engine.Download(logits_.data(), newest, sizeof(float) * d.vocab);
  }
  for (int i = 0; i < rows; ++i) seen_[static_cast<size_t>(ids[i])] = true;
  tokens_ += rows;
}

PartBytes Context::Bytes() const {
  PartBytes sum;
  for (const auto& layer : layers_) {
    const PartBytes part = layer->Bytes();
    sum.planned += part.planned;
    sum.grown += part.grown;
    sum.tails += part.tails;
  }
  return sum;
}

}  // namespace qpkv
