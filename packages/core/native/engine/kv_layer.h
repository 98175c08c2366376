// The cache of one layer: per stored head, K and V in tiles of three segments (sinks, packed,
// recent). The same class serves generation and the checks.
//
// Built once from exact values. Later tokens are appended to `recent` exactly; when the segment's
// rule says so, its oldest tokens are coded into a new tile. Tiles are shared by forks (reference
// counts); the only parts ever written again are those at the end of a list that have free slots,
// and a shared one is copied before.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/part_list.h"
#include "engine/plan.h"
#include "engine/rope_table.h"

namespace qpkv {

struct LayerShape {
  int query_heads = 0, kv_heads = 0, head_dim = 0;
  bool per_query_head = false;  // one list per query head
  int window = 0;               // sliding window in tokens, 0: none
  float cap = 0;                // soft cap of the scaled logits, 0: none

  int stored_heads() const { return per_query_head ? query_heads : kv_heads; }
  // Query heads that read one stored head.
  int group() const { return query_heads / stored_heads(); }
  // The KV head that a stored head holds.
  int SourceHead(int stored) const { return stored / (stored_heads() / kv_heads); }
};

// Exact K and V of consecutive tokens, on the device.
struct ExactTokens {
  // [kvHeads, capacity, headDim]; keys before RoPE if the plan stores them so.
  const float* keys = nullptr;
  const float* values = nullptr;
  int capacity = 0;
  int tokens = 0;
  int first_position = 0;        // of token 0 in the text
  bool per_stored_head = false;  // the first dimension counts stored heads
};

// See NativeBytes in addon.ts.
struct PartBytes {
  size_t planned = 0;
  long long grown = 0;  // below 0 where tiles were freed
  size_t tails = 0;
};

// Codes, scales and values of one part, on the host; see NativePartExport in addon.ts.
struct PartExport {
  int bits = 16, tokens = 0;
  std::vector<float> values;
  std::vector<uint8_t> codes;
  std::vector<float> scales, offsets;
  std::vector<int32_t> positions;
};

class KvLayer {
 public:
  // kept: [storedHeads][..] positions in storage order.
  KvLayer(std::shared_ptr<Engine> engine, std::shared_ptr<const LayerPlan> plan, LayerShape shape,
          RopeTable rope, const ExactTokens& exact, const std::vector<std::vector<int32_t>>& kept,
          bool track_positions);
  KvLayer(const KvLayer&) = default;  // shares all tiles
  KvLayer& operator=(const KvLayer&) = delete;

  // Exact tokens at the end of `recent`. Nothing is coded yet: the new tokens' queries see them
  // exactly.
  void Append(const ExactTokens& exact);
  // Codes what the residual rule says, drops what the eviction rule says and frees what no query at
  // `next_position` or later sees.
  void Flush(int next_position);
  // Running scores of eviction by score start from these: [storedHeads, tokens] on the host, as
  // observed.
  void StartScores(const std::vector<float>& scores, int tokens);
  // Drops tokens beyond the plan's capacity; part of Flush.
  void Evict();
  // Attention of the `rows` tokens that were appended last. q: [rows, queryHeads, headDim] after
  // RoPE, row stride q_stride; out the same without gaps.
  void Attend(const float* q, int q_stride, float* out, int rows, int first_position,
              Precision precision, float logit_scale);

  int kept_tokens(int head) const { return heads_[static_cast<size_t>(head)].kept(); }
  // In storage order; only where positions are tracked.
  std::vector<int32_t> KeptPositions(int head) const;
  // What RoPE turns the next token by, where the plan counts positions in the cache.
  int next_index() const { return next_index_; }
  const KvHead& head(int index) const { return heads_[static_cast<size_t>(index)]; }
  const LayerShape& shape() const { return shape_; }
  const LayerPlan& plan() const { return *plan_; }
  const RopeTable& rope() const { return rope_; }
  PartBytes Bytes() const;
  std::vector<PartExport> Export(int head, Tensor tensor) const;
  void Scramble(uint64_t seed);

