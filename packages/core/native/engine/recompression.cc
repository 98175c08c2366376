// See recompression.h.
#include "engine/recompression.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "engine/observer.h"
#include "engine/residual_policy.h"

namespace qpkv {
namespace {

// What passes by in prefill and is gone afterwards.
constexpr uint32_t kGone = kReadQueries | kReadQueriesBefore | kReadOutputs | kReadReplay;

Buffer Upload(Engine& engine, const std::vector<float>& from) {
  Buffer buffer(engine.device, std::max<size_t>(from.size(), 1) * sizeof(float));
  engine.Upload(buffer.data(), from.data(), from.size() * sizeof(float));
  return buffer;
}

}  // namespace

Recompression::Recompression(std::shared_ptr<Context> context, Request request)
    : context_(std::move(context)),
      request_(std::move(request)),
      tokens_(context_->tokens() - request_.first),
      grant_(context_->model().memory),
      open_(context_->model().memory) {
  if (context_->broken())
    throw Error("KV_NUMERIC", "An earlier step of this context failed; prefill again.");
  if (static_cast<size_t>(layers()) != context_->layer_count())
    throw Error("KV_UNSUPPORTED", "The plan has " + std::to_string(layers()) +
                                      " layers, the context " +
                                      std::to_string(context_->layer_count()) + ".");
  if (request_.store && request_.store->layers.size() != request_.plan.layers.size())
    throw Error("KV_UNSUPPORTED", "The two plans have different numbers of layers.");
  for (int l = 0; l < layers() && request_.taken != 0; ++l)
    if (request_.taken < 0 || Old(l).shape().per_query_head != Shape(l).per_query_head ||
        static_cast<size_t>(request_.taken) >= Old(l).plan().segments.size() ||
        static_cast<size_t>(request_.taken) >= Stored(l).segments.size())
      throw Error("KV_UNSUPPORTED", "Segments that stay must be those of the context's own plan.");
  if (tokens_ < 1 || request_.first < 0)
    throw Error("KV_INVALID_OPTION", "No token of the context would be compressed.");
  for (int l = 0; l < layers(); ++l)
    if (Old(l).shape().per_query_head && !Shape(l).per_query_head)
      throw Error("KV_UNSUPPORTED",
                  "heads: the context stores tokens per query head, the plan per KV head.");
}

LayerShape Recompression::Shape(int layer) const {
  return context_->model().ShapeOf(layer, StoresQueryHeads(request_.plan));
}

// The stored head of the context that a stored head afterwards is made of.
int Recompression::SourceOf(int layer, int head) const {
  return Old(layer).shape().per_query_head ? head : Shape(layer).SourceHead(head);
}

bool Recompression::Admit() {
  const ContextMemory& memory = request_.memory;
  if (admitted_ || memory.per_token == 0) return admitted_ = true;
  const size_t after = memory.cache + memory.per_token * static_cast<size_t>(memory.growth_tokens),
               held = context_->granted();
  return admitted_ = grant_.Add(request_.work + (after > held ? after - held : 0));
}

void Recompression::RunUnit() {
  EngineLock lock(*context_->model().engine);
  if (kept_.empty()) {
    const int layer = static_cast<int>(scores_.size());
    Score(layer);
    lock.Finish();
    if (layer + 1 == layers()) Choose();
    return;
  }
  // From here on a failure leaves layers of two plans behind.
  context_->set_broken(true);
  StoreLayer(stored_);
  lock.Finish();
  context_->set_broken(false);
  if (++stored_ == layers()) context_->Renew(std::move(grant_), request_.memory);
}

// Positions of what each stored head of the context holds, in storage order; -1: evicted.
Recompression::Kept Recompression::Positions(int layer) const {
  const KvLayer& old = Old(layer);
  Kept all;
  for (int head = 0; head < old.shape().stored_heads(); ++head)
    all.push_back(old.Positions(head, request_.held[layer][head], request_.held_of));
  return all;
}

SelectionInput Recompression::InputOf(int layer) const {
  SelectionInput input;
  for (const Buffer& stage : scores_[layer].stages) input.stages.push_back(stage.floats());
  input.heads = Shape(layer).stored_heads();
  input.tokens = tokens_;
  input.window = Shape(layer).window;
  input.layer = layer;
  input.held = &here_[layer];
  return input;
}

// Scores of the tokens that are there, by position; others are worth nothing.
void Recompression::Score(int layer) {
  const Kept stored = Positions(layer);
  Kept older, here;
  std::set<size_t> counts;
  for (int head = 0; head < Shape(layer).stored_heads(); ++head) {
    older.emplace_back(), here.emplace_back();
    for (int32_t position : stored[SourceOf(layer, head)])
      if (position >= request_.first)
        here.back().push_back(position - request_.first);
      else if (position >= 0)
        older.back().push_back(position);
    std::sort(here.back().begin(), here.back().end());
    if (!here.back().empty()) counts.insert(here.back().size());
  }
  older_.push_back(std::move(older));
  here_.push_back(std::move(here));
  scores_.emplace_back();
  if (request_.running[layer] != 0) return ScoreRunning(layer);
  const size_t stages = Plan(layer).stages.size();
  const bool runs_on = EvictionByScore(Plan(layer)) != nullptr && !MeasuresAnew(Plan(layer));
  if (stages == 0 && !runs_on) return;
  const float nothing = Plan(layer).tokens.weigh ? 0 : -INFINITY;
  std::vector<std::vector<float>> all(
      stages + (runs_on ? 1 : 0),
      std::vector<float>(static_cast<size_t>(Shape(layer).stored_heads()) * tokens_, nothing));
  // A statistic takes equally many tokens of every head.
  for (size_t count : counts) Measure(layer, count, here_.back(), &all);
  LayerScores& scores = scores_.back();
  if (runs_on) {
    scores.evict = std::move(all.back());
    all.pop_back();
  }
  for (const std::vector<float>& stage : all)
    scores.stages.push_back(Upload(*context_->model().engine, stage));
}

// What the context has summed up of its tokens while it went on.
void Recompression::ScoreRunning(int layer) {
  const KvLayer& old = Old(layer);
  const Kept stored = Positions(layer);  // of a whole text: eviction has no other
  const std::vector<std::vector<float>> running = old.RunningScores();
  std::vector<float> scores(static_cast<size_t>(Shape(layer).stored_heads()) * tokens_, -INFINITY);
  for (int head = 0; head < Shape(layer).stored_heads(); ++head) {
    const size_t source = static_cast<size_t>(SourceOf(layer, head));
    for (size_t i = 0; i < stored[source].size(); ++i)
      if (stored[source][i] >= 0)
        scores[static_cast<size_t>(head) * tokens_ + static_cast<size_t>(stored[source][i])] =
            running[source][i];
  }
  scores_.back().stages.push_back(Upload(*context_->model().engine, scores));
  scores_.back().evict = std::move(scores);
}

// Scores of the heads that hold `count` tokens here, measured over these alone: scores [stages, and
// what runs on][stored heads, tokens].
void Recompression::Measure(int layer, size_t count, const Kept& positions,
                            std::vector<std::vector<float>>* scores) {
  Model& model = context_->model();
  const ModelDescription& d = model.description;
  // The context's stored heads take the place of KV heads.
  LayerShape shape = model.ShapeOf(layer, false);
  shape.kv_heads = Old(layer).shape().stored_heads();
  shape.per_query_head = Shape(layer).per_query_head;
  ObservedModel observed;
  observed.logit_scale = d.block.attention_scale;
  observed.precision = d.products;
  observed.output = model.layers[layer].o;
  observed.rope = Old(layer).rope();
  const auto tokens = static_cast<int>(count);
  Observer observer(model.engine, shape, tokens, observed);
  const PlanHandles handles = WantPlan(observer, Plan(layer), Shape(layer).stored_heads(), 0);
  if ((observer.reads() & kGone) != 0)
    throw Error("KV_UNSUPPORTED", "The scores of layer " + std::to_string(layer) +
                                      " read queries, which a cache does not hold.");
  observer.Start();
  Kept rows(static_cast<size_t>(shape.kv_heads));  // of the heads that are measured now
  for (int head = 0; head < Shape(layer).stored_heads(); ++head) {
    std::vector<int32_t>& own = rows[SourceOf(layer, head)];
    own.clear();
    if (positions[head].size() == count)
      for (int32_t position : positions[head]) own.push_back(position + request_.first);
  }
  const uint32_t reads = observer.reads();
  const auto wanted = [&](uint32_t reading, Tensor tensor, bool rotated) {
    return (reads & reading) != 0 ? Rows(layer, tensor, rows, tokens, rotated) : Buffer();
  };
  // Keys are part of every layer's tensors, whatever is read of them.
  const Buffer keys = Rows(layer, Tensor::kKey, rows, tokens, true),
               before = wanted(kReadKeysBefore, Tensor::kKey, false),
               values = wanted(kReadValues, Tensor::kValue, false);
  observer.Finish({keys.floats(), before.floats(), values.floats(), tokens});
  std::vector<int> all = handles.stages;
  if (scores->size() > all.size()) all.push_back(handles.evict);
  std::vector<float> own(static_cast<size_t>(Shape(layer).stored_heads()) * count);
  for (size_t stage = 0; stage < all.size(); ++stage) {
    model.engine->Download(own.data(), observer.Scores(all[stage]), own.size() * sizeof(float));
    for (int head = 0; head < Shape(layer).stored_heads(); ++head) {
      const std::vector<int32_t>& at = positions[head];
      for (size_t i = 0; at.size() == count && i < count; ++i)
        (*scores)[stage][static_cast<size_t>(head) * tokens_ + static_cast<size_t>(at[i])] =
            own[static_cast<size_t>(head) * count + i];
    }
  }
}

void Recompression::Choose() {
  Engine& engine = *context_->model().engine;
  std::vector<LayerToSelect> layers_to_select;
  for (int l = 0; l < layers(); ++l) layers_to_select.push_back({&Plan(l), InputOf(l)});
  kept_ = SelectOverLayers(engine, layers_to_select);
  for (LayerScores& scores : scores_) scores.stages.clear();
  for (size_t l = 0; l < kept_.size(); ++l)
    for (size_t head = 0; head < kept_[l].size(); ++head) {
      for (int32_t& position : kept_[l][head]) position += request_.first;
      kept_[l][head].insert(kept_[l][head].begin(), older_[l][head].begin(), older_[l][head].end());
    }
}

// [stored heads of the context, capacity, headDim] of one tensor: of each head the tokens at these
// positions, in order, as keys are after RoPE (`rotated`) or before it. Without `rows` of a head:
// zeros.
Buffer Recompression::Rows(int layer, Tensor tensor, const Kept& rows, int capacity,
                           bool rotated) const {
  Engine& engine = *context_->model().engine;
  const KvLayer& old = Old(layer);
  const size_t dim = static_cast<size_t>(old.shape().head_dim);
  const Kept stored = Positions(layer);
  std::vector<float> all(rows.size() * static_cast<size_t>(capacity) * dim, 0.0f);
  std::vector<int32_t> row_of(static_cast<size_t>(context_->tokens()));
  for (size_t head = 0; head < rows.size(); ++head) {
    if (rows[head].empty()) continue;
    const std::vector<float> values = old.Values(static_cast<int>(head), tensor);
    for (size_t i = 0; i < stored[head].size(); ++i)
      if (stored[head][i] >= 0) row_of[stored[head][i]] = static_cast<int32_t>(i);
    float* to = all.data() + head * static_cast<size_t>(capacity) * dim;
    for (int32_t position : rows[head]) {
      const float* from = values.data() + static_cast<size_t>(row_of[position]) * dim;
      to = std::copy(from, from + dim, to);
    }
  }
  Buffer buffer = Upload(engine, all);
  const bool is_rotated = !RopeBefore(old.plan());
  if (tensor == Tensor::kKey && rotated != is_rotated)
    for (size_t head = 0; head < rows.size(); ++head)
      Rotate(layer, rows[head], is_rotated,
             buffer.floats() + head * static_cast<size_t>(capacity) * dim);
  return buffer;
}

// rows: [positions, headDim] on the device, rotated by their positions, or back.
void Recompression::Rotate(int layer, const std::vector<int32_t>& positions, bool back,
                           float* rows) const {
  Engine& engine = *context_->model().engine;
  const RopeTable rope = Old(layer).rope();
  if (rope.rotary_dim == 0 || positions.empty()) return;
  std::vector<int32_t> by = positions;
  if (back)
    for (int32_t& position : by) position = -position;
  Buffer device(engine.device, by.size() * sizeof(int32_t));
  engine.Upload(device.data(), by.data(), by.size() * sizeof(int32_t));
  RopeArgs args{};
  args.x = rows;
  args.positions = static_cast<const int32_t*>(device.data());
  args.inv_freq = rope.inv_freq;
  args.scale = back ? 1 / rope.scale : rope.scale;
  args.rows = static_cast<int>(by.size());
  args.heads = 1;
  args.dim = args.stride = Old(layer).shape().head_dim;
  args.rotary_dim = rope.rotary_dim;
  engine.ops.Rope(engine.stream, args);
}

// What is taken over as it lies has to be what the plan says.
void Recompression::CheckTaken(int layer, const Kept& kept) const {
  const KvLayer& old = Old(layer);
  for (int head = 0; head < Shape(layer).stored_heads() && request_.taken > 0; ++head)
    for (Tensor tensor : {Tensor::kKey, Tensor::kValue}) {
      const std::vector<int> wanted =
          SegmentTokens(Stored(layer), tensor, static_cast<int>(kept[head].size()), head);
      const std::vector<int32_t> there = old.SegmentCounts(head, tensor);
      if (!std::equal(there.begin(), there.begin() + request_.taken, wanted.begin()))
        throw Error("KV_UNSUPPORTED", "Layer " + std::to_string(layer) +
                                          " holds other numbers of tokens than its plan would.");
    }
}

// The layer by its new plan, from the rows that stay.
void Recompression::StoreLayer(int layer) {
  const KvLayer& old = Old(layer);
  const Kept& kept = kept_[layer];
  Kept rows = Positions(layer);  // all that is there, by position
  for (std::vector<int32_t>& head : rows) {
    head.erase(std::remove(head.begin(), head.end(), -1), head.end());
    std::sort(head.begin(), head.end());
  }
  size_t most = 1;
  for (const std::vector<int32_t>& head : rows) most = std::max(most, head.size());
  const auto capacity = static_cast<int>(most);
  const Buffer keys = Rows(layer, Tensor::kKey, rows, capacity, !RopeBefore(Stored(layer))),
               values = Rows(layer, Tensor::kValue, rows, capacity, false);
  ExactTokens exact;
  exact.keys = keys.floats();
  exact.values = values.floats();
  exact.capacity = capacity;
  exact.per_stored_head = old.shape().per_query_head;
  // Where the tokens that stay stand among the rows of their head.
  Kept sources = kept;
  for (size_t head = 0; head < kept.size(); ++head) {
    const std::vector<int32_t>& there = rows[SourceOf(layer, static_cast<int>(head))];
    for (int32_t& position : sources[head])
      position = static_cast<int32_t>(std::lower_bound(there.begin(), there.end(), position) -
                                      there.begin());
  }
  exact.rows = &sources;
  exact.from = &old;
  exact.taken = request_.taken;
  CheckTaken(layer, kept);
  auto stored = std::make_unique<KvLayer>(
      context_->model().engine, std::make_shared<const LayerPlan>(Stored(layer)), Shape(layer),
      old.rope(), exact, kept, context_->tokens(), false);
  stored->StartScores(scores_[layer].evict, tokens_);
  context_->Replace(layer, std::move(stored));
}

}  // namespace qpkv
