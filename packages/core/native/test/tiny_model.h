// A model of random weights, small enough for a test, in a file of its own.
#pragma once
#include <memory>
#include <string>

#include "engine/model.h"
#include "engine/prefill.h"

namespace qpkv {

struct TinyShape {
  int layers = 3, hidden = 64, intermediate = 96, query_heads = 4, kv_heads = 2, head_dim = 16,
      vocab = 101;
};

std::shared_ptr<Model> TinyModel(const Table& table, int threads, const TinyShape& shape = {});

// Everything kept exactly, in float32.
CompressionPlan FullPlan(const Model& model);

// "never", "fifo" or "by score": those with the least attention leave.
plan::Eviction EvictionNamed(const Model& model, const std::string& name, int capacity);

// A prompt that has passed all layers and was compressed by these plans.
std::vector<std::shared_ptr<Context>> PrefillAll(const std::shared_ptr<Model>& model,
                                                 const std::vector<int32_t>& ids,
                                                 const std::vector<CompressionPlan>& plans);

std::vector<int32_t> TinyPrompt(int tokens, int vocab, int seed = 1);

}  // namespace qpkv
