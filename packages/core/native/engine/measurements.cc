// See measurements.h.
#include "engine/measurements.h"

#include <algorithm>
#include <cstring>

namespace qpkv {
namespace {

// A buffer of zeros; none for no bytes.
Buffer Zeros(Engine& engine, size_t bytes) {
  Buffer buffer;
  if (bytes > 0) engine.ops.Zero(engine.stream, buffer.Ensure(engine.device, bytes), bytes);
  return buffer;
}

}  // namespace

Measurements::Measurements(std::shared_ptr<Engine> engine, LayerShape shape, int tokens,
                           ObservedModel model)
    : engine_(std::move(engine)),
      shape_{tokens, shape.query_heads, shape.kv_heads, shape.head_dim, shape.window, shape.cap},
      model_(model) {}

Measurements::Wanted Measurements::Want(const Statistic& statistic, const double* options,
                                        int protect_last, int user_end) {
  Measurement wanted;
  wanted.statistic = &statistic;
  double factor = 1;
  if (statistic.resolve != nullptr)
    factor = statistic.resolve({shape_, user_end, protect_last}, options, wanted.options.data());
  else
    std::copy_n(options, kMaxOptions, wanted.options.begin());
  for (size_t i = 0; i < all_.size(); ++i)
    if (all_[i].statistic == &statistic &&
        std::memcmp(all_[i].options.data(), wanted.options.data(), sizeof wanted.options) == 0)
      return {static_cast<int>(i), factor};
  all_.push_back(std::move(wanted));
  return {static_cast<int>(all_.size()) - 1, factor};
}

size_t Measurements::StateBytes(const Measurement& one) const {
  return one.statistic->state_bytes == nullptr
             ? 0
             : one.statistic->state_bytes(shape_, one.options.data());
}

size_t Measurements::OutBytes(const Measurement& one) const {
  const int rows = one.statistic->about->rows == Rows::kQuery ? shape_.q_heads : shape_.kv_heads;
  return sizeof(float) * static_cast<size_t>(rows) * static_cast<size_t>(shape_.tokens);
}

size_t Measurements::bytes() const {
  size_t all = 0;
  for (const Measurement& one : all_) all += StateBytes(one) + OutBytes(one);
  return all;
}

void Measurements::Start() {
  for (Measurement& one : all_) {
    if ((one.statistic->about->reads & kReadOutputWeight) != 0 && model_.output.data == nullptr)
      throw Error("KV_UNSUPPORTED", std::string("The statistic '") + one.statistic->about->name +
                                        "' needs the output projection; give outputWeight.");
    one.state = Zeros(*engine_, StateBytes(one));
    one.out = Zeros(*engine_, OutBytes(one));
  }
}

uint32_t Measurements::reads() const {
  uint32_t all = 0;
  for (const Measurement& one : all_) all |= one.statistic->about->reads;
  return all;
}

StatisticArgs Measurements::ArgsOf(const Measurement& measurement, StatisticStage stage,
                                   const LayerTensors& tensors) const {
  StatisticArgs args{};
  args.stage = stage;
  args.shape = shape_;
  args.options = OnHost(measurement.options.data());
  args.precision = model_.precision;
  args.scale = model_.logit_scale;
  args.capacity = tensors.capacity;
  args.k = tensors.keys;
  args.k_before = tensors.keys_before;
  args.v = tensors.values;
  args.output = model_.output;
  args.inv_freq = model_.rope.inv_freq;
  args.rope_scale = model_.rope.scale;
  args.rotary_dim = model_.rope.rotary_dim;
  args.state = measurement.state.data();
  args.out = measurement.out.floats();
  return args;
}

void Measurements::AddChunk(const QueryChunk& chunk, const LayerTensors& so_far) {
  constexpr uint32_t kOfQueries = kReadQueries | kReadQueriesBefore | kReadOutputs;
  for (const Measurement& one : all_) {
    if ((one.statistic->about->reads & kOfQueries) == 0) continue;
    StatisticArgs args = ArgsOf(one, StatisticStage::kChunk, so_far);
    args.first = chunk.first;
    args.rows = chunk.rows;
    args.q_stride = chunk.q_stride;
    args.lse_stride = chunk.rows;
    args.q = chunk.q;
    args.q_before = chunk.q_before;
    args.lse = chunk.lse;
    args.outputs = chunk.outputs;
    one.statistic->run(engine_->stream, args);
  }
}

void Measurements::AddReplay(const ReplayChunk& chunk, const LayerTensors& all) {
  for (const Measurement& one : all_) {
    if ((one.statistic->about->reads & kReadReplay) == 0) continue;
    StatisticArgs args = ArgsOf(one, StatisticStage::kReplay, all);
    args.first = chunk.first;
    args.rows = chunk.rows;
    args.q_stride = chunk.q_stride;
    args.q = chunk.q;
    args.inputs = chunk.inputs;
    args.hidden = chunk.hidden;
    args.replay_begin = chunk.from;
    args.replay_end = chunk.to;
    one.statistic->run(engine_->stream, args);
  }
}

void Measurements::Finish(const LayerTensors& all) {
  for (const Measurement& one : all_)
    one.statistic->run(engine_->stream, ArgsOf(one, StatisticStage::kFinish, all));
}

int Measurements::rows(int index) const {
  const StatisticDescriptor& about = *all_[index].statistic->about;
  return about.rows == Rows::kQuery ? shape_.q_heads : shape_.kv_heads;
}

const float* Measurements::result(int index) const { return all_[index].out.floats(); }

}  // namespace qpkv
