// Select: the best candidates of each head, by a radix search for the score of the last one kept.
//
// Scores become integers that sort alike (larger is better). Three passes over histograms of 11, 11
// and 10 bits find the threshold; a last pass keeps everything above it and the first of those
// equal to it. No order of summation, no threads: always the same. Later stages pass over what is
// taken already.
#pragma once

namespace qpkv {
namespace {

// -0 and 0 tie.
QPKV_INLINE uint32_t SortKey(float score) {
  const float x = score + 0.0f;
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

struct Threshold {
  uint32_t key;
  int equal;  // how many with this very key are kept
};

// taken: [count], what is out of the question, or null.
Threshold FindThreshold(const float* scores, const uint8_t* taken, int count, int keep) {
  const int shifts[3] = {21, 10, 0}, widths[3] = {11, 11, 10};
  uint32_t prefix = 0, mask = 0;
  int missing = keep;
  for (int pass = 0; pass < 3; ++pass) {
    int histogram[2048] = {};
    const uint32_t digits = (1u << widths[pass]) - 1;
    for (int i = 0; i < count; ++i) {
      if (taken && taken[i]) continue;
      const uint32_t key = SortKey(scores[i]);
      if ((key & mask) == prefix) ++histogram[(key >> shifts[pass]) & digits];
    }
    uint32_t digit = digits;
    while (digit > 0 && histogram[digit] < missing) missing -= histogram[digit--];
    prefix |= digit << shifts[pass];
    mask |= digits << shifts[pass];
  }
  return {prefix, missing};
}

// Ascending heap sort; the values are all different.
void SortWords(uint64_t* a, int count) {
  const auto sink = [&](int i, int end) {
    for (int child; (child = 2 * i + 1) < end; i = child) {
      if (child + 1 < end && a[child + 1] > a[child]) ++child;
      if (a[i] >= a[child]) return;
      const uint64_t t = a[i];
      a[i] = a[child];
      a[child] = t;
    }
  };
  for (int i = count / 2; i-- > 0;) sink(i, count);
  for (int end = count - 1; end > 0; --end) {
    const uint64_t t = a[0];
    a[0] = a[end];
    a[end] = t;
    sink(0, end);
  }
}

// Slots of one stage: its part, rounded down; the last stage takes what is left.
QPKV_INLINE int StageSlots(const SelectArgs& args, int stage, int keep, int left) {
  if (stage + 1 == args.stage_count) return left;
  // A share that was meant to be whole, such as 0.1 of 30, must not lose a slot to its rounding.
  const SelectStage& at = args.stages[stage];
  const int slots = static_cast<int>(at.share * (keep + at.reserved) + 1e-9) - at.reserved;
  return slots < 0 ? 0 : slots < left ? slots : left;
}

// One stage of one head: marks what it takes, and writes its tokens to `kept` where they are stored
// by score.
void SelectStageOf(const SelectArgs& args, const float* scores, int count, int keep, uint8_t* taken,
                   uint64_t* order, int32_t* kept) {
  const Threshold threshold = FindThreshold(scores, taken, count, keep);
  int equal = threshold.equal, found = 0;
  for (int i = 0; i < count && found < keep; ++i) {
    if (taken[i]) continue;
    const uint32_t key = SortKey(scores[i]);
    if (key < threshold.key || (key == threshold.key && equal-- <= 0)) continue;
    taken[i] = 1;
    if (args.by_score) order[found] = static_cast<uint64_t>(~key) << 32 | static_cast<uint32_t>(i);
    ++found;
  }
  if (!args.by_score) return;
  SortWords(order, found);
  for (int i = 0; i < found; ++i)
    kept[i] = args.candidates_begin + static_cast<int32_t>(order[i] & 0xffffffffu);
}

// Returns whether a candidate is NaN. taken: [count]; order: [count] where tokens are stored by
// score.
bool SelectHead(const SelectArgs& args, int head, uint8_t* taken, uint64_t* order) {
  const int count = args.candidates_end - args.candidates_begin;
  const int keep = args.keep ? args.keep[head] : args.keep_each;
  int32_t* const begin = args.kept.get() + static_cast<size_t>(head) * args.kept_stride;
  int32_t* kept = begin;
  const auto scores_of = [&](int stage) {
    return args.stages[stage].scores + static_cast<size_t>(head) * args.stride +
           args.candidates_begin;
  };
  for (int s = 0; s < args.stage_count; ++s)
    for (int i = 0; i < count; ++i)
      if (scores_of(s)[i] != scores_of(s)[i]) return true;

  for (int t = args.first_begin; t < args.candidates_begin; ++t) *kept++ = t;
  __builtin_memset(taken, 0, static_cast<size_t>(count));
  for (int i = 0; i < args.fixed_count; ++i) {
    taken[args.fixed.get()[i] - args.candidates_begin] = 1;
    if (args.by_score) *kept++ = args.fixed.get()[i];
  }
  int left = keep;
  for (int s = 0; s < args.stage_count && left > 0; ++s) {
    const int slots = StageSlots(args, s, keep, left);
    if (slots <= 0) continue;
    SelectStageOf(args, scores_of(s), count, slots, taken, order, kept);
    if (args.by_score) kept += slots;
    left -= slots;
  }
  if (!args.by_score)
    for (int i = 0; i < count; ++i)
      if (taken[i]) *kept++ = args.candidates_begin + i;
  for (int t = args.candidates_end; t < args.tokens; ++t) *kept++ = t;
  args.kept_count.get()[head] = static_cast<int32_t>(kept - begin);
  return false;
}

void Select(Stream& stream, const SelectArgs& args) {
  const size_t count = static_cast<size_t>(args.candidates_end - args.candidates_begin);
  const size_t order_bytes = args.by_score ? sizeof(uint64_t) * count : 0;
  uint8_t* bad = static_cast<uint8_t*>(stream.SharedScratch(static_cast<size_t>(args.heads)));
  stream.ParallelFor(args.heads, [&](int head, int thread) {
    uint8_t* scratch = static_cast<uint8_t*>(stream.Scratch(thread, order_bytes + count + 1));
    bad[head] = SelectHead(args, head, scratch + order_bytes, reinterpret_cast<uint64_t*>(scratch));
  });
  *args.nan_head.get() = -1;
  for (int head = args.heads - 1; head >= 0; --head)
    if (bad[head]) *args.nan_head.get() = head;
}

}  // namespace
}  // namespace qpkv
