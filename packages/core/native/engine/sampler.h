// Choosing a token from logits, on the host.
#pragma once
#include <cstdint>
#include <vector>

#include "engine/random.h"

namespace qpkv {

struct Sampling {
  double temperature = 0;         // 0: greedy
  int top_k = 0;                  // 0: off
  double top_p = 1;               // 1: off
  double min_p = 0;               // 0: off
  double repetition_penalty = 1;  // 1: off
};

// Order as in the common implementations: repetition penalty on the logits of tokens seen before,
// then temperature, then the k likeliest, then the fewest whose probabilities reach p, then those
// with at least min_p times the highest probability. Ties go to the lower id.
int32_t SampleToken(const std::vector<float>& logits, const Sampling& sampling,
                    const std::vector<bool>& seen, Xoshiro256* random);

}  // namespace qpkv
