// Eviction in decode: heads that hold more tokens than the plan's capacity lose one after the
// other.
//
//   fifo          the oldest token behind the first `protect.first` positions: known to the host
//   lowest-score  the one with the lowest running score among those, the newest `protect.last` left
//                 out; of equal scores the newer: chosen on the device (EvictLowest), which says
//                 who leaves
//
// An evicted token keeps its slot; its bit in the part's valid mask is cleared. A part without
// valid tokens is freed.
//
// Positions by index in the cache: RoPE sees differences only, so instead of moving every later key
// down by one, the keys before the evicted one (the sinks) move up by one and the next query's
// index goes on counting.
#pragma once
#include <memory>
#include <vector>

#include "engine/head_tokens.h"
#include "engine/part_store.h"
#include "engine/plan.h"

namespace qpkv {

// Scores on their way to where their tokens lie now, of however many layers: one op for all.
class ScoreMoves {
 public:
  void Add(std::shared_ptr<Buffer> from, int from_stride, float* to, int to_stride,
           std::vector<std::vector<int32_t>> index);
  void Run(Engine& engine);

 private:
  std::vector<std::shared_ptr<Buffer>> alive_;
  std::vector<std::vector<int32_t>> indices_;
  std::vector<MoveScoresItem> items_;
};

// The running scores of a layer. They live on the device; forks share them until one goes on.
class RunningState {
 public:
  explicit RunningState(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {}
  RunningState(const RunningState&) = default;

  // [heads][tokens] scores as observed.
  void Start(std::vector<std::vector<float>> scores) { start_ = std::move(scores); }
  // [heads][tokens] as they stand, between steps.
  std::vector<std::vector<float>> Scores(const std::vector<HeadTokens>& tokens) const;
  // Erases entries of a head that has `tokens`, where the host does the same to its lists.
  void Erase(int head, int tokens, int first, int count);

  // Makes the state right for these tokens, of which the newest `rows` are still to be entered,
  // once what is added has run.
  void Sync(const std::vector<HeadTokens>& tokens, int rows, int most_tokens, DeviceWrites* writes,
            ScoreMoves* moves);
  // What EvictLowest takes; `evicted` and its stride are the caller's.
  RunningScores View() const;
  float* mass() const;  // [heads, stride]
  int stride() const { return stride_; }

 private:
  std::vector<std::vector<int32_t>> Origins(const std::vector<HeadTokens>& tokens, int rows);

  std::shared_ptr<Engine> engine_;
  std::vector<std::vector<float>> start_;  // [heads][tokens] until the first Sync
  // [heads][tokens] where the scores lie in memory_; empty: where their tokens do.
  std::vector<std::vector<int32_t>> origin_;
  std::shared_ptr<Buffer> memory_;  // scores, mass and positions [heads, stride], valid the same
  int heads_ = 0, stride_ = 0;
};

// Slots that leave by the fifo rule, in order.
std::vector<int> OldestTokens(const LayerPlan& plan, const HeadTokens& tokens);
// The most tokens that a head may lose now.
int MaxEvicted(const LayerPlan& plan, const HeadTokens& tokens);

// Takes these slots of every head out of the lists; `marks` say so in the parts that stay.
void TakeOut(const std::vector<std::vector<int>>& evicted, std::vector<HeadTokens>* tokens,
             PartStore* store, std::vector<MarkItem>* marks);
// Frees parts without valid tokens, once the marks have been made. running: null without running
// scores.
void FreeEmptyParts(std::vector<HeadTokens>* tokens, PartStore* store, RunningState* running);

}  // namespace qpkv
