// Arguments of the ops that look at results: activations with NaN, and the choice of tokens from
// logits. Conventions: ops.h.
#pragma once
#include <cstdint>

namespace qpkv {

// notes[row] = mark where the row holds NaN and nothing was noted before.
struct NoteNanArgs {
  const float* x;  // [rows, dim]
  int rows, dim;
  int32_t mark;    // at least 0
  int32_t* notes;  // [rows], below 0: nothing noted
};

// counts[ids[i]] += 1.
struct CountTokensArgs {
  const int32_t* ids;  // [count]
  int count;
  int32_t* counts;  // [vocab]
};

constexpr int kMostLogprobs = 20;

// How one token is chosen. In order: the penalties, the bias, the mask; then the temperature, the k
// likeliest, of those the fewest whose probabilities reach top_p, of those the ones with at least
// min_p times the highest probability. Of equal logits the lower id comes first. All in double.
// Lies in device memory.
struct SampleRow {
  const float* logits;      // [vocab]
  const uint32_t* allowed;  // [(vocab + 31) / 32] bits, or null: all
  const int32_t* bias_ids;  // [bias_count] different ids
  const float* bias;        // [bias_count] added to their logits
  const int32_t* counts;    // [vocab] how often each token has occurred, or null: no penalties
  double temperature;       // 0: greedy
  double top_p;             // 1: off
  double min_p;             // 0: off
  // Of tokens that have occurred: a logit above 0 is divided by the first, another multiplied; the
  // second is subtracted once, the third as often as they have occurred.
  double repetition_penalty;  // 1: off
  double presence_penalty, frequency_penalty;
  double uniform;      // in [0, 1): the random number that chooses
  int32_t top_k;       // 0: off
  int32_t bias_count;  // 0: none
  // So many of the likeliest tokens are reported, at most kMostLogprobs; 0: only the chosen one;
  // below 0: nothing.
  int32_t logprobs;
  int32_t reserved;
};

struct SampledToken {
  int32_t id;  // -1: the mask allows none
  // Natural logarithms of the model's own probabilities: of its logits as they are. The likeliest
  // come first; what was not asked for is 0.
  float logprob;
  int32_t likeliest[kMostLogprobs];
  float logprobs[kMostLogprobs];
};

struct SampleArgs {
  const SampleRow* rows;  // [count]
  int count, vocab;
  SampledToken* out;  // [count]
};

}  // namespace qpkv
