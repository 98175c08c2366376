// See prefill.h.
#include "engine/prefill.h"

#include <algorithm>

#include "engine/layer_forward.h"
#include "engine/selection.h"

namespace qpkv {
namespace {
uint64_t NextNumber() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}
}  // namespace

Prefill::Prefill(std::shared_ptr<Model> model, std::vector<int32_t> ids,
                 std::vector<CompressionPlan> plans, int expected, PromptMemory memory)
    : number_(NextNumber()),
      model_(std::move(model)),
      ids_(std::move(ids)),
      expected_(std::max(expected, static_cast<int>(ids_.size()))),
      plans_(std::move(plans)),
      memory_(std::move(memory)),
      grant_(model_->memory),
      caches_(plans_.size()) {
  const ModelDescription& d = model_->description;
  for (const CompressionPlan& plan : plans_) {
    if (static_cast<int>(plan.layers.size()) != d.layers)
      throw Error("KV_UNSUPPORTED", "The plan has " + std::to_string(plan.layers.size()) +
                                        " layers, the model " + std::to_string(d.layers) + ".");
    for (int l = 0; l < d.layers; ++l) {
      keeps_keys_before_ |= plan.layers[static_cast<size_t>(l)]->RopeBefore();
      if (plan.layers[static_cast<size_t>(l)]->order_by_score &&
          d.layer[static_cast<size_t>(l)].window > 0)
        throw Error(
            "KV_UNSUPPORTED",
            "layers[" + std::to_string(l) +
                "].order: 'score' cannot be combined with a sliding window; use 'position'.");
    }
  }
}

bool Prefill::Admit() {
  if (admitted_) return true;
  size_t bytes = memory_.work;
  for (const ContextMemory& context : memory_.contexts)
    bytes += context.cache + context.per_token * static_cast<size_t>(context.growth_tokens);
  if (!grant_.Add(bytes, memory_.scratch)) return false;
  open_.emplace(model_->memory);
  return admitted_ = true;
}

// A prefill that waits for its turn holds nothing.
void Prefill::TakeMemory() {
  const ModelDescription& d = model_->description;
  const size_t kv = sizeof(float) * ids_.size() * d.kv_heads * d.head_dim;
  hidden_.Ensure(model_->engine->device, sizeof(float) * ids_.size() * d.hidden);
  keys_.Ensure(model_->engine->device, kv);
  values_.Ensure(model_->engine->device, kv);
  if (keeps_keys_before_) keys_before_.Ensure(model_->engine->device, kv);
}

LayerShape Prefill::Shape(int plan, int layer) const {
  const ModelDescription& d = model_->description;
  LayerShape shape;
  shape.query_heads = d.query_heads;
  shape.kv_heads = d.kv_heads;
  shape.head_dim = d.head_dim;
  shape.per_query_head = plan >= 0 && plans_[static_cast<size_t>(plan)].query_heads;
  shape.window = d.layer[static_cast<size_t>(layer)].window;
  shape.cap = d.block.attention_cap;
  return shape;
}

void Prefill::StartObserver() {
  const ModelDescription& d = model_->description;
  ObservedModel model;
  model.logit_scale = d.block.attention_scale;
  model.precision = d.products;
  model.output = model_->layers[static_cast<size_t>(layer_)].o;
  model.rope = model_->RopeOf(layer_, expected_);
  observer_ = std::make_unique<Observer>(model_->engine, Shape(-1, layer_), tokens(), model);
  tickets_.clear();
  for (int i = 0; i < plan_count(); ++i)
    tickets_.push_back(WantPlan(*observer_, Plan(i, layer_), Shape(i, layer_).stored_heads(),
                                plans_[static_cast<size_t>(i)].user_end));
  if ((observer_->reads() & kReadKeysBefore) != 0)
    keys_before_.Ensure(model_->engine->device, keys_.bytes());
}

LayerTensors Prefill::Tensors() const {
  return {keys_.floats(), keys_before_.floats(), values_.floats(), tokens()};
}

