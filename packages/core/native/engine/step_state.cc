// See step_state.h.
#include "engine/step_state.h"

#include <cstring>

namespace qpkv {
namespace {

size_t InputBytes(const Sampling& s) {
  return sizeof(uint32_t) * (s.allowed.size() + s.bias_ids.size() + s.bias.size());
}

// From where it lies in the state to where that lies on the device.
template <class T>
void MoveTo(uint8_t* device, const T** at) {
  if (*at != nullptr) *at = reinterpret_cast<const T*>(device + reinterpret_cast<uintptr_t>(*at));
}

}  // namespace

// An input of a sample is told of by its offset until Send() knows the device's address.
template <class T>
const T* StepState::Place(const std::vector<T>& values, size_t* input) {
  if (values.empty()) return nullptr;
  const size_t at = *input;
  std::memcpy(host_.data() + at, values.data(), sizeof(T) * values.size());
  *input += sizeof(T) * values.size();
  return reinterpret_cast<const T*>(at);
}

// What the Sample op is told of a piece of work that wants a token.
SampleRow StepState::RowOf(const Work& work, const float* logits, size_t* input) {
  const Sampling& s = *work.sampling;
  SampleRow row{};
  row.logits = logits;
  row.allowed = Place(s.allowed, input);
  row.bias_ids = Place(s.bias_ids, input);
  row.bias = Place(s.bias, input);
  row.bias_count = static_cast<int32_t>(s.bias_ids.size());
  row.counts = s.counts_tokens() ? work.sequence->TokenCounts() : nullptr;
  row.temperature = s.temperature;
  row.top_p = s.top_p;
  row.min_p = s.min_p;
  row.repetition_penalty = s.repetition_penalty;
  row.presence_penalty = s.presence_penalty;
  row.frequency_penalty = s.frequency_penalty;
  row.uniform = work.uniform;
  row.top_k = s.top_k;
  row.logprobs = s.logprobs;
  return row;
}

StepState::StepState(const std::vector<StepItem>& items, int layers, int rows, int logits_rows,
                     const float* logits, int vocab)
    : rows_(rows) {
  for (const StepItem& item : items) {
    if (item.work->sampling != nullptr) {
      ++samples_;
      input_bytes_ += InputBytes(*item.work->sampling);
    }
    for (int l = item.work->from; l < item.work->to; ++l)
      per_layer_ |= item.work->sequence->RopePosition(l, item.work->first) != item.work->first;
  }
  positions_ = AlignUp(sizeof(int32_t) * rows, 64);
  sampling_ = positions_ + AlignUp(sizeof(int32_t) * rows * (per_layer_ ? layers : 1), 64);
  inputs_ = sampling_ + AlignUp(sizeof(SampleRow) * samples_, 64);
  notes_ = inputs_ + AlignUp(input_bytes_, 64);
  sampled_ = notes_ + AlignUp(sizeof(int32_t) * (rows + logits_rows), 64);
  evicted_ = sampled_ + AlignUp(sizeof(SampledToken) * samples_, 64);
  host_.resize(sampled_);
  FillRows(items, layers);
  std::memset(host_.data() + notes_, 0xff, sampled_ - notes_);  // -1
  auto* sampling = reinterpret_cast<SampleRow*>(host_.data() + sampling_);
  size_t input = inputs_;
  for (const StepItem& item : items) {
    if (item.work->sampling == nullptr) continue;
    const size_t last = static_cast<size_t>(item.logits_row + item.logits_rows - 1);
    *sampling++ = RowOf(
        *item.work, item.logits_rows > 0 ? logits + last * vocab : item.work->last_logits, &input);
  }
}

void StepState::FillRows(const std::vector<StepItem>& items, int layers) {
  auto* ids = reinterpret_cast<int32_t*>(host_.data());
  auto* positions = reinterpret_cast<int32_t*>(host_.data() + positions_);
  for (const StepItem& item : items) {
    const Work& work = *item.work;
    for (int i = 0; i < work.rows; ++i) {
      ids[item.row + i] = work.from == 0 && work.to > 0 ? work.ids[i] : 0;
      for (int l = 0; l < (per_layer_ ? layers : 1); ++l)
        positions[l * rows_ + item.row + i] =
            (per_layer_ && item.At(l) ? work.sequence->RopePosition(l, work.first) : work.first) +
            i;
    }
  }
}

void StepState::Send(Engine& engine, size_t evicted, DeviceWrites* writes) {
  bytes_ = evicted_ + sizeof(int32_t) * evicted;
  device_ = static_cast<uint8_t*>(engine.Bytes(Slot::kStepState, bytes_));
  auto* sampling = reinterpret_cast<SampleRow*>(host_.data() + sampling_);
  for (int i = 0; i < samples_; ++i) {
    MoveTo(device_, &sampling[i].allowed);
    MoveTo(device_, &sampling[i].bias_ids);
    MoveTo(device_, &sampling[i].bias);
  }
  writes->Add(device_, host_.data(), host_.size());
}

void StepState::Read(Engine& engine) {
  answer_.resize(bytes_ - notes_);
  engine.Download(answer_.data(), device_ + notes_, answer_.size());
  CheckDevice(engine);
}

std::optional<Error> StepState::NanError(const StepItem& item, int layers) const {
  const int32_t* notes = Answer<int32_t>(notes_);
  int layer = -1;
  const auto look = [&](int begin, int count) {
    for (int i = begin; i < begin + count; ++i)
      if (notes[i] >= 0 && (layer < 0 || notes[i] < layer)) layer = notes[i];
  };
  look(item.row, item.work->rows);
  look(rows_ + item.logits_row, item.logits_rows);
  if (layer < 0) return std::nullopt;
  return Error("KV_NUMERIC",
               layer == layers
                   ? std::string("The logits hold NaN: check the weights of the output head.")
                   : "The activations after layer " + std::to_string(layer) +
                         " hold NaN: check the weights of that layer.");
}

}  // namespace qpkv
