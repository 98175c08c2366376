// See growth.h.
#include "engine/growth.h"

namespace qpkv {

using Lock = std::lock_guard<std::mutex>;

void Growth::Begin(Grant grant, size_t per_token, int until) {
  const Lock lock(mutex_);
  grant_ = std::move(grant);
  per_token_ = per_token;
  until_ = until;
}

void Growth::BeginFork(const Growth& of, int tokens, size_t copied) {
  const Lock lock(of.mutex_);
  per_token_ = of.per_token_;
  copied_ = copied;
  until_ = tokens;
}

bool Growth::Admit(int tokens, int rows) {
  const Lock lock(mutex_);
  const int needed = tokens + rows;
  if (per_token_ == 0 || needed <= until_) return true;
  for (const int until : {expected_, needed + kGrowthTokens, needed}) {
    if (until < needed) continue;
    if (!grant_.Add(static_cast<size_t>(until - until_) * per_token_ + copied_)) continue;
    until_ = until;
    copied_ = 0;
    return true;
  }
  return false;
}

void Growth::Expect(int tokens, int more) {
  const Lock lock(mutex_);
  expected_ = tokens + more;
  if (more > 0) {
    if (!open_) open_.emplace(ledger_);
    return;
  }
  open_.reset();
  const int keep = tokens + kGrowthTokens;
  if (until_ <= keep) return;
  grant_.Drop(static_cast<size_t>(until_ - keep) * per_token_);
  until_ = keep;
}

}  // namespace qpkv
