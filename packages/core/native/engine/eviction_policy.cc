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

// Says in the key parts of a head what its lists say: who is valid in parts with a victim, and
// which positions have moved before the last one.
void Mark(const std::vector<int>& victims, const HeadTokens& tokens, int head, PartStore* store,
          std::vector<MarkItem>* items) {
  const int last = *std::max_element(victims.begin(), victims.end());
  const std::vector<StoredPart>& parts = store->list(head, Tensor::kKey).parts;
  for (size_t i = 0; i < parts.size() && parts[i].first <= last; ++i) {
    const int end = parts[i].first + parts[i].tokens;
    const bool hit = std::any_of(victims.begin(), victims.end(),
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

// Frees parts without valid tokens, where the value parts are cut alike.
void FreeEmptyParts(const std::vector<int>& victims, int head, HeadTokens* tokens, PartStore* store,
                    RunningState* running) {
  const std::vector<StoredPart>& parts = store->list(head, Tensor::kKey).parts;
  for (size_t i = parts.size(); i-- > 0;) {
    const StoredPart part = parts[i];
    const bool hit = std::any_of(victims.begin(), victims.end(), [&](int slot) {
      return slot >= part.first && slot < part.first + part.tokens;
    });
    if (!hit || AnyValid(*tokens, part)) continue;
    const int twin = TwinOf(*store, head, part);
    if (twin < 0) continue;
    store->Erase(head, Tensor::kKey, i, i + 1);
    store->Erase(head, Tensor::kValue, static_cast<size_t>(twin), static_cast<size_t>(twin) + 1);
    tokens->Erase(part.first, part.tokens);
    if (running != nullptr) running->Erase(head, part.first, part.tokens);
  }
}

}  // namespace

void RunningState::Start(std::vector<std::vector<float>> scores) {
  host_ = std::move(scores);
  on_host_ = true;
}

size_t RunningState::bytes(int heads, int stride) const {
  return static_cast<size_t>(heads) * stride * (2 * sizeof(float) + sizeof(int32_t) + 1);
}

RunningScores RunningState::View() const {
  RunningScores view{};
  const size_t cells = static_cast<size_t>(heads_) * stride_;
  view.scores = memory_->floats();
  view.positions = reinterpret_cast<int32_t*>(view.scores + 2 * cells);
  view.valid = reinterpret_cast<uint8_t*>(view.positions + cells);
  view.stride = stride_;
  return view;
}

float* RunningState::mass() const {
  return memory_->floats() + static_cast<size_t>(heads_) * stride_;
}

void RunningState::Pull() {
  if (on_host_) return;
  host_.assign(static_cast<size_t>(heads_), std::vector<float>(static_cast<size_t>(stride_)));
  std::vector<float> all(static_cast<size_t>(heads_) * stride_);
  engine_->Download(all.data(), memory_->data(), all.size() * sizeof(float));
  for (int h = 0; h < heads_; ++h)
    std::copy_n(all.begin() + static_cast<long>(h) * stride_, stride_,
                host_[static_cast<size_t>(h)].begin());
  on_host_ = true;
}

void RunningState::Erase(int head, int first, int count) {
  Pull();
  std::vector<float>& scores = host_[static_cast<size_t>(head)];
  scores.erase(scores.begin() + first, scores.begin() + first + count);
}

void RunningState::Sync(const std::vector<HeadTokens>& tokens, int rows, int most_tokens,
                        DeviceWrites* writes) {
  const int heads = static_cast<int>(tokens.size());
  if (memory_ == nullptr || stride_ < most_tokens) {
    if (memory_ != nullptr) Pull();
    stride_ =
        static_cast<int>(AlignUp(static_cast<size_t>(std::max(most_tokens, 2 * stride_)), kLanes));
    heads_ = heads;
    memory_ = std::make_shared<Buffer>(engine_->device, bytes(heads_, stride_));
  } else if (memory_.use_count() > 1) {
    auto own = std::make_shared<Buffer>(engine_->device, bytes(heads_, stride_));
    if (!on_host_)
      engine_->ops.Copy(engine_->stream, own->data(), memory_->data(), bytes(heads_, stride_));
    memory_ = std::move(own);
  }
  if (!on_host_) return;
  host_.resize(tokens.size());
  const RunningScores view = View();
  for (int h = 0; h < heads_; ++h) {
    const HeadTokens& of = tokens[static_cast<size_t>(h)];
    const size_t count = of.valid.size() - static_cast<size_t>(rows);
    std::vector<uint8_t> valid(of.valid.begin(), of.valid.begin() + static_cast<long>(count));
    valid.resize(AlignUp(count, 4));
    host_[static_cast<size_t>(h)].resize(count);
    const size_t row = static_cast<size_t>(h) * stride_;
    writes->Add(view.scores + row, host_[static_cast<size_t>(h)].data(), count * sizeof(float));
    writes->Add(view.positions + row, of.positions.data(), count * sizeof(int32_t));
    writes->Add(view.valid + row, valid.data(), valid.size());
  }
  on_host_ = false;
}

int MostVictims(const LayerPlan& plan, const HeadTokens& tokens) {
  return std::max(0, static_cast<int>(tokens.valid.size()) - tokens.evicted - plan.capacity);
}

std::vector<int> OldestTokens(const LayerPlan& plan, const HeadTokens& tokens) {
  std::vector<int> live;
  const auto position = [&](int i) { return tokens.positions[static_cast<size_t>(i)]; };
  for (size_t i = 0; i < tokens.valid.size(); ++i)
    if (tokens.valid[i] && tokens.positions[i] >= plan.protect_first)
      live.push_back(static_cast<int>(i));
  if (plan.order_by_score || plan.Tiers() > 1)
    std::sort(live.begin(), live.end(), [&](int a, int b) { return position(a) < position(b); });
  live.resize(std::min(live.size(), static_cast<size_t>(MostVictims(plan, tokens))));
  return live;
}

void TakeOut(Engine& engine, const std::vector<std::vector<int>>& victims,
             std::vector<HeadTokens>* tokens, PartStore* store, RunningState* running) {
  std::vector<MarkItem> items;
  for (size_t h = 0; h < victims.size(); ++h) {
    HeadTokens& of = (*tokens)[h];
    for (int slot : victims[h]) {
      of.valid[static_cast<size_t>(slot)] = 0;
      ++of.evicted;
      if (!of.indices.empty())
        for (size_t i = 0; i < of.indices.size(); ++i)
          of.indices[i] += of.positions[i] < of.positions[static_cast<size_t>(slot)];
    }
    if (!victims[h].empty()) Mark(victims[h], of, static_cast<int>(h), store, &items);
  }
  if (!items.empty())
    engine.ops.MarkTokens(engine.stream, {OnHost<const MarkItem>(items.data()),
                                          static_cast<int>(items.size()), store->head_dim()});
  for (size_t h = 0; h < victims.size(); ++h)
    if (!victims[h].empty())
      FreeEmptyParts(victims[h], static_cast<int>(h), &(*tokens)[h], store, running);
}

}  // namespace qpkv
