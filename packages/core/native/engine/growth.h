// How far a context may grow on the memory that it was granted.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/memory_ledger.h"

namespace qpkv {

// The engine thread asks, the event loop says what is to come: any thread may call.
class Growth {
 public:
  Growth(std::shared_ptr<MemoryLedger> ledger, int tokens)
      : ledger_(std::move(ledger)), grant_(ledger_), until_(tokens) {}

  // grant: for the cache and for growing to `until` tokens.
  void Begin(Grant grant, size_t per_token, int until);
  // A fork at `tokens` tokens shares what is there, and so what was granted for it: that is given
  // back when the last of them is gone. `copied` bytes of it may become its own.
  void BeginFork(Growth& of, int tokens, size_t copied);
  size_t granted() const;  // to nobody else
  // A cache that was stored again takes `cache` bytes and grows from `tokens` tokens as `memory`
  // says; what was granted beyond, `lent` with it, is given back.
  void Renew(Grant lent, int tokens, size_t cache, const ContextMemory& memory);
  // Whether it may grow from `tokens` by `rows` tokens, or is granted that now: with all that is
  // expected if that fits, else a block, else just these.
  bool Admit(int tokens, int rows);
  // How many will come next, from `tokens` on; 0: no more for now, and what was granted beyond a
  // block is given back.
  void Expect(int tokens, int more);

 private:
  mutable std::mutex mutex_;
  const std::shared_ptr<MemoryLedger> ledger_;
  Grant grant_;
  std::vector<std::shared_ptr<Grant>> shared_;  // with forks
  size_t per_token_ = 0, copied_ = 0;
  int until_;
  int expected_ = 0;
  std::optional<Open> open_;
};

}  // namespace qpkv
