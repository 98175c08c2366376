// Eviction in decode: heads that hold more tokens than the plan's capacity lose one after the
// other. See kv_layer.h.
//
//   fifo          the oldest token behind the first `protect.first` positions
//   lowest-score  the one with the lowest running score among those, the newest `protect.last` left
//                 out; of equal scores the newer
//
// An evicted token keeps its slot; its bit in the tile's valid mask is cleared. A tile without
// valid tokens is freed. Tiles are shared by forks, so a key part is copied before its mask
// changes.
//
// Positions by index in the cache: RoPE sees differences only, so instead of moving every later key
// down by one, the keys before the evicted one (the sinks) move up by one and the next query's
// index goes on counting.
#include <algorithm>
#include <numeric>

#include "engine/kv_layer.h"

namespace qpkv {
namespace {

// Slots of the valid tokens by ascending position.
std::vector<int> LiveTokens(const KvHead& head, bool by_score) {
  std::vector<int> live;
  for (size_t i = 0; i < head.valid.size(); ++i)
    if (head.valid[i]) live.push_back(static_cast<int>(i));
  const auto position = [&](int i) { return head.positions[static_cast<size_t>(i)]; };
  if (by_score)
    std::sort(live.begin(), live.end(), [&](int a, int b) { return position(a) < position(b); });
  return live;
}

// The slot that leaves, or -1.
int Victim(const KvHead& head, const LayerPlan& plan) {
  const std::vector<int> live = LiveTokens(head, plan.order_by_score);
  size_t from = 0;
  while (from < live.size() && head.positions[static_cast<size_t>(live[from])] < plan.protect_first)
    ++from;
  if (from == live.size()) return -1;
  if (plan.evict == Evict::kFifo) return live[from];
  int lowest = -1;
  for (size_t i = from; i + static_cast<size_t>(plan.protect_last) < live.size(); ++i)
    if (lowest < 0 ||
        head.scores[static_cast<size_t>(live[i])] <= head.scores[static_cast<size_t>(lowest)])
      lowest = live[i];
  return lowest;
}

}  // namespace

void KvLayer::StartScores(const std::vector<float>& scores, int tokens) {
  if (!needs_.mask || scores.empty()) return;
  for (size_t h = 0; h < heads_.size(); ++h)
    for (size_t i = 0; i < heads_[h].positions.size(); ++i)
      heads_[h].scores[i] =
          scores[h * static_cast<size_t>(tokens) + static_cast<size_t>(heads_[h].positions[i])];
}

void KvLayer::Evict() {
  if (plan_->evict == Evict::kNever) return;
  for (KvHead& head : heads_)
    while (head.kept() > plan_->capacity) {
      const int token = Victim(head, *plan_);
      if (token < 0) break;
      EvictToken(&head, token);
    }
}

void KvLayer::EvictToken(KvHead* head, int token) {
  head->valid[static_cast<size_t>(token)] = 0;
  ++head->evicted;
  int first = 0;
  const size_t part = WritablePart(head, token, &first);
  if (plan_->cache_positions)
    for (int i = 0, begin = 0; i < token;) {
      const size_t at = WritablePart(head, i, &begin);
      const int end = std::min(token, begin + head->keys.parts[at].tokens);
      for (; i < end; ++i) ++head->indices[static_cast<size_t>(i)];
      const Part& written = head->keys.parts[at];
      const PartLayout layout = LayoutOf(Tensor::kKey, *written.format, written.part_tokens,
                                         shape_.head_dim, written.needs);
      engine_->Upload(head->keys.blocks[at]->data + layout.positions, head->indices.data() + begin,
                      static_cast<size_t>(written.tokens) * sizeof(int32_t));
    }
  UploadMask(head, part, first);
  DropEmptyPart(head, part, first);
}

// Index of the key part that holds a token, copied if a fork shares it; *first becomes the part's
// first token.
size_t KvLayer::WritablePart(KvHead* head, int token, int* first) {
  PartList& list = head->keys;
  size_t part = 0;
  int begin = 0;
  while (begin + list.parts[part].tokens <= token) begin += list.parts[part++].tokens;
  *first = begin;
  MakeWritable(&list, part);
  return part;
}

void KvLayer::UploadMask(KvHead* head, size_t part, int first) {
  const Part& at = head->keys.parts[part];
  const PartLayout layout =
      LayoutOf(Tensor::kKey, *at.format, at.part_tokens, shape_.head_dim, at.needs);
  uint8_t bits[kTileTokens / 8] = {};
  for (int i = 0; i < at.tokens; ++i)
    if (head->valid[static_cast<size_t>(first + i)])
      bits[i / 8] = static_cast<uint8_t>(bits[i / 8] | (1 << (i % 8)));
  engine_->Upload(head->keys.blocks[part]->data + layout.mask, bits, sizeof(bits));
}

// Frees a tile without valid tokens, where the value parts are cut alike.
void KvLayer::DropEmptyPart(KvHead* head, size_t part, int first) {
  const int tokens = head->keys.parts[part].tokens;
  const auto begin = head->valid.begin() + first;
  if (std::count(begin, begin + tokens, 1) > 0) return;
  size_t value_part = 0;
  int value_first = 0;
  while (value_part < head->values.parts.size() && value_first < first)
    value_first += head->values.parts[value_part++].tokens;
  if (value_first != first || value_part == head->values.parts.size() ||
      head->values.parts[value_part].tokens != tokens)
    return;
  const auto drop = [&](PartList* list, size_t index) {
    list->Erase(index, index + 1);
    list->tokens -= tokens;
    if (static_cast<int>(index) < list->recent_begin)
      --list->recent_begin;
    else
      list->recent_tokens -= tokens;
  };
  drop(&head->keys, part);
  drop(&head->values, value_part);
  const auto forget = [&](auto* values) {
    if (!values->empty()) values->erase(values->begin() + first, values->begin() + first + tokens);
  };
  forget(&head->positions);
  forget(&head->indices);
  forget(&head->valid);
  forget(&head->scores);
  head->evicted -= tokens;
}

std::vector<int32_t> KvLayer::KeptPositions(int head) const {
  const KvHead& from = heads_[static_cast<size_t>(head)];
  std::vector<int32_t> kept;
  for (size_t i = 0; i < from.positions.size(); ++i)
    if (from.valid.empty() || from.valid[i]) kept.push_back(from.positions[i]);
  return kept;
}

}  // namespace qpkv
