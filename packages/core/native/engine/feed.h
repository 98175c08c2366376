// Tokens on their way into a context, a step at a time: decode, appended text, or no tokens at all
// and only a choice from the logits that are there.
#pragma once
#include <optional>

#include "engine/context.h"

namespace qpkv {

// Small enough that a cancelled question stops soon, large enough for full speed of the matrix
// products. Part of the result where caches evict: tokens are evicted after each step.
constexpr int kAppendTokens = 128;

class Feed {
 public:
  // With `sampling` the last step chooses the next token. All must stay until the feed is done.
  Feed(Context& context, const int32_t* ids, int count, const Sampling* sampling);
  // Before the first step: keeps the logits of every token, host [count, vocab].
  void KeepLogits(float* all_logits) { all_logits_ = all_logits; }

  bool done() const { return done_ == count_ && !wants_step_; }
  int rows() const;  // of the next step
  // Throws KV_ABORTED between steps (fed tokens stay), KV_NUMERIC, KV_MEMORY.
  Work Next();
  void Took(const Outcome& outcome);
  std::optional<SampledToken> chosen() const { return chosen_; }
  Error Cancelled() const;

 private:
  Context& context_;
  const int32_t* ids_;
  const int count_;
  const Sampling* sampling_;
  float* all_logits_ = nullptr;
  int done_ = 0;
  bool wants_step_;  // without tokens one step is wanted all the same
  Work work_;        // of the running step
  std::optional<SampledToken> chosen_;
};

}  // namespace qpkv
