// See eviction_policy.h.
#include "engine/eviction_policy.h"

#include <algorithm>

namespace qpkv {
namespace {

// The value part that holds the same tokens as a key part, or -1.
int TwinOf(const PartStore& store, int head, const StoredPart& part) {
  const std::vector<StoredPart>& values = store.list(head, Tensor::kValue).parts;
  for (size_t i = 0; i < values.size() && values[i].first <= part.first; ++i)
    if (values[i].first == part.first && values[i].tokens == part.tokens)
      return static_cast<int>(i);
  return -1;
}

bool AnyValid(const HeadTokens& tokens, const StoredPart& part) {
  const auto begin = tokens.valid.begin() + part.first;
  return std::find(begin, begin + part.tokens, uint8_t{1}) != begin + part.tokens;
}

// Says in the key parts of a head what its lists say: who is valid in parts that lose a token, and
// which positions have moved before the last one.
void Mark(const std::vector<int>& evicted, const HeadTokens& tokens, int head, PartStore* store,
          std::vector<MarkItem>* items) {
  const int last = *std::max_element(evicted.begin(), evicted.end());
  const std::vector<StoredPart>& parts = store->list(head, Tensor::kKey).parts;
  for (size_t i = 0; i < parts.size() && parts[i].first <= last; ++i) {
    const int end = parts[i].first + parts[i].tokens;
    const bool hit = std::any_of(evicted.begin(), evicted.end(),
                                 [&](int slot) { return slot >= parts[i].first && slot < end; });
    if (!hit && tokens.indices.empty()) continue;
    if (hit && !AnyValid(tokens, parts[i]) && TwinOf(*store, head, parts[i]) >= 0) continue;
    store->Own(head, Tensor::kKey, i);
    MarkItem item{};
    item.shape = store->ShapeOf(Tensor::kKey, parts[i]);
    item.part = parts[i].block->data;
    item.tokens = parts[i].tokens;
    item.valid = OnHost(hit ? tokens.valid.data() + parts[i].first : nullptr);
    item.positions =
        OnHost(tokens.indices.empty() ? nullptr : tokens.indices.data() + parts[i].first);
    items->push_back(item);
  }
}

}  // namespace

void ScoreMoves::Add(std::shared_ptr<Buffer> from, int from_stride, float* to, int to_stride,
                     std::vector<std::vector<int32_t>> index) {
  MoveScoresItem item{};
  item.from = from->floats();
  item.to = to;
  item.heads = static_cast<int>(index.size());
  item.from_stride = from_stride;
  item.to_stride = to_stride;
  size_t most = 0;
  for (const auto& head : index) most = std::max(most, head.size());
  item.count = static_cast<int>(most);
  std::vector<int32_t> all;
  for (auto& head : index) {
    head.resize(most, -1);
    all.insert(all.end(), head.begin(), head.end());
  }
  indices_.push_back(std::move(all));
  alive_.push_back(std::move(from));
  items_.push_back(item);
}

void ScoreMoves::Run(Engine& engine) {
  for (size_t i = 0; i < items_.size(); ++i)
    items_[i].index = OnHost<const int32_t>(indices_[i].data());
  if (!items_.empty())
    engine.ops.MoveScores(engine.stream, {OnHost<const MoveScoresItem>(items_.data()),
                                          static_cast<int>(items_.size())});
  items_.clear(), indices_.clear(), alive_.clear();
}

RunningScores RunningState::View() const {
  RunningScores view{};
  const size_t cells = Elements(heads_, stride_);
  view.scores = memory_->floats();
  view.positions = reinterpret_cast<int32_t*>(view.scores + 2 * cells);
  view.valid = reinterpret_cast<uint8_t*>(view.positions + cells);
  view.stride = stride_;
  return view;
}

float* RunningState::mass() const { return memory_->floats() + Elements(heads_, stride_); }

void RunningState::Erase(int head, int tokens, int first, int count) {
  if (!start_.empty()) {
    std::vector<float>& scores = start_[head];
    scores.erase(scores.begin() + first, scores.begin() + first + count);
    return;
  }
  origin_.resize(static_cast<size_t>(heads_));
  std::vector<int32_t>& origin = origin_[head];
  for (int i = static_cast<int>(origin.size()); i < tokens; ++i) origin.push_back(i);
  origin.erase(origin.begin() + first, origin.begin() + first + count);
}

std::vector<std::vector<float>> RunningState::Scores(const std::vector<HeadTokens>& tokens) const {
  std::vector<float> held(memory_ == nullptr ? 0 : Elements(heads_, stride_));
  if (!held.empty()) engine_->Download(held.data(), memory_->data(), held.size() * sizeof(float));
  std::vector<std::vector<float>> scores(tokens.size());
  for (size_t h = 0; h < tokens.size(); ++h) {
    const size_t count = tokens[h].valid.size();
    if (held.empty() && h < start_.size()) scores[h] = start_[h];
    const bool moved = h < origin_.size() && !origin_[h].empty();
    for (size_t i = 0; i < count && !held.empty(); ++i)
      scores[h].push_back(
          held[Elements(h, stride_) + (moved ? static_cast<size_t>(origin_[h][i]) : i)]);
    scores[h].resize(count);
  }
  return scores;
}

// Where the scores of the tokens that are entered lie.
std::vector<std::vector<int32_t>> RunningState::Origins(const std::vector<HeadTokens>& tokens,
                                                        int rows) {
  std::vector<std::vector<int32_t>> origins = std::move(origin_);
  origin_.clear();
  origins.resize(tokens.size());
  for (size_t h = 0; h < tokens.size(); ++h)
    if (origins[h].empty())
      for (size_t i = 0; i + static_cast<size_t>(rows) < tokens[h].valid.size(); ++i)
        origins[h].push_back(static_cast<int32_t>(i));
  return origins;
}

void RunningState::Sync(const std::vector<HeadTokens>& tokens, int rows, int most_tokens,
                        DeviceWrites* writes, ScoreMoves* moves) {
  if (memory_ != nullptr && stride_ >= most_tokens && origin_.empty() && memory_.use_count() == 1)
    return;
  const std::shared_ptr<Buffer> before = std::move(memory_);
  const int stride_before = stride_;
  heads_ = static_cast<int>(tokens.size());
  if (stride_ < most_tokens) stride_ = WholeBlocks(std::max(most_tokens, 2 * stride_));
  const size_t cells = Elements(heads_, stride_);
  memory_ =
      std::make_shared<Buffer>(engine_->device, cells * (2 * sizeof(float) + sizeof(int32_t) + 1));
  const RunningScores view = View();
  if (before != nullptr)
    moves->Add(before, stride_before, view.scores, stride_, Origins(tokens, rows));
  start_.resize(before == nullptr ? tokens.size() : 0);
  for (size_t h = 0; h < tokens.size(); ++h) {
    const HeadTokens& of = tokens[h];
    const size_t count = of.valid.size() - static_cast<size_t>(rows);
    std::vector<uint8_t> valid(of.valid.begin(), of.valid.begin() + static_cast<long>(count));
    valid.resize(AlignUp(count, 4));
    const size_t row = Elements(h, stride_);
    if (before == nullptr) {
      start_[h].resize(count);
      writes->Add(view.scores + row, start_[h].data(), count * sizeof(float));
    }
    writes->Add(view.positions + row, of.positions.data(), count * sizeof(int32_t));
    writes->Add(view.valid + row, valid.data(), valid.size());
  }
  start_.clear();
}

int MaxEvicted(const LayerPlan& plan, const HeadTokens& tokens) {
  return std::max(0, static_cast<int>(tokens.valid.size()) - tokens.evicted - Capacity(plan));
}

std::vector<int> OldestTokens(const LayerPlan& plan, const HeadTokens& tokens) {
  std::vector<int> live;
  const auto position = [&](int i) { return tokens.positions[i]; };
  for (size_t i = 0; i < tokens.valid.size(); ++i)
    if (tokens.valid[i] && tokens.positions[i] >= plan.protect.first)
      live.push_back(static_cast<int>(i));
  if (OrdersByScore(plan) || Tiers(plan) > 1)
    std::sort(live.begin(), live.end(), [&](int a, int b) { return position(a) < position(b); });
  live.resize(std::min(live.size(), static_cast<size_t>(MaxEvicted(plan, tokens))));
  return live;
}

void TakeOut(const std::vector<std::vector<int>>& evicted, std::vector<HeadTokens>* tokens,
             PartStore* store, std::vector<MarkItem>* marks) {
  for (size_t h = 0; h < evicted.size(); ++h) {
    HeadTokens& of = (*tokens)[h];
    for (int slot : evicted[h]) {
      of.valid[slot] = 0;
      ++of.evicted;
      if (!of.indices.empty())
        for (size_t i = 0; i < of.indices.size(); ++i)
          of.indices[i] += of.positions[i] < of.positions[slot];
    }
    if (!evicted[h].empty()) Mark(evicted[h], of, static_cast<int>(h), store, marks);
  }
}

void FreeEmptyParts(std::vector<HeadTokens>* tokens, PartStore* store, RunningState* running) {
  for (int head = 0; head < store->heads(); ++head) {
    HeadTokens& of = (*tokens)[head];
    const std::vector<StoredPart>& parts = store->list(head, Tensor::kKey).parts;
    for (size_t i = parts.size(); of.evicted > 0 && i-- > 0;) {
      const StoredPart part = parts[i];
      if (AnyValid(of, part)) continue;
      const int twin = TwinOf(*store, head, part);
      if (twin < 0) continue;  // the value parts are cut otherwise
      store->Erase(head, Tensor::kKey, i, i + 1);
      store->Erase(head, Tensor::kValue, static_cast<size_t>(twin), static_cast<size_t>(twin) + 1);
      if (running != nullptr)
        running->Erase(head, static_cast<int>(of.valid.size()), part.first, part.tokens);
      of.Erase(part.first, part.tokens);
    }
  }
}

}  // namespace qpkv
