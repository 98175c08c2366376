// The tokens that pass the layers in a prefill: the prompt, and behind it any number of repetitions
// of parts of it. Each repetition sees the whole prompt and itself, as if it were the only text
// behind; its keys and values lie in the rows behind the prompt's until the next one replaces them.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

namespace qpkv {

// Tokens that repeat [from, to) of the prompt, and words around them.
struct Replay {
  std::vector<int32_t> ids;
  int from = 0, to = 0;
};

class PromptStream {
 public:
  PromptStream(std::vector<int32_t> prompt, std::vector<Replay> replays)
      : tokens_(static_cast<int>(prompt.size())),
        ids_(std::move(prompt)),
        replays_(std::move(replays)) {
    for (Replay& replay : replays_) {
      begins_.push_back(all());
      longest_ = std::max(longest_, static_cast<int>(replay.ids.size()));
      ids_.insert(ids_.end(), replay.ids.begin(), replay.ids.end());
    }
  }

  int tokens() const { return tokens_; }  // of the prompt
  int all() const { return static_cast<int>(ids_.size()); }
  int rows() const { return tokens_ + longest_; }  // of keys and values
  const int32_t* ids() const { return ids_.data(); }
  std::vector<int32_t> prompt() const { return {ids_.begin(), ids_.begin() + tokens_}; }

  // The repetition that token `at` belongs to; null: the prompt.
  const Replay* ReplayAt(int at) const { return at < tokens_ ? nullptr : &replays_[IndexAt(at)]; }
  // Where its repetition, or the prompt, begins and ends.
  int BeginOf(int at) const { return at < tokens_ ? 0 : begins_[IndexAt(at)]; }
  int EndOf(int at) const {
    const Replay* replay = ReplayAt(at);
    return replay == nullptr ? tokens_ : BeginOf(at) + static_cast<int>(replay->ids.size());
  }
  // Its position in the text, and the row of its key.
  int PositionOf(int at) const { return at < tokens_ ? at : tokens_ + at - BeginOf(at); }

 private:
  int IndexAt(int at) const {
    return static_cast<int>(std::upper_bound(begins_.begin(), begins_.end(), at) -
                            begins_.begin()) -
           1;
  }

  int tokens_;
  std::vector<int32_t> ids_;  // the prompt's, then those of all repetitions
  std::vector<Replay> replays_;
  std::vector<int> begins_;  // of repetitions in ids_
  int longest_ = 0;
};

}  // namespace qpkv