void Prefill::CheckUsable() const {
  if (finished_)
    throw Error("KV_DISPOSED", "The prefill has handed its contexts out; start another one.");
  if (failed_)
    throw Error("KV_NUMERIC", "Layer " + std::to_string(layer_) +
                                  " failed half way through the prompt; start another prefill.");
}

void Prefill::CheckBetweenLayers() const {
  CheckUsable();
  if (passed_ > 0)
    throw Error("KV_BUSY", "Layer " + std::to_string(layer_) + " has not passed all tokens yet.");
}

void Prefill::CheckNextLayer() const {
  const int layers = model_->description.layers;
  if (layer_ >= layers) throw Error("KV_BUSY", "All layers have run; call finish().");
  for (size_t i = 0; i < caches_.size(); ++i)
    if (static_cast<int>(caches_[i].size()) != layer_)
      throw Error("KV_BUSY", "Layer " + std::to_string(layer_ - 1) +
                                 " has not been compressed for plan " + std::to_string(i) + ".");
}

Error Prefill::Cancelled() const {
  return Error("KV_ABORTED", "The prefill was cancelled in layer " + std::to_string(layer_) + ".");
}

void Prefill::CheckAbort() const {
  if (abort.load()) throw Cancelled();
}

void Prefill::RunLayer() {
  do {
    EngineTurn turn(*model_->engine);
    Took(Step(*model_, {NextChunk()}).front());
  } while (!between_layers());
}

int Prefill::chunk_rows() const { return std::min(kChunkTokens, tokens() - passed_); }

Work Prefill::NextChunk() {
  CheckAbort();
  CheckUsable();
  if (passed_ == 0) {
    CheckNextLayer();
    TakeMemory();
  }
  // Hidden states are replaced in place, so a layer that stops in a chunk cannot be run again.
  failed_ = true;
  Work work;
  work.sequence = this;
  work.from = layer_;
  work.to = layer_ + 1;
  work.first = passed_;
  work.rows = chunk_rows();
  work.ids = ids_.data() + passed_;
  return work;
}

void Prefill::Took(const Outcome& outcome) {
  if (outcome.error) throw *outcome.error;
  failed_ = false;
  passed_ += chunk_rows();
  if (passed_ < tokens()) return;
  passed_ = 0;
  ++layer_;
}

void Prefill::BeforeLayers(const Work& work) {
  if (work.first == 0 && work.to > work.from) StartObserver();
}

float* Prefill::HiddenAt(int first) {
  return hidden_.floats() + static_cast<size_t>(first) * model_->description.hidden;
}

void Prefill::StoreRows(const LayerRows& rows, const float* x, const Buffer& to) {
  const ModelDescription& d = model_->description;
  model_->engine->ops.StoreHeads(
      model_->engine->stream,
      {x, to.floats(), rows.rows, d.kv_heads, d.head_dim, rows.qkv.stride, tokens(), rows.first});
}

void Prefill::BeforeRope(const LayerRows& rows) {
  if (keys_before_.data() != nullptr) StoreRows(rows, rows.qkv.k, keys_before_);
  if ((observer_->reads() & kReadQueriesBefore) == 0) return;
  Engine& engine = *model_->engine;
  const int width = model_->description.query_heads * model_->description.head_dim;
  queries_before_.Ensure(engine.device, sizeof(float) * kChunkTokens * width);
  engine.ops.StoreHeads(engine.stream, {rows.qkv.q, queries_before_.floats(), rows.rows, 1, width,
                                        rows.qkv.stride, rows.rows, 0});
}

