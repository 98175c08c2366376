// How a sequence's next token is chosen; SampleRow (ops/output_ops.h) says what each field does.
#pragma once
#include <cstdint>
#include <vector>

namespace qpkv {

struct Sampling {
  double temperature = 0;  // 0: greedy
  int top_k = 0;           // 0: off
  double top_p = 1;        // 1: off
  double min_p = 0;        // 0: off
  double repetition_penalty = 1;
  double presence_penalty = 0, frequency_penalty = 0;
  int logprobs = -1;
  std::vector<uint32_t> allowed;  // [(vocab + 31) / 32] bits; empty: all
  std::vector<int32_t> bias_ids;  // different ones
  std::vector<float> bias;        // [bias_ids]

  bool counts_tokens() const {
    return repetition_penalty != 1 || presence_penalty != 0 || frequency_penalty != 0;
  }
};

}  // namespace qpkv
