// Statistics of one layer while its queries pass by: each wish is measured once, whoever has it.
#pragma once
#include <array>
#include <memory>
#include <vector>

#include "engine/engine.h"
#include "engine/layer_shape.h"
#include "engine/rope_table.h"
#include "ops/statistic.h"

namespace qpkv {

// What a model gives to the statistics of a layer.
struct ObservedModel {
  float logit_scale = 1;
  Precision precision = Precision::kF32;  // of products of queries and keys
  PackedWeight output{};                  // [hidden, queryHeads * headDim]; no data: not given
  RopeTable rope;
};

struct QueryChunk {
  const float* q = nullptr;         // [rows, queryHeads, headDim] after RoPE, row stride q_stride
  const float* q_before = nullptr;  // the same before RoPE, without gaps; or null
  const float* lse = nullptr;       // [queryHeads, rows] of the attention, or null
  const float* outputs = nullptr;   // [rows, queryHeads, headDim] of the attention, or null
  int rows = 0, first = 0, q_stride = 0;
};

// Queries of tokens that repeat [from, to) of the prompt; their keys lie behind the prompt's.
struct ReplayChunk {
  const float* q = nullptr;       // [rows, queryHeads, headDim] after RoPE
  const float* inputs = nullptr;  // [rows, hidden], what the layer's attention reads
  int hidden = 0;
  int rows = 0, first = 0, q_stride = 0;  // first: counts from the repetition's beginning
  int from = 0, to = 0;
};

// Keys and values of the layer, [kvHeads, capacity, headDim]; null: not given.
struct LayerTensors {
  const float *keys = nullptr, *keys_before = nullptr, *values = nullptr;
  int capacity = 0;
};

class Measurements {
 public:
  Measurements(std::shared_ptr<Engine> engine, LayerShape shape, int tokens, ObservedModel model);

  // Wishes come first. Returns the measurement's number and the factor by which its result is to be
  // multiplied.
  struct Wanted {
    int index;
    double factor;
  };
  Wanted Want(const Statistic& statistic, const double* options, int protect_last, int user_end);
  uint32_t reads() const;  // of Reading: what all of them need
  size_t bytes() const;    // of their states and results
  void Start();            // takes them
  void AddChunk(const QueryChunk& chunk, const LayerTensors& so_far);
  void AddReplay(const ReplayChunk& chunk, const LayerTensors& all);
  void Finish(const LayerTensors& all);

  int rows(int index) const;             // of the result: query heads or KV heads
  const float* result(int index) const;  // [rows, tokens] on the device

 private:
  struct Measurement {
    const Statistic* statistic = nullptr;
    std::array<double, kMaxOptions> options{};  // resolved
    Buffer state, out;
  };
  size_t StateBytes(const Measurement& one) const;
  size_t OutBytes(const Measurement& one) const;
  StatisticArgs ArgsOf(const Measurement& measurement, StatisticStage stage,
                       const LayerTensors& tensors) const;

  std::shared_ptr<Engine> engine_;
  StatisticShape shape_;
  ObservedModel model_;
  std::vector<Measurement> all_;
};

}  // namespace qpkv
