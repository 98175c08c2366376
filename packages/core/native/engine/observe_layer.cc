// See observe_layer.h.
#include "engine/observe_layer.h"

#include <algorithm>
#include <cmath>

#include "engine/layer_forward.h"

namespace qpkv {
namespace {

Buffer Upload(Engine& engine, const std::vector<float>& values) {
  Buffer buffer;
  if (values.empty()) return buffer;
  buffer.Ensure(engine.device, values.size() * sizeof(float));
  engine.Upload(buffer.data(), values.data(), values.size() * sizeof(float));
  return buffer;
}

// The output projection as the ops take it, in `storage`.
PackedWeight PackOutput(Engine& engine, const LayerInput& input, Buffer* storage) {
  PackedWeight packed{};
  if (input.output.empty()) return packed;
  packed.format = ExactWeights(Element::kF32);
  packed.k = input.shape.query_heads * input.shape.head_dim;
  packed.n = static_cast<int>(input.output.size()) / packed.k;
  const size_t bytes = engine.ops.PackedWeightBytes(packed.format, packed.n, packed.k);
  packed.data = storage->Ensure(engine.device, bytes);
  engine.ops.Zero(engine.stream, packed.data, bytes);
  PackWeightArgs args{};
  args.source = OnHost(static_cast<const void*>(input.output.data()));
  args.source_element = Element::kF32;
  args.row_end = packed.n;
  args.out = packed;
  engine.ops.PackWeight(engine.stream, args);
  return packed;
}

float ScaleOf(const LayerInput& input) {
  return input.logit_scale > 0 ? input.logit_scale : LogitScale(input.shape.head_dim);
}

}  // namespace

float LogitScale(int head_dim) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_dim)));
}

ObservedLayer::ObservedLayer(std::shared_ptr<Engine> engine, const LayerInput& input)
    : engine_(std::move(engine)),
      input_(input),
      queries_(Upload(*engine_, input.q)),
      queries_before_(Upload(*engine_, input.q_before)),
      keys_(Upload(*engine_, input.k)),
      keys_before_(Upload(*engine_, input.k_before)),
      values_(Upload(*engine_, input.v)),
      inv_freq_(Upload(*engine_, input.inv_freq)) {
  ObservedModel model;
  model.logit_scale = ScaleOf(input);
  model.precision = input.precision;
  model.output = PackOutput(*engine_, input, &output_);
  model.rope = {inv_freq_.floats(), 1, input.inv_freq.empty() ? 0 : input.shape.head_dim};
  observer_ = std::make_unique<Observer>(engine_, input.shape, input.tokens, model);
}

void ObservedLayer::CheckReads() const {
  const uint32_t reads = observer_->reads();
  const auto need = [&](uint32_t reading, const Buffer& given, const char* name) {
    if ((reads & reading) != 0 && given.data() == nullptr)
      throw Error("KV_INVALID_OPTION",
                  std::string("A statistic of this score reads ") + name + ", which is not given.");
  };
  need(kReadQueriesBefore, queries_before_, "qBefore");
  need(kReadKeysBefore, keys_before_, "kBefore");
  need(kReadValues | kReadOutputs, values_, "v");
  need(kReadRope, inv_freq_, "ropeInvFreq");
  if ((reads & kReadReplay) != 0 && input_.replays.empty())
    throw Error("KV_INVALID_OPTION",
                "A statistic of this score reads replays, which are not given.");
}