 private:
  // kv_layer.cc: building
  void BuildHead(int head, const std::vector<int32_t>& kept, const ExactTokens& exact,
                 std::vector<PackItem>* items);
  void BuildRun(int head, const SegmentPlan* segment, const int32_t* kept_keys, int keys,
                const int32_t* kept_values, int values, const ExactTokens& exact,
                std::vector<PackItem>* items);
  void BuildPart(int head, Tensor tensor, const TensorFormat& format, const int32_t* kept,
                 int tokens, const ExactTokens& exact, std::vector<PackItem>* items);
  int RecentTokens(Tensor tensor, int stored) const;
  size_t RunBytes(Tensor tensor, const TensorFormat& format, int tokens) const;
  const float* SourceOf(int head, Tensor tensor, const ExactTokens& exact) const;
  // What writes `count` exact tokens behind those that a part holds.
  PackItem ItemFor(Tensor tensor, const Part& part, const BlockRef& block, const float* source,
                   const int32_t* positions, int count) const;
  void Pack(const std::vector<PackItem>& items);

  // kv_append.cc
  UnpackArgs UnpackOf(Tensor tensor, const Part& part, float* values) const;
  void ReadValues(Tensor tensor, const Part& part, float* out) const;  // [part.tokens, headDim]
  Part NewPart(Tensor tensor, const TensorFormat& format, int part_tokens, BlockRef* block);
  void MakeWritable(PartList* list, size_t part);
  void GrowLast(PartList* list, Tensor tensor, int wanted);
  void AppendTo(int head, Tensor tensor, const ExactTokens& exact, const int32_t* positions,
                std::vector<PackItem>* items);

  // kv_flush.cc
  int FlushGroup(const SegmentPlan& packed) const;
  std::vector<size_t> HeadsWithRecent(Tensor tensor, int threshold) const;
  void FlushUnified(const SegmentPlan& packed, int recent);
  void FlushKivi(const SegmentPlan& packed, int recent);
  void FlushOldest(Tensor tensor, const SegmentPlan& packed, int count,
                   const std::vector<size_t>& heads);
  void FlushValues(const SegmentPlan& packed, int recent, const std::vector<size_t>& heads);
  void OpenPart(Tensor tensor, const TensorFormat& format, int part_tokens, PartList* list);
  const int32_t* StoredPositions(const KvHead& head, int index) const;
  int Gather(const PartList& list, Tensor tensor, int count, float* out) const;
  // Moves the oldest `count` recent tokens of these heads into the part that `open` leaves before
  // `recent`.
  void Recode(Tensor tensor, int count, const std::vector<size_t>& heads,
              const std::function<void(PartList*)>& open);

  // kv_attend.cc
  void ForgetHidden(int next_position);
  void AddMass(size_t head, const float* mass);

  // kv_export.cc
  PartExport ExportPart(Tensor tensor, const Part& part) const;
  std::vector<int32_t> ExportPositions(const KvHead& head, const Part& part, int first) const;

  // kv_evict.cc
  void EvictToken(KvHead* head, int token);
  void DropEmptyPart(KvHead* head, size_t part, int first);
  size_t WritablePart(KvHead* head, int token, int* first);
  void UploadMask(KvHead* head, size_t part, int first);

  const SegmentPlan& recent() const { return *recent_; }
  PartNeeds needs(Tensor tensor) const { return tensor == Tensor::kKey ? needs_ : PartNeeds{}; }

  std::shared_ptr<Engine> engine_;
  std::shared_ptr<const LayerPlan> plan_;
  LayerShape shape_;
  RopeTable rope_;
  PartNeeds needs_;
  bool track_positions_;
  const SegmentPlan* recent_;
  std::shared_ptr<BlockPool> pool_;
  std::vector<KvHead> heads_;
  int next_index_ = 0;
  size_t planned_ = 0;
};

}  // namespace qpkv
