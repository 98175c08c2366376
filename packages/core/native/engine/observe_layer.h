// The observation of one layer from given tensors: what prefill does per layer, for checks and
// experiments.
#pragma once
#include <memory>
#include <vector>

#include "engine/observer.h"

namespace qpkv {

// Tokens that repeat [from, to) of the prompt, as prefill runs them behind it.
struct ReplayInput {
  std::vector<float> q;            // [rows, queryHeads, headDim] after RoPE
  std::vector<float> k;            // [kvHeads, rows, headDim] after RoPE
  std::vector<float> input_norms;  // [rows]
  int rows = 0, from = 0, to = 0;
};

struct LayerInput {
  std::vector<float> q;         // [tokens - first_query, queryHeads, headDim] after RoPE
  std::vector<float> k, v;      // [kvHeads, tokens, headDim]; v may be empty
  std::vector<float> q_before;  // like q before RoPE, or empty
  std::vector<float> k_before;  // like k before RoPE, or empty
  std::vector<float> output;    // [hidden, queryHeads * headDim], the output projection, or empty
  std::vector<float> inv_freq;  // [headDim / 2], or empty
  std::vector<ReplayInput> replays;
  std::vector<float> scores;  // [storedHeads, tokens] instead of observed ones, or empty
  int tokens = 0;
  int first_query = 0;  // queries begin with this token's
  int user_end = 0;
  float logit_scale = 0;  // 0: 1 / sqrt(headDim)
  LayerShape shape;
  Precision precision = Precision::kF32;
  std::shared_ptr<const ScoreNode> score;  // for ObserveLayer
  int protect_last = 0;                    // for ObserveLayer; elsewhere the plan says it
};

// 1 / sqrt(headDim)
float LogitScale(int head_dim);

class ObservedLayer {
 public:
  // Wishes come before Run(); the engine's mutex is held throughout.
  ObservedLayer(std::shared_ptr<Engine> engine, const LayerInput& input);

  Observer& observer() { return *observer_; }
  // Throws KV_UNSUPPORTED where a statistic reads what the input lacks.
  void Run();

  const float* keys() const { return keys_.floats(); }
  const float* values() const { return values_.floats(); }

 private:
  void CheckReads() const;
  void RunChunk(int first, const LayerTensors& tensors);
  void RunReplay(const ReplayInput& replay);

  std::shared_ptr<Engine> engine_;
  const LayerInput& input_;
  Buffer queries_, queries_before_, keys_, keys_before_, values_, output_, inv_freq_;
  std::unique_ptr<Observer> observer_;
};

// The scores of input.score, [storedHeads, tokens].
std::vector<float> ObserveLayer(const std::shared_ptr<Engine>& engine, const LayerInput& input);

}  // namespace qpkv
