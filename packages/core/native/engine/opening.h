// A saved context on its way back: its layers one after another, then what sampling remembers.
// Every byte is checked before it is used; where one is refused nothing is left.
#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "engine/context.h"
#include "engine/plan.h"

namespace qpkv {

// One layer of a context as bytes: KvLayer::Write, then the positions that prefill kept, [stored
// heads] in storage order. What follows takes the same on its way back.
std::vector<uint8_t> WriteLayer(const KvLayer& layer,
                                const std::vector<std::vector<int32_t>>& kept);

class Opening {
 public:
  // ids: all tokens of the context. expected: see Prefill. Throws KV_UNSUPPORTED for a plan of
  // another number of layers.
  Opening(std::shared_ptr<Model> model, CompressionPlan plan, std::vector<int32_t> ids,
          int expected, ContextMemory memory);

  bool Admit();  // whether its memory is granted, or is now
  // The next layer; gives back the positions that prefill kept of it. Throws KV_DATA.
  std::vector<std::vector<int32_t>> AddLayer(const std::vector<uint8_t>& bytes);
  // logits: [vocab], those behind the last token. Nothing else may follow.
  std::shared_ptr<Context> Finish(const std::vector<float>& logits, const Xoshiro256& random);

  Model& model() { return *model_; }
  std::atomic<bool> busy{false};  // one thing at a time
  std::atomic<bool> abort{false};

 private:
  std::shared_ptr<Model> model_;
  const CompressionPlan plan_;
  const std::vector<int32_t> ids_;
  const int expected_;
  const ContextMemory memory_;
  Grant grant_;
  std::optional<Open> open_;
  bool admitted_ = false;
  std::vector<std::unique_ptr<KvLayer>> layers_;
};

}  // namespace qpkv
