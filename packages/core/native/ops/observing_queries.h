// Which queries observe, from the option `queries` of a statistic: all, or the last ones before the
// end of the prompt or of the last user turn.
#pragma once
#include "ops/statistic.h"

namespace qpkv {

struct ObservingQueries {
  int begin, end;  // positions
};

// last: 0 for all.
static inline ObservingQueries ResolveQueries(const StatisticFacts& facts, double last,
                                              double before_user_end) {
  const int tokens = facts.shape.tokens, count = static_cast<int>(last);
  if (count == 0) return {0, tokens};
  const bool user = before_user_end != 0 && facts.user_end > 0 && facts.user_end < tokens;
  const int end = user ? facts.user_end : tokens;
  return {end > count ? end - count : 0, end};
}

}  // namespace qpkv
