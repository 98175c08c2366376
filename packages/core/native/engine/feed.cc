// See feed.h.
#include "engine/feed.h"

#include <algorithm>

namespace qpkv {

Feed::Feed(Context& context, const int32_t* ids, int count, const Sampling* sampling)
    : context_(context),
      ids_(ids),
      count_(count),
      sampling_(sampling),
      wants_step_(count == 0 && sampling != nullptr) {}

int Feed::rows() const { return std::min(kAppendTokens, count_ - done_); }

Error Feed::Cancelled() const {
  return Error("KV_ABORTED", "Cancelled after " + std::to_string(done_) + " of " +
                                 std::to_string(count_) + " tokens.");
}

Work Feed::Next() {
  if (context_.abort.exchange(false)) throw Cancelled();
  const bool last = done_ + rows() == count_;
  const size_t vocab = static_cast<size_t>(context_.model().description.vocab);
  float* all = all_logits_ == nullptr ? nullptr : all_logits_ + static_cast<size_t>(done_) * vocab;
  work_ = context_.Prepare(ids_ + done_, rows(), all, last || all != nullptr,
                           last ? sampling_ : nullptr);
  return work_;
}

void Feed::Took(const Outcome& outcome) {
  const SampledToken token = context_.Took(work_, outcome);
  if (work_.sampling != nullptr) chosen_ = token;
  done_ += work_.rows;
  wants_step_ = false;
}

}  // namespace qpkv
