// Select: the best candidates of each head, by a radix search for the score of the last one kept.
//
// Scores become integers that sort alike (larger is better). Three passes over histograms of 11, 11
// and 10 bits find the threshold; a last pass keeps everything above it and the first of those
// equal to it. No order of summation, no threads: always the same.
#pragma once

namespace qpkv {
namespace {

// -0 and 0 tie.
QPKV_INLINE uint32_t SortKey(float score, bool lowest) {
  const float x = score + 0.0f;
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  const uint32_t key = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
  return lowest ? ~key : key;
}

struct Threshold {
  uint32_t key;
  int equal;  // how many with this very key are kept
};

Threshold FindThreshold(const float* scores, int count, int keep, bool lowest) {
  const int shifts[3] = {21, 10, 0}, widths[3] = {11, 11, 10};
  uint32_t prefix = 0, mask = 0;
  int missing = keep;
  for (int pass = 0; pass < 3; ++pass) {
    int histogram[2048] = {};
    const uint32_t digits = (1u << widths[pass]) - 1;
    for (int i = 0; i < count; ++i) {
      const uint32_t key = SortKey(scores[i], lowest);
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

// Returns whether a candidate is NaN.
bool SelectHead(const SelectArgs& args, int head, uint64_t* order) {
  const float* scores =
      args.scores + static_cast<size_t>(head) * args.stride + args.candidates_begin;
  const int count = args.candidates_end - args.candidates_begin;
  const int before = args.candidates_begin - args.first_begin,
            after = args.tokens - args.candidates_end;
  int32_t* kept = args.kept + static_cast<size_t>(head) * (before + args.keep + after);
  for (int i = 0; i < before; ++i) *kept++ = args.first_begin + i;
  for (int i = 0; i < count; ++i)
    if (scores[i] != scores[i]) return true;

  if (args.keep > 0) {
    const Threshold threshold = FindThreshold(scores, count, args.keep, args.lowest);
    int equal = threshold.equal, found = 0;
    for (int i = 0; i < count && found < args.keep; ++i) {
      const uint32_t key = SortKey(scores[i], args.lowest);
      if (key < threshold.key || (key == threshold.key && equal-- <= 0)) continue;
      if (args.by_score)
        order[found] = static_cast<uint64_t>(~key) << 32 | static_cast<uint32_t>(i);
      kept[found++] = args.candidates_begin + i;
    }
    if (args.by_score) {
      SortWords(order, args.keep);
      for (int i = 0; i < args.keep; ++i)
        kept[i] = args.candidates_begin + static_cast<int32_t>(order[i] & 0xffffffffu);
    }
    kept += args.keep;
  }
  for (int i = 0; i < after; ++i) *kept++ = args.candidates_end + i;
  return false;
}

void Select(Stream& stream, const SelectArgs& args) {
  const size_t flag_bytes = AlignUp(args.heads, 64);
  uint8_t* shared = static_cast<uint8_t*>(stream.SharedScratch(
      flag_bytes + (args.by_score ? sizeof(uint64_t) * args.keep * args.heads : 0)));
  uint64_t* order = reinterpret_cast<uint64_t*>(shared + flag_bytes);
  stream.ParallelFor(args.heads, [&](int head, int) {
    shared[head] =
        SelectHead(args, head, order + (args.by_score ? static_cast<size_t>(args.keep) * head : 0));
  });
  *args.nan_head = -1;
  for (int head = args.heads - 1; head >= 0; --head)
    if (shared[head]) *args.nan_head = head;
}

}  // namespace
}  // namespace qpkv
