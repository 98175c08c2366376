// How a sequence's next token is chosen; SampleRow (ops/output_ops.h) says what each field does.
#pragma once
#include <cstdint>

namespace qpkv {

struct Sampling {
  double temperature = 0;  // 0: greedy
  int top_k = 0;           // 0: off
  double top_p = 1;        // 1: off
  double min_p = 0;        // 0: off
  double repetition_penalty = 1;
  double presence_penalty = 0, frequency_penalty = 0;
  int logprobs = -1;
  // Device memory of the caller, or null.
  const uint32_t* allowed = nullptr;
  const int32_t* bias_ids = nullptr;
  const float* bias = nullptr;
  int bias_count = 0;

  bool counts_tokens() const {
    return repetition_penalty != 1 || presence_penalty != 0 || frequency_penalty != 0;
  }
};

}  // namespace qpkv