void Prefill::Attend(const LayerRows& rows) {
  const ModelDescription& d = model_->description;
  Engine& engine = *model_->engine;
  StoreRows(rows, rows.qkv.k, keys_);
  StoreRows(rows, rows.qkv.v, values_);
  PrefillAttentionArgs args{};
  args.q = rows.qkv.q;
  args.k = keys_.floats();
  args.v = values_.floats();
  args.out = rows.out;
  args.lse = (observer_->reads() & kReadQueries) != 0
                 ? engine.Floats(Slot::kLse, static_cast<size_t>(rows.rows) * d.query_heads)
                 : nullptr;
  args.rows = rows.rows;
  args.first = rows.first;
  args.q_heads = d.query_heads;
  args.kv_heads = d.kv_heads;
  args.dim = d.head_dim;
  args.q_stride = rows.qkv.stride;
  args.capacity = tokens();
  args.window = d.layer[static_cast<size_t>(rows.layer)].window;
  args.scale = d.block.attention_scale;
  args.cap = d.block.attention_cap;
  args.precision = d.products;
  engine.ops.PrefillAttention(engine.stream, args);
  QueryChunk chunk{};
  chunk.q = args.q;
  if ((observer_->reads() & kReadQueriesBefore) != 0) chunk.q_before = queries_before_.floats();
  chunk.lse = args.lse;
  chunk.outputs = args.out;
  chunk.rows = rows.rows;
  chunk.first = rows.first;
  chunk.q_stride = args.q_stride;
  observer_->AddChunk(chunk, Tensors());
}

void Prefill::AfterLayers(int done) {
  if (done == tokens()) observer_->Finish(Tensors());
}

std::vector<float> Prefill::Scores(int plan) {
  EngineTurn turn(*model_->engine);
  CheckBetweenLayers();
  if (layer_ == 0) throw Error("KV_BUSY", "No layer has run yet.");
  const PlanTickets& tickets = tickets_[static_cast<size_t>(plan)];
  if (tickets.stages.empty()) return {};
  return DownloadScores(observer_->Scores(tickets.stages.front()), plan);
}

std::vector<float> Prefill::DownloadScores(const float* scores, int plan) const {
  std::vector<float> out(static_cast<size_t>(stored_heads(plan)) * ids_.size());
  model_->engine->Download(out.data(), scores, out.size() * sizeof(float));
  return out;
}

std::vector<float> Prefill::Exact(Tensor tensor) {
  EngineTurn turn(*model_->engine);
  CheckBetweenLayers();
  if (layer_ == 0) throw Error("KV_BUSY", "No layer has run yet.");
  const Buffer& from = tensor == Tensor::kKey ? keys_ : values_;
  std::vector<float> out(ids_.size() * model_->description.kv_heads * model_->description.head_dim);
  model_->engine->Download(out.data(), from.data(), out.size() * sizeof(float));
  return out;
}

std::vector<std::vector<int32_t>> Prefill::CompressLayer(int plan, const Replacements& replacements,
                                                         bool select_only) {
  Engine& engine = *model_->engine;
  EngineTurn turn(engine);
  CheckBetweenLayers();
  std::vector<std::unique_ptr<KvLayer>>& cache = caches_[static_cast<size_t>(plan)];
  if (static_cast<int>(cache.size()) != layer_ - 1)
    throw Error("KV_BUSY", "Plan " + std::to_string(plan) +
                               " has compressed this layer already, or no layer has run.");
  const int layer = layer_ - 1;
  const LayerShape shape = Shape(plan, layer);
  const LayerPlan& what = Plan(plan, layer);
  const auto upload = [&](const std::vector<float>& from) {
    Buffer buffer(engine.device, from.size() * sizeof(float));
    engine.Upload(buffer.data(), from.data(), from.size() * sizeof(float));
    return buffer;
  };
  const PlanTickets& tickets = tickets_[static_cast<size_t>(plan)];
  SelectionInput input;
  Buffer replaced;
  if (replacements.scores.empty()) {
    for (int ticket : tickets.stages) input.stages.push_back(observer_->Scores(ticket));
  } else {
    replaced = upload(replacements.scores);
    input.stages = {replaced.floats()};
  }
  input.heads = shape.stored_heads();
  input.tokens = tokens();
  input.window = shape.window;
  input.layer = layer;
  const Selection selection = SelectTokens(engine, what, input);
  if (select_only) return selection.kept;
  Buffer keys, values;
  ExactTokens exact;
  exact.keys = what.RopeBefore() ? keys_before_.floats() : keys_.floats();
  exact.values = values_.floats();
  exact.capacity = tokens();
  if (!replacements.keys.empty()) {
    keys = upload(replacements.keys);
    values = upload(replacements.values);
    exact.keys = keys.floats();
    exact.values = values.floats();
    exact.per_stored_head = true;
  }
  auto stored = std::make_unique<KvLayer>(
      model_->engine, plans_[static_cast<size_t>(plan)].layers[static_cast<size_t>(layer)], shape,
      model_->RopeOf(layer, expected_), exact, selection.kept, tokens(), false);
  if (stored->by_score()) {
    const float* start = replaced.data() != nullptr ? replaced.floats()
                         : tickets.evict >= 0       ? observer_->Scores(tickets.evict)
                                                    : nullptr;
    stored->StartScores(start != nullptr ? DownloadScores(start, plan) : std::vector<float>(),
                        tokens());
  }
  turn.Finish();
  cache.push_back(std::move(stored));  // last: whatever failed above may be tried again
  return selection.kept;
}

