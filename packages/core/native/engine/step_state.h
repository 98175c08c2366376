// What one step of the engine is made of: its pieces of work, what the device is told of them, and
// what it answers.
#pragma once
#include <optional>
#include <vector>

#include "engine/device_writes.h"
#include "engine/step_layout.h"

namespace qpkv {

// One piece of device memory whose beginning is uploaded and whose end is read back:
//
//   ids        [rows]
//   positions  [rows], or [layers, rows] where a cache counts positions of its own
//   sampling   [samples] SampleRow
//   inputs     per sample what it points to: allowed, bias_ids, bias
//   notes      [rows + logits rows]  the layer after which a row first held NaN, or -1
//   sampled    [samples] SampledToken
//   evicted    int32, see cache_step.h
class StepState {
 public:
  // As it is before the step. logits: [logits_rows, vocab] on the device.
  StepState(const std::vector<StepItem>& items, int layers, int rows, int logits_rows,
            const float* logits, int vocab);

  // Adds it to what is uploaded, with room for so many evicted slots.
  void Send(Engine& engine, size_t evicted, DeviceWrites* writes);
  // Reads back what the device has to say; throws what went wrong on it.
  void Read(Engine& engine);

  size_t input_bytes() const { return input_bytes_; }  // of masks and biases
  bool per_layer() const { return per_layer_; }
  int samples() const { return samples_; }
  const int32_t* ids() const { return At<const int32_t>(0); }
  const int32_t* positions(int layer) const {
    return At<const int32_t>(positions_) + (per_layer_ ? Elements(layer, rows_) : 0);
  }
  const SampleRow* sampling() const { return At<const SampleRow>(sampling_); }
  int32_t* notes() const { return At<int32_t>(notes_); }
  SampledToken* sampled() const { return At<SampledToken>(sampled_); }
  int32_t* evicted() const { return At<int32_t>(evicted_); }

  // On the host, after Read().
  // The first layer that left NaN in any row of the item, if any did.
  std::optional<Error> NanError(const StepItem& item, int layers) const;
  const SampledToken* sampled_read() const { return Answer<SampledToken>(sampled_); }
  const int32_t* evicted_read() const { return Answer<int32_t>(evicted_); }

 private:
  void FillRows(const std::vector<StepItem>& items, int layers);
  SampleRow RowOf(const Work& work, const float* logits, size_t* input);
  template <class T>
  const T* Place(const std::vector<T>& values, size_t* input);
  template <class T>
  T* At(size_t offset) const {
    return reinterpret_cast<T*>(device_ + offset);
  }
  template <class T>
  const T* Answer(size_t offset) const {
    return reinterpret_cast<const T*>(answer_.data() + (offset - notes_));
  }

  int rows_, samples_ = 0;
  bool per_layer_ = false;  // positions differ from layer to layer
  size_t input_bytes_ = 0;
  size_t positions_ = 0, sampling_ = 0, inputs_ = 0, notes_ = 0, sampled_ = 0, evicted_ = 0,
         bytes_ = 0;
  std::vector<uint8_t> host_;  // up to `evicted`
  uint8_t* device_ = nullptr;
  std::vector<uint8_t> answer_;  // from the notes on
};

}  // namespace qpkv
