// See layer_cache.h.
#include "engine/layer_cache.h"

#include <algorithm>
#include <cmath>

#include "engine/layer_forward.h"
#include "engine/step.h"

namespace qpkv {
namespace {

Buffer Upload(Engine& engine, const std::vector<float>& values) {
  Buffer buffer(engine.device, std::max<size_t>(values.size(), 1) * sizeof(float));
  engine.Upload(buffer.data(), values.data(), values.size() * sizeof(float));
  return buffer;
}

float ScaleOf(int head_dim) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim)));
}

// The chunk loop of prefill, with its attention for the log-sum-exp of the queries.
void ObserveChunks(Engine& engine, const LayerInput& input, const Buffer& q, const Buffer& k,
                   Observer* observer) {
  const LayerShape& shape = input.shape;
  const int width = shape.query_heads * shape.head_dim;
  for (int first = 0; first < input.tokens && observer->wants_attention(); first += kChunkTokens) {
    const int rows = std::min(kChunkTokens, input.tokens - first);
    PrefillAttentionArgs args{};
    args.q = q.floats() + static_cast<size_t>(first) * width;
    args.k = args.v = k.floats();  // only the log-sum-exp is wanted
    args.out = engine.Floats(Slot::kAttention, static_cast<size_t>(rows) * width);
    args.lse = engine.Floats(Slot::kLse, static_cast<size_t>(rows) * shape.query_heads);
    args.rows = rows;
    args.first = first;
    args.q_heads = shape.query_heads;
    args.kv_heads = shape.kv_heads;
    args.dim = shape.head_dim;
    args.q_stride = width;
    args.capacity = input.tokens;
    args.window = shape.window;
    args.scale = ScaleOf(shape.head_dim);
    args.precision = input.precision;
    engine.ops.PrefillAttention(engine.stream, args);
    QueryChunk chunk{};
    chunk.q = args.q;
    chunk.k = args.k;
    chunk.lse = args.lse;
    chunk.rows = rows;
    chunk.first = first;
    chunk.q_stride = width;
    chunk.capacity = input.tokens;
    observer->AddChunk(chunk);
  }
  observer->Finish(k.floats(), input.tokens);
}

}  // namespace

Buffer ObserveLayer(const std::shared_ptr<Engine>& engine, const LayerInput& input) {
  Observer observer(engine, input.shape, input.tokens, ScaleOf(input.shape.head_dim));
  const int ticket = observer.Want(input.observe, input.protect_last, 0);
  const Buffer q = Upload(*engine, input.q), k = Upload(*engine, input.k);
  ObserveChunks(*engine, input, q, k, &observer);
  return observer.Scores(ticket, input.shape);
}

LayerCache::LayerCache(std::shared_ptr<Engine> engine, const LayerInput& input,
                       std::shared_ptr<const LayerPlan> plan)
    : engine_(std::move(engine)),
      precision_(input.precision),
      scale_(ScaleOf(input.shape.head_dim)) {
  EngineTurn turn(*engine_);
  const Buffer scores =
      input.scores.empty() ? ObserveLayer(engine_, input) : Upload(*engine_, input.scores);
  SelectionInput wanted;
  wanted.scores = scores.floats();
  wanted.heads = input.shape.stored_heads();
  wanted.tokens = input.tokens;
  wanted.window = input.shape.window;
  wanted.layer = 0;
  wanted.want_smoothed = true;
  selection_ = SelectTokens(*engine_, *plan, wanted);
  const Buffer keys = Upload(*engine_, input.k), values = Upload(*engine_, input.v);
  ExactTokens exact;
  exact.keys = keys.floats();
  exact.values = values.floats();
  exact.capacity = input.tokens;
  std::vector<std::unique_ptr<KvLayer>> layers;
  layers.push_back(std::make_unique<KvLayer>(engine_, std::move(plan), input.shape, RopeTable{},
                                             exact, selection_.kept, input.tokens, true));
  if (layers[0]->by_score()) layers[0]->StartScores(DownloadFloats(*engine_, scores), input.tokens);
  cache_ = std::make_unique<KvCache>(std::move(layers));
}

void LayerCache::CheckUsable() const {
  if (broken_)
    throw Error("KV_NUMERIC", "An earlier step of this layer cache failed; make another.");
}

void LayerCache::Append(const std::vector<float>& k, const std::vector<float>& v, int count) {
  EngineTurn turn(*engine_);
  CheckUsable();
  const Buffer keys = Upload(*engine_, k), values = Upload(*engine_, v);
  const int dim = layer().shape().head_dim;
  StepRows rows;
  rows.rows = count;
  rows.keys = keys.floats();
  rows.values = values.floats();
  rows.kv_stride = dim;
  rows.kv_head_stride = count * dim;
  broken_ = true;
  cache_->Begin(*engine_, count, rows);
  cache_->Append(*engine_, 0);
  turn.Finish();
  // Running scores know the new tokens only after their queries: attend() evicts then, as
  // generation does.
  if (!layer().by_score()) cache_->End(*engine_);
  broken_ = false;
}

std::vector<float> LayerCache::Attend(const std::vector<float>& q) {
  EngineTurn turn(*engine_);
  CheckUsable();
  if (layer().plan().RopeBefore())
    throw Error(
        "KV_UNSUPPORTED",
        "attend() needs keys stored after RoPE: a layer on its own knows no rotary frequencies.");
  const Buffer queries = Upload(*engine_, q);
  const Buffer out(engine_->device, q.size() * sizeof(float));
  const LayerShape& shape = layer().shape();
  StepRows rows;
  rows.q = queries.floats();
  rows.out = out.floats();
  rows.q_stride = rows.out_stride = shape.query_heads * shape.head_dim;
  broken_ = true;
  cache_->Begin(*engine_, 0, rows);
  cache_->Attend(*engine_, 0, precision_, scale_);
  cache_->Evict(*engine_, 0);
  std::vector<float> result(q.size());
  engine_->Download(result.data(), out.data(), q.size() * sizeof(float));
  if (layer().by_score()) cache_->End(*engine_);
  turn.Finish();
  broken_ = false;
  return result;
}

}  // namespace qpkv