// One chunk of prefill, with its attention for the log-sum-exps of the queries and its outputs.
void ObservedLayer::RunChunk(int first, const LayerTensors& tensors) {
  const LayerShape& shape = input_.shape;
  const int width = shape.query_heads * shape.head_dim;
  const int rows = std::min(kChunkTokens, input_.tokens - first);
  PrefillAttentionArgs args{};
  args.q = queries_.floats() + static_cast<size_t>(first - input_.first_query) * width;
  args.k = keys_.floats();
  // Without values only the log-sum-exps are wanted.
  args.v = values_.data() != nullptr ? values_.floats() : keys_.floats();
  args.out = engine_->Floats(Slot::kAttention, static_cast<size_t>(rows) * width);
  args.lse = engine_->Floats(Slot::kLse, static_cast<size_t>(rows) * shape.query_heads);
  args.rows = rows;
  args.first = first;
  args.q_heads = shape.query_heads;
  args.kv_heads = shape.kv_heads;
  args.dim = shape.head_dim;
  args.q_stride = width;
  args.capacity = input_.tokens;
  args.window = shape.window;
  args.cap = shape.cap;
  args.scale = ScaleOf(input_);
  args.precision = input_.precision;
  engine_->ops.PrefillAttention(engine_->stream, args);
  QueryChunk chunk{};
  chunk.q = args.q;
  if (queries_before_.data() != nullptr)
    chunk.q_before = queries_before_.floats() + static_cast<size_t>(first) * width;
  chunk.lse = args.lse;
  chunk.outputs = args.out;
  chunk.rows = rows;
  chunk.first = first;
  chunk.q_stride = width;
  observer_->AddChunk(chunk, tensors);
}

void ObservedLayer::RunReplay(const ReplayInput& replay) {
  const LayerShape& shape = input_.shape;
  const int width = shape.query_heads * shape.head_dim;
  // The prompt's keys and, behind them, those of the repetition.
  std::vector<float> keys;
  const size_t prompt = static_cast<size_t>(input_.tokens) * shape.head_dim,
               own = static_cast<size_t>(replay.rows) * shape.head_dim;
  for (size_t head = 0; head < static_cast<size_t>(shape.kv_heads); ++head) {
    const auto from = input_.k.begin() + static_cast<long>(head * prompt);
    const auto more = replay.k.begin() + static_cast<long>(head * own);
    keys.insert(keys.end(), from, from + static_cast<long>(prompt));
    keys.insert(keys.end(), more, more + static_cast<long>(own));
  }
  const Buffer all = Upload(*engine_, keys), queries = Upload(*engine_, replay.q),
               norms = Upload(*engine_, replay.input_norms);
  const LayerTensors tensors = {all.floats(), nullptr, nullptr, input_.tokens + replay.rows};
  for (int first = 0; first < replay.rows; first += kChunkTokens) {
    ReplayChunk chunk{};
    chunk.q = queries.floats() + static_cast<size_t>(first) * width;
    chunk.inputs = norms.floats() + first;  // rows of one number, whose norm it is
    chunk.hidden = 1;
    chunk.rows = std::min(kChunkTokens, replay.rows - first);
    chunk.first = first;
    chunk.q_stride = width;
    chunk.from = replay.from;
    chunk.to = replay.to;
    observer_->AddReplay(chunk, tensors);
  }
}

void ObservedLayer::Run() {
  CheckReads();
  observer_->Start();
  const LayerTensors tensors = {keys_.floats(), keys_before_.floats(), values_.floats(),
                                input_.tokens};
  constexpr uint32_t kOfQueries = kReadQueries | kReadQueriesBefore | kReadOutputs;
  for (int first = input_.first_query;
       first < input_.tokens && (observer_->reads() & kOfQueries) != 0; first += kChunkTokens)
    RunChunk(first, tensors);
  if ((observer_->reads() & kReadReplay) != 0)
    for (const ReplayInput& replay : input_.replays) RunReplay(replay);
  observer_->Finish(tensors);
}

std::vector<float> ObserveLayer(const std::shared_ptr<Engine>& engine, const LayerInput& input) {
  ObservedLayer layer(engine, input);
  const int handle = layer.observer().Want(
      *input.score, {input.shape.stored_heads(), input.protect_last, input.user_end});
  layer.Run();
  std::vector<float> scores(static_cast<size_t>(input.shape.stored_heads()) * input.tokens);
  engine->Download(scores.data(), layer.observer().Scores(handle), scores.size() * sizeof(float));
  return scores;
}

}  // namespace qpkv
