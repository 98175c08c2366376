// See growth.h.
#include "engine/growth.h"

#include <algorithm>

namespace qpkv {

using Lock = std::lock_guard<std::mutex>;

void Growth::Begin(Grant grant, size_t per_token, int until) {
  const Lock lock(mutex_);
  grant_ = std::move(grant);
  per_token_ = per_token;
  until_ = until;
}

void Growth::BeginFork(Growth& of, int tokens, size_t copied) {
  const Lock lock(of.mutex_);
  const size_t room = of.per_token_ * static_cast<size_t>(std::max(of.until_ - tokens, 0));
  if (of.grant_.bytes() > room)
    of.shared_.push_back(std::make_shared<Grant>(of.grant_.Split(of.grant_.bytes() - room)));
  shared_ = of.shared_;
  per_token_ = of.per_token_;
  copied_ = copied;
  until_ = tokens;
}

size_t Growth::granted() const {
  const Lock lock(mutex_);
  size_t bytes = grant_.bytes();
  for (const auto& shared : shared_)
    if (shared.use_count() == 1) bytes += shared->bytes();
  return bytes;
}

void Growth::Renew(Grant lent, int tokens, size_t cache, const ContextMemory& memory) {
  const Lock lock(mutex_);
  per_token_ = memory.per_token;
  until_ = tokens + memory.growth_tokens;
  copied_ = 0;
  grant_.Join(std::move(lent));
  for (const auto& shared : shared_)
    if (shared.use_count() == 1) grant_.Join(std::move(*shared));
  shared_.clear();
  const size_t needed = cache + per_token_ * static_cast<size_t>(memory.growth_tokens);
  if (grant_.bytes() > needed) grant_.Drop(grant_.bytes() - needed);
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
