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

// The running scores of a layer. They live on the device; forks share them until one goes on.
class RunningState {
 public:
  explicit RunningState(std::shared_ptr<Engine> engine) : engine_(std::move(engine)) {}
  RunningState(const RunningState&) = default;

  // [heads][tokens] scores as observed.
  void Start(std::vector<std::vector<float>> scores);
  // Erases entries where the host does the same to its lists.
  void Erase(int head, int first, int count);

  // Makes the state right for these tokens, of which the newest `rows` are still to be entered.
  void Sync(const std::vector<HeadTokens>& tokens, int rows, int most_tokens, DeviceWrites* writes);
  // What EvictLowest takes; the victims' fields are the caller's.
  RunningScores View() const;
  float* mass() const;  // [heads, stride]
  int stride() const { return stride_; }

 private:
  void Pull();
  size_t bytes(int heads, int stride) const;

  std::shared_ptr<Engine> engine_;
  std::vector<std::vector<float>> host_;  // [heads][tokens] where the host has changed something
  bool on_host_ = true;
  std::shared_ptr<Buffer>
      memory_;  // scores, positions and mass [heads, stride], valid [heads, stride]
  int heads_ = 0, stride_ = 0;
};

// Slots that leave by the fifo rule, in order.
std::vector<int> OldestTokens(const LayerPlan& plan, const HeadTokens& tokens);
// The most tokens that a head may lose now.
int MostVictims(const LayerPlan& plan, const HeadTokens& tokens);

// Takes these slots of every head out of the store and the lists, and frees parts without valid
// tokens. running: null without running scores.
void TakeOut(Engine& engine, const std::vector<std::vector<int>>& victims,
             std::vector<HeadTokens>* tokens, PartStore* store, RunningState* running);

}  // namespace qpkv
