// What one step of the engine is made of: its pieces of work, and what the device is told of them.
#pragma once
#include <cstring>
#include <optional>
#include <vector>

#include "engine/step.h"

namespace qpkv {

// One piece of work, and where its rows lie among those of the step.
struct StepItem {
  const Work* work = nullptr;
  int row = 0;         // its first row
  int logits_row = 0;  // its first row of logits
  int logits_rows = 0;
  bool own_hidden = false;  // the sequence keeps the hidden states
  std::optional<Error> error;

  bool At(int layer) const { return work->from <= layer && layer < work->to && work->rows > 0; }
};

// The step's state, one piece of device memory that is uploaded once and whose end is read back:
//
//   ids        [rows]
//   positions  [rows], or [layers, rows] where a cache counts positions of its own
//   sampling   [samples] SampleRow
//   inputs     per sample what it points to: allowed, bias_ids, bias
//   notes      [rows + logits rows]  the layer after which a row first held NaN, or -1
//   sampled    [samples] SampledToken
struct StateLayout {
  size_t positions, sampling, inputs, notes, sampled, bytes;

  StateLayout(int rows, int position_rows, int notes_count, int samples, size_t input_bytes) {
    positions = AlignUp(sizeof(int32_t) * rows, 64);
    sampling = positions + AlignUp(sizeof(int32_t) * position_rows, 64);
    inputs = sampling + AlignUp(sizeof(SampleRow) * samples, 64);
    notes = inputs + AlignUp(input_bytes, 64);
    sampled = notes + AlignUp(sizeof(int32_t) * notes_count, 64);
    bytes = sampled + sizeof(SampledToken) * samples;
  }
};

inline size_t InputBytes(const Sampling& s) {
  return sizeof(uint32_t) * (s.allowed.size() + s.bias_ids.size() + s.bias.size());
}

// The inputs of all samples: they are copied to the host's side and told of by where they will lie
// on the device.
struct StepInputs {
  uint8_t* host;
  const uint8_t* device;
  size_t used = 0;

  template <class T>
  const T* Place(const std::vector<T>& values) {
    if (values.empty()) return nullptr;
    const size_t at = used;
    std::memcpy(host + at, values.data(), sizeof(T) * values.size());
    used += sizeof(T) * values.size();
    return reinterpret_cast<const T*>(device + at);
  }
};

// What the Sample op is told of a piece of work that wants a token.
inline SampleRow RowOf(const Work& work, StepInputs* inputs) {
  const Sampling& s = *work.sampling;
  SampleRow row{};
  row.logits = work.last_logits;
  row.allowed = inputs->Place(s.allowed);
  row.bias_ids = inputs->Place(s.bias_ids);
  row.bias = inputs->Place(s.bias);
  row.bias_count = static_cast<int32_t>(s.bias_ids.size());
  row.counts = s.counts_tokens() ? work.counts : nullptr;
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

}  // namespace qpkv
