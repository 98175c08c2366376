// The plan as the engine holds it: the C++ side of packages/spec/src/layer-plan.ts, field by field.
// Validated in TypeScript; what the engine cannot run is refused with KV_UNSUPPORTED where it is
// read (binding/read_plan.cc).
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/score_node.h"
#include "engine/stored_form.h"
#include "ops/ops.h"

namespace qpkv {

// A format with the codebook that its `levels` points to.
struct StoredFormat {
  TensorFormat format;
  std::vector<float> levels;
};

enum class Role : uint8_t { kSinks, kPacked, kRecent };

struct SegmentPlan {
  Role role = Role::kRecent;
  int tokens = -1;          // at the end of prefill; -1: what the other segments leave
  double share = 0;         // of a tier that is not the last: its part of the packed tokens
  std::vector<int> counts;  // or how many of each stored head's; missing heads have none
  bool counted = false;
  StoredFormat key, value;
};

// How the heads of a layer share its places; packages/reference/src/share-among-heads.ts is the
// reference.
struct HeadSharing {
  bool shared = false;       // tokens.pool is 'layer': per_head is the mean of the heads
  bool over_layers = false;  // it is 'model': those of all layers do
  bool floor_least = false;  // a head keeps at least its part, else by the best scores alone
  double floor = 0;          // part of the equal share that a head keeps whatever its scores are
  bool weigh_top_share = false;
  bool round_each = false;  // head by head; else the sum is exact
};

enum class Residual : uint8_t { kUnified, kKivi, kNever };
enum class Evict : uint8_t { kNever, kFifo, kLowestScore };

struct LayerPlan {
  int per_head = 0;            // with per_heads: the largest
  std::vector<int> per_heads;  // [storedHeads] where they differ by plan; else empty
  int capacity = 0;            // with evict: tokens that decode keeps
  HeadSharing sharing;
  std::vector<SegmentPlan> segments;
  StoredForm keys, values;  // in every segment
  Residual residual = Residual::kUnified;
  std::vector<ScoreStage> stages;  // none: nothing is observed
  std::shared_ptr<const ScoreNode>
      evict_score;           // eviction by score: what running scores start from
  bool running_sum = false;  // later queries add to them summed over query heads; else their mean
  int protect_first = 0, protect_last = 0;
  std::vector<int32_t> protect_positions;  // others, ascending
  int whole = 0;  // tokens of blocks that are kept whole or not at all; 0: none
  bool order_by_score = false;
  Evict evict = Evict::kNever;
  bool cache_positions = false;  // keys turn by their index in the cache

  LayerPlan() = default;
  LayerPlan(const LayerPlan&) = delete;  // formats point into themselves
  LayerPlan& operator=(const LayerPlan&) = delete;

  const SegmentPlan* Find(Role role) const {
    for (const SegmentPlan& segment : segments)
      if (segment.role == role) return &segment;
    return nullptr;
  }
  // Packed segments with formats of their own, the best tokens by score in the first.
  int Tiers() const {
    int tiers = 0;
    for (const SegmentPlan& segment : segments) tiers += segment.role == Role::kPacked;
    return tiers;
  }
  bool RopeBefore() const { return !segments.empty() && segments.front().key.format.rope_before; }
  // Sections at the end of key parts; packages/spec/src computes bytes by the same rule.
  PartNeeds Needs() const {
    PartNeeds needs;
    needs.mask = evict != Evict::kNever;
    needs.positions = needs.mask || RopeBefore();
    return needs;
  }
};

struct CompressionPlan {
  bool query_heads = false;  // stored per query head
  int user_end = 0;          // in tokens; 0: the end of the prompt
  std::vector<std::shared_ptr<const LayerPlan>> layers;
};

}  // namespace qpkv
