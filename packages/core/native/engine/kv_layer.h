// The cache of one layer: per stored head, K and V in parts of the plan's segments (sinks, packed,
// recent), and the policies that move tokens between them. The same class serves generation and the
// checks.
//
// Built once from exact values. A step (engine/cache_step.h) has three parts: MakeRoom, Enter and
// Sync before the layer loop (lists, tables), the ops of Item() in it, and behind it TakeOut,
// PackSurvivors and CodeOldTokens (what leaves, what is coded). They collect what is to be done, so
// that one op does it for all layers.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "engine/attention_view.h"
#include "engine/byte_stream.h"
#include "engine/eviction_policy.h"
#include "engine/layer_shape.h"
#include "engine/newest_queries.h"
#include "engine/part_export.h"
#include "engine/part_store.h"
#include "engine/plan.h"
#include "engine/residual_policy.h"
#include "engine/rope_table.h"

namespace qpkv {

// Exact K and V of consecutive tokens, on the device.
struct ExactTokens {
  // [kvHeads, capacity, headDim]; keys before RoPE if the plan stores them so.
  const float* keys = nullptr;
  const float* values = nullptr;
  int capacity = 0;
  bool per_stored_head = false;  // the first dimension counts stored heads
  // [storedHeads][..] rows of the kept tokens, in their order; null: rows are positions.
  const std::vector<std::vector<int32_t>>* rows = nullptr;
  // A layer whose first `taken` segments are copied as they lie, codes and all: the plan has the
  // same ones, each with as many tokens. Null: none is.
  const class KvLayer* from = nullptr;
  int taken = 0;
};

// See NativeBytes in addon.ts.
struct PartBytes {
  size_t planned = 0;
  long long grown = 0;  // below 0 where parts were freed
  size_t unused = 0;
};

class KvLayer {
 public:
  // kept: [storedHeads][..] positions in storage order, of a text of `tokens` tokens.
  KvLayer(std::shared_ptr<Engine> engine, std::shared_ptr<const LayerPlan> plan, LayerShape shape,
          RopeTable rope, const ExactTokens& exact, const std::vector<std::vector<int32_t>>& kept,
          int tokens, bool track_positions);
  // From bytes that Write() made (kv_layer_file.cc), of a text of `tokens` tokens. Throws KV_DATA
  // for bytes that are damaged, or of another plan or shape.
  KvLayer(std::shared_ptr<Engine> engine, std::shared_ptr<const LayerPlan> plan, LayerShape shape,
          RopeTable rope, int tokens, ByteReader* in);
  void Write(ByteWriter* out) const;
  KvLayer(const KvLayer&) = default;  // shares all parts
  KvLayer& operator=(const KvLayer&) = delete;

  // Running scores of eviction by score start from these: [storedHeads, tokens] on the host, as
  // observed.
  void StartScores(const std::vector<float>& scores, int tokens);

  // Room for the next `rows` tokens of the text, and then, when the requantizer has run, their
  // entry.
  void MakeRoom(int rows, Requantizer* requantizer);
  void Enter(int rows);
  // Brings the device's tables up to date; `rows` of the newest tokens are still to be stored.
  void Sync(int rows, DeviceWrites* writes, ScoreMoves* moves);
  // What the ops of the layer loop take, for the tables as of the last Sync. evicted: where
  // EvictLowest writes.
  CacheItem Item(const StepRows& rows, int32_t* evicted) const;
  // Of EvictLowest: [storedHeads, evicted_stride] int32.
  size_t evicted_count() const {
    return static_cast<size_t>(evicted_stride()) * static_cast<size_t>(shape_.stored_heads());
  }
  // Takes out what the eviction rule says (`evicted`: what EvictLowest said, or null), and frees
  // what no later query sees.
  void TakeOut(const int32_t* evicted, std::vector<MarkItem>* marks);
  // When the marks have been made: frees and packs what that left behind.
  void PackSurvivors(Requantizer* requantizer);
  // What the residual rule says. True: when the requantizer has run there may be more.
  bool CodeOldTokens(Requantizer* requantizer);

