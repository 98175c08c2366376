// A prompt on its way through the layers, layer-major: the whole prompt passes layer 0, whose cache
// is compressed once per plan, then layer 1, and so on. Memory at any time: the hidden states, one
// layer's exact K and V, and buffers for one chunk of 512 tokens.
#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "engine/context.h"
#include "engine/kv_layer.h"
#include "engine/model.h"
#include "engine/observer.h"
#include "engine/plan.h"
#include "engine/prompt_stream.h"

namespace qpkv {

// What replaces measured scores or exact values of a layer: results of TypeScript hooks. Empty:
// nothing.
struct Replacements {
  std::vector<float> scores;        // [storedHeads, tokens]
  std::vector<float> keys, values;  // [storedHeads, tokens, headDim]
};

class Prefill : public Sequence {
 public:
  // expected: tokens that the contexts will hold, if more than the prompt's.
  Prefill(std::shared_ptr<Model> model, std::vector<int32_t> ids,
          std::vector<CompressionPlan> plans, int expected = 0, PromptMemory memory = {},
          std::vector<Replay> replays = {});

  // Whether its memory is granted, or is now.
  bool Admit();
  bool admitted() const { return admitted_; }

  // A layer in steps of one chunk of the prompt each: NextChunk gives the work, Took takes what
  // came of it. Memory is taken with the first one. Throw KV_ABORTED, KV_NUMERIC, KV_MEMORY.
  Work NextChunk();
  void Took(const Outcome& outcome);
  int chunk_rows() const;  // of the next chunk
  bool between_layers() const { return passed_ == 0; }
  void RunLayer();                      // the same, waiting for it
  std::vector<float> Scores(int plan);  // [stages, storedHeads, tokens] of the layer just run
  std::vector<float> Exact(Tensor tensor);
  // select_only: chooses tokens and stores nothing; a later call stores. Where all layers share
  // slots the last layer's call chooses and stores for all of them, and earlier ones return
  // nothing.
  std::vector<std::vector<int32_t>> CompressLayer(int plan, const Replacements& replacements,
                                                  bool select_only);
  using Kept = std::vector<std::vector<int32_t>>;  // [stored heads] positions
  const std::vector<Kept>& kept(int plan) const { return kept_[plan]; }
  std::vector<float> AllLogits();
  std::vector<std::shared_ptr<Context>> Finish();  // nothing else may follow

  float* HiddenAt(int first) override;
  int RopePosition(int, int first) const override { return stream_.PositionOf(first); }
  RopeTable RopeAt(int layer) const override { return model_->RopeOf(layer, expected_); }
  bool RotatesKeys(int) const override { return true; }
  void BeforeLayers(const Work& work) override;
  void BeforeRope(const LayerRows& rows) override;
  void Attend(const LayerRows& rows) override;
  void AfterLayers(int tokens) override;

  int layer() const { return layer_; }  // the one that runLayer() passes next
  int tokens() const { return stream_.tokens(); }
  int plan_count() const { return static_cast<int>(plans_.size()); }
  int stored_heads(int plan) const { return Shape(plan, 0).stored_heads(); }
  Model& model() { return *model_; }
  uint64_t number() const { return number_; }  // ascending in order of beginning
  Error Cancelled() const;

  std::atomic<bool> busy{false};  // one step at a time
  std::atomic<bool> abort{false};

 private:
  // What is there of a layer that has passed all tokens.
  struct Passed {
    Buffer keys;         // [kvHeads, rows, headDim] after RoPE; rows: those of the stream
    Buffer keys_before;  // the same before RoPE, where something reads them
    Buffer values;       // [kvHeads, rows, headDim]
    std::unique_ptr<Observer> observer;
    std::vector<PlanHandles> handles;  // per plan
    // Scores of a TypeScript hook per plan, where all layers share slots: they wait for the last.
    std::vector<std::vector<float>> replaced;
  };
  struct StageScores {
    std::vector<const float*> stages;
    Buffer replaced;  // holds them where a hook gave them
  };

  LayerShape Shape(int plan, int layer) const;
  const LayerPlan& Plan(int plan, int layer) const { return plans_[plan].layers[layer]; }
  void CheckUsable() const;         // throws where a step can no longer be right
  void CheckBetweenLayers() const;  // the same, and in the middle of a layer
  void CheckNextLayer() const;
  void CheckAbort() const;
  void TakeMemory();
  void StartObserver();
  LayerTensors Tensors() const;  // of the layer that runs
  Passed& At(int layer);
  bool Pooled(int plan) const;  // whether layers of it share slots
  StageScores ScoresOf(int plan, int layer, const std::vector<float>& given);
  std::vector<Kept> SelectTogether(int plan);
  std::unique_ptr<KvLayer> Store(int plan, int layer, const Kept& kept,
                                 const Replacements& replacements);
  void AddReplay(const LayerRows& rows);
  std::vector<float> DownloadScores(const float* scores, int plan) const;
  void StoreRows(const LayerRows& rows, const float* x, const Buffer& to);
  void LogitsOf(int first, int rows, float* all, float* last);

  const uint64_t number_;
  std::shared_ptr<Model> model_;
  PromptStream stream_;
  int expected_;
  bool keeps_keys_before_ = false;  // a plan stores keys before RoPE
  std::vector<CompressionPlan> plans_;
  const PromptMemory memory_;
  Grant grant_;
  std::optional<Open> open_;  // from being admitted on
  bool admitted_ = false;
  std::vector<std::vector<std::unique_ptr<KvLayer>>> caches_;  // [plan][layer]
  std::atomic<int> layer_{0};  // the event loop reads it while a step runs
  int passed_ = 0;             // tokens that have passed the running layer; 0 between layers
  bool failed_ = false;        // in the middle of a layer
  bool finished_ = false;
  std::vector<std::vector<Kept>> kept_;  // [plan][layer]
  Buffer hidden_;                        // [tokens of the stream, hidden]
  Buffer queries_before_;     // [rows, queryHeads, headDim] of the running chunk, where observed
  Passed now_;                // the layer that runs, or has run last
  std::vector<Passed> held_;  // earlier ones, where layers share slots
};

}  // namespace qpkv