std::vector<float> Prefill::AllLogits() {
  const ModelDescription& d = model_->description;
  CheckBetweenLayers();
  if (layer_ != d.layers)
    throw Error("KV_BUSY", "Layer " + std::to_string(layer_) + " has not run yet.");
  std::vector<float> out(ids_.size() * d.vocab);
  for (int first = 0; first < tokens(); first += kChunkTokens) {
    EngineTurn turn(*model_->engine);
    LogitsOf(first, std::min(kChunkTokens, tokens() - first),
             out.data() + static_cast<size_t>(first) * d.vocab, nullptr);
  }
  return out;
}

// Logits of tokens that have passed all layers: a step without layers.
void Prefill::LogitsOf(int first, int rows, float* all, float* last) {
  Work work;
  work.sequence = this;
  work.from = work.to = model_->description.layers;
  work.first = first;
  work.rows = rows;
  work.all_logits = all;
  work.last_logits = last;
  const Outcome outcome = std::move(Step(*model_, {work}).front());
  if (outcome.error) throw *outcome.error;
}

std::vector<std::shared_ptr<Context>> Prefill::Finish() {
  const ModelDescription& d = model_->description;
  EngineTurn turn(*model_->engine);
  CheckBetweenLayers();
  for (size_t i = 0; i < caches_.size(); ++i)
    if (static_cast<int>(caches_[i].size()) != d.layers)
      throw Error("KV_BUSY", "Plan " + std::to_string(i) + " has " +
                                 std::to_string(caches_[i].size()) + " of " +
                                 std::to_string(d.layers) + " layers compressed.");
  const auto logits = std::make_shared<Buffer>(model_->engine->device, sizeof(float) * d.vocab);
  LogitsOf(tokens() - 1, 1, nullptr, logits->floats());
  finished_ = true;
  std::vector<std::shared_ptr<Context>> contexts;
  for (size_t i = 0; i < caches_.size(); ++i) {
    contexts.push_back(std::make_shared<Context>(model_, std::move(caches_[i]), logits, ids_));
    if (memory_.contexts.empty()) continue;
    const ContextMemory& its = memory_.contexts[i];
    const size_t growth = its.per_token * static_cast<size_t>(its.growth_tokens);
    contexts.back()->BeginGrowth(grant_.Split(its.cache + growth), its.per_token,
                                 tokens() + its.growth_tokens);
  }
  caches_.clear();
  hidden_.Free(), keys_.Free(), keys_before_.Free(), values_.Free(), queries_before_.Free();
  observer_.reset();
  grant_.Drop(grant_.bytes());
  open_.reset();
  return contexts;
}

}  // namespace qpkv
