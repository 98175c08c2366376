// How the tokens of a head are cut into runs, and what a thread reads when.
#pragma once
#include "kernels/tile_view.inl.h"

namespace qpkv {
namespace {

// Tokens of a run: so many that all heads together make kRuns of them, so that many threads find
// work and a run still amortizes its start.
constexpr int kRuns = 64;
QPKV_INLINE int RunTokens(int tokens, int heads) {
  const int64_t all = static_cast<int64_t>(tokens) * heads;
  return static_cast<int>(all / kRuns < 512 ? 512 : all / kRuns > 4096 ? 4096 : all / kRuns);
}

// Bytes that asking for memory is ahead of reading, at least: what a core reads in the time that
// memory takes to answer, a few times over.
constexpr size_t kAheadBytes = 16384;

// Tokens of head `work` at which key parts and value parts both begin and end.
struct Run {
  int work, key_begin, key_end, value_begin, value_end, first, tokens;
  float* out;      // [rows, dim padded to 16], not normalized
  float* largest;  // [rows] largest logit
  float* sum;      // [rows] of exponentials
};

// What a thread reads: the keys of a run, its values, and the keys of the run that it is likely to
// take next.
struct ReadingOrder {
  const Part *keys, *values, *after;
  int key_count, value_count, after_count;

  // What is asked for while part i, of `bytes`, is read; null behind the end.
  const uint8_t* Ahead(int i, size_t bytes) const {
    i += static_cast<int>(kAheadBytes / bytes) + 1;
    if (i < key_count) return keys[i].data;
    i -= key_count;
    if (i < value_count) return values[i].data;
    i -= value_count;
    return i < after_count ? after[i].data : nullptr;
  }
};

// Calls use(run) for the runs of one head, in order.
template <class Use>
QPKV_INLINE void ForRuns(const HeadView& head, int heads, int work, const Use& use) {
  Run run{};
  run.work = work;
  const int least = RunTokens(head.tokens, heads);
  int keys = 0, values = 0, key_tokens = 0, value_tokens = 0;
  while (keys < head.key_parts || values < head.value_parts) {
    if (values == head.value_parts || (keys < head.key_parts && key_tokens <= value_tokens)) {
      key_tokens += TokensOf(head.keys, head.key_parts, keys++, head.tokens);
    } else {
      value_tokens += TokensOf(head.values, head.value_parts, values++, head.tokens);
    }
    const bool end = keys == head.key_parts && values == head.value_parts;
    const int tokens = key_tokens - run.first;
    if (key_tokens != value_tokens || tokens == 0 || (tokens < least && !end)) continue;
    run.key_end = keys;
    run.value_end = values;
    run.tokens = tokens;
    use(run);
    run.key_begin = keys;
    run.value_begin = values;
    run.first = key_tokens;
  }
}

}  // namespace
}  // namespace qpkv
