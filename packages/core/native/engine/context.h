// A sequence in progress: one compressed cache per layer, the current logits, and what sampling
// remembers.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/growth.h"
#include "engine/kv_cache.h"
#include "engine/model.h"
#include "engine/random.h"
#include "engine/step.h"

namespace qpkv {

// What a context says of itself to threads that must not wait for the engine.
struct ContextFacts {
  PartBytes bytes;
  std::vector<std::vector<int32_t>> kept;  // [layers][stored heads] tokens
};

class Context : public Sequence {
 public:
  // logits: [vocab] on the device, those of the last id.
  Context(std::shared_ptr<Model> model, std::vector<std::unique_ptr<KvLayer>> layers,
          std::shared_ptr<Buffer> logits, std::vector<int32_t> ids);
  // Shares all tiles. `other` must not be busy.
  explicit Context(const Context& other);
  // Shares the tiles of its first `tokens` tokens. Where that is not all of them, its logits are
  // those of `other` until it is fed. Throws KV_UNSUPPORTED where a layer does not keep all tokens.
  Context(const Context& other, int tokens);

  // What one step does with it: feeds `rows` tokens (none: only chooses one from the logits that
  // are there). all_logits: null, or host [rows, vocab]. logits: those of the last row become the
  // current ones. sampling: null, or chooses the next token. Throws KV_NUMERIC, KV_MEMORY.
  Work Prepare(const int32_t* ids, int rows, float* all_logits, bool logits,
               const Sampling* sampling);
  // What came of it; throws the outcome's error.
  SampledToken Took(const Work& work, const Outcome& outcome);

  // Feeds tokens and waits for them; see feed.h. Chooses the next token with `sampling`.
  std::optional<SampledToken> Append(const int32_t* ids, int count, float* all_logits,
                                     const Sampling* sampling);
  SampledToken Sample(const Sampling& sampling);  // from the current logits
  std::vector<float> Logits();                    // [vocab]

  // What it may grow by; see growth.h.
  void BeginGrowth(Grant grant, size_t per_token, int until) {
    growth_.Begin(std::move(grant), per_token, until);
  }
  bool Admit(int rows) { return growth_.Admit(tokens_, rows); }
  void Expect(int tokens) { growth_.Expect(tokens_, tokens); }

  // What a recompression puts in a layer's place, and what it says when all are there; `lent`: the
  // memory that it had, beside what was granted before.
  void Replace(int layer, std::unique_ptr<KvLayer> with) { cache_.Replace(layer, std::move(with)); }
  void Renew(Grant lent, const ContextMemory& memory);
  size_t granted() const { return growth_.granted(); }

  int tokens() const { return tokens_; }
  const std::vector<int32_t>& ids() const { return ids_; }  // not while a step runs
  ContextFacts Facts() const;  // as of the last step; never waits for a step
  size_t layer_count() const { return static_cast<size_t>(cache_.layers()); }
  KvLayer& layer(size_t index) { return cache_.layer(static_cast<int>(index)); }
  Model& model() { return *model_; }

  int RopePosition(int layer, int first) const override;
  RopeTable RopeAt(int layer) const override;
  bool RotatesKeys(int layer) const override;
  void BeforeLayers(const Work& work) override;
  KvCache* cache() override { return &cache_; }
  int32_t* TokenCounts() override { return static_cast<int32_t*>(counts_.data()); }

  std::atomic<bool> busy{false};  // one step at a time
  std::atomic<bool> abort{false};
  Xoshiro256 random{0};

 private:
  void OwnLogits();
  void CountTokens();
  void Publish();
  size_t CopiedByFork() const;

  std::shared_ptr<Model> model_;
  KvCache cache_;
  std::shared_ptr<Buffer> logits_;  // [vocab], shared with forks until the next step
  std::vector<int32_t> ids_;        // of all tokens
  Buffer counts_;                   // int32 [vocab]: of each token in ids_; empty until wanted
  std::atomic<int> tokens_{0};
  mutable Growth growth_;           // a fork shares what was granted
  mutable std::mutex facts_mutex_;  // held for a copy only
  ContextFacts facts_;
};

}  // namespace qpkv