  // Whether all tokens of the text are there in their order, each as it came: only then can it end
  // earlier.
  bool KeepsAll() const;
  // Drops what comes after the first `tokens` tokens of the text.
  void KeepFirst(int tokens);

  int kept_tokens(int head) const;
  // In storage order; only where positions are tracked.
  std::vector<int32_t> KeptPositions(int head) const;
  // Of all tokens of a head in storage order, evicted ones -1. kept: those of the first `kept_of`
  // tokens of the text, in storage order, where the layer does not track positions.
  std::vector<int32_t> Positions(int head, const std::vector<int32_t>& kept, int kept_of) const;
  // [tokens of the head, headDim] in storage order, as they read.
  std::vector<float> Values(int head, Tensor tensor) const;
  // [segments] tokens of a head.
  std::vector<int32_t> SegmentCounts(int head, Tensor tensor) const;
  // While it is held, tokens that leave `recent` by the plan's rule stay there.
  void Hold(bool held) { held_ = held; }
  // [heads][tokens] with eviction by score, in storage order.
  std::vector<std::vector<float>> RunningScores() const { return running_.Scores(tokens_); }
  // Of the next token: in the text, and what RoPE rotates it by.
  int next_position() const { return next_position_; }
  int next_index() const { return CachePositions(*plan_) ? next_index_ : next_position_; }
  const LayerShape& shape() const { return shape_; }
  const LayerPlan& plan() const { return *plan_; }
  const RopeTable& rope() const { return rope_; }
  const PartStore& store() const { return store_; }
  bool by_score() const { return EvictionByScore(*plan_) != nullptr && !MeasuresAnew(*plan_); }
  // Evicts by a score that is measured anew: wants each step's queries.
  bool keeps_queries() const { return newest_.has_value(); }
  void KeepQueries(const StepRows& rows, float logit_scale);
  PartBytes Bytes() const;
  std::vector<PartExport> Export(int head, Tensor tensor) const;
  void Scramble(uint64_t seed);

 private:
  void OpenQueries();
  int evicted_stride() const;  // of each head, at most
  void BuildHead(int head, const std::vector<int32_t>& kept, const ExactTokens& exact,
                 std::vector<PackItem>* items);
  void BuildRun(int head, int segment, const int32_t* key_rows, int keys, const int32_t* value_rows,
                int values, const ExactTokens& exact, std::vector<PackItem>* items);
  void BuildPart(int head, Tensor tensor, int segment, const int32_t* rows, int tokens,
                 const ExactTokens& exact, std::vector<PackItem>* items);
  void TakeSegments(int head, const ExactTokens& exact);
  void Center(const std::vector<std::vector<int32_t>>& kept, const ExactTokens& exact);
  const float* HeadOf(int head, Tensor tensor, const ExactTokens& exact) const;
  size_t RunBytes(Tensor tensor, int segment, int tokens) const;

  std::shared_ptr<Engine> engine_;
  std::shared_ptr<const LayerPlan> plan_;
  LayerShape shape_;
  RopeTable rope_;
  Segments segments_;
  bool track_positions_;
  bool held_ = false;
  PartStore store_;
  std::vector<HeadTokens> tokens_;       // [heads]
  RunningState running_;                 // with eviction by running scores
  std::optional<NewestQueries> newest_;  // with eviction by scores that are measured anew
  float logit_scale_ = 0;                // of those queries
  struct StepBuffer : Buffer {           // a copy of the layer gets its own
    StepBuffer() = default;
    StepBuffer(const StepBuffer&) : Buffer() {}
  };
  StepBuffer hidden_;  // [heads, rows] of the step, with sliding windows
  bool hides_ = false;
  int next_position_ = 0, next_index_ = 0;
  size_t planned_ = 0;
};

}  // namespace qpkv
