// ShareHeads: how many slots each head of a layer gets where the heads share them.
//
// A head's share is how many of the layer's best scores are its own. The score of the last one is
// found by a radix search over doubles, in which scores that are weighed differ; ties go to the
// lower head, then the lower position. One thread: it compares each score a few times, while
// observing them took a product with every query.
#pragma once
#include "kernels/select.inl.h"

namespace qpkv {
namespace {

QPKV_INLINE uint64_t SortKey64(double score) {
  const double x = score + 0.0;
  uint64_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits >> 63 ? ~bits : bits | (uint64_t{1} << 63);
}

// Sum of a head's `slots` best scores over the sum of all, in double, best first; 0 where all are
// 0. order: [slots].
double TopShare(const float* scores, int count, int slots, uint64_t* order) {
  const Threshold threshold = FindThreshold(scores, nullptr, count, slots);
  double total = 0, best = 0;
  int equal = threshold.equal, found = 0;
  for (int i = 0; i < count; ++i) {
    total += scores[i];
    const uint32_t key = SortKey(scores[i]);
    if (key < threshold.key || (key == threshold.key && equal-- <= 0)) continue;
    order[found++] = static_cast<uint64_t>(~key) << 32 | static_cast<uint32_t>(i);
  }
  SortWords(order, found);
  for (int i = 0; i < found; ++i) best += scores[order[i] & 0xffffffffu];
  return total == 0 ? 0 : best / total;
}

// Marks the best `least` scores of each head. safe: [heads, count].
void MarkLeast(const ShareHeadsArgs& args, uint8_t* safe) {
  const int count = args.end - args.begin;
  const int least = args.least < count ? args.least : count;
  for (int head = 0; head < args.heads; ++head) {
    const float* scores = args.scores + static_cast<size_t>(head) * args.stride + args.begin;
    uint8_t* own = safe + static_cast<size_t>(head) * count;
    const Threshold threshold =
        least > 0 ? FindThreshold(scores, nullptr, count, least) : Threshold{};
    int equal = threshold.equal;
    for (int i = 0; i < count; ++i) {
      const uint32_t key = SortKey(scores[i]);
      own[i] = least > 0 && (key > threshold.key || (key == threshold.key && equal-- > 0));
    }
  }
}

// weights: [heads]; safe: [heads, count], or null; shares: [heads].
void BestShares(const ShareHeadsArgs& args, const double* weights, const uint8_t* safe,
                int32_t* shares) {
  const int count = args.end - args.begin;
  const auto key_of = [&](int head, int i) {
    if (safe && safe[static_cast<size_t>(head) * count + i]) return ~uint64_t{0};
    return SortKey64(args.scores[static_cast<size_t>(head) * args.stride + args.begin + i] *
                     weights[head]);
  };
  uint64_t prefix = 0, mask = 0;
  int64_t missing = args.total;
  for (int down = 56; down >= 0; down -= 8) {
    int64_t histogram[256] = {};
    for (int head = 0; head < args.heads; ++head)
      for (int i = 0; i < count; ++i) {
        const uint64_t key = key_of(head, i);
        if ((key & mask) == prefix) ++histogram[(key >> down) & 255];
      }
    int digit = 255;
    while (digit > 0 && histogram[digit] < missing) missing -= histogram[digit--];
    prefix |= static_cast<uint64_t>(digit) << down;
    mask |= uint64_t{255} << down;
  }
  for (int head = 0; head < args.heads; ++head) {
    shares[head] = 0;
    for (int i = 0; i < count; ++i) {
      const uint64_t key = key_of(head, i);
      const bool tied = key == prefix && missing > 0;
      missing -= tied;
      shares[head] += key > prefix || tied;
    }
  }
}

// Shares become slots: floor * slots + (1 - floor) * share, rounded head by head (half to even)
// or so that the sum is exact.
void RoundShares(const ShareHeadsArgs& args, const int32_t* shares, double* rests) {
  const int count = args.end - args.begin;
  const double equal = static_cast<double>(args.total) / args.heads;
  int64_t missing = args.total;
  for (int head = 0; head < args.heads; ++head) {
    if (args.round_each && args.least < 0) {
      const double wanted =
          shares[head] * (1 - args.floor) + __builtin_trunc(args.slots * args.floor);
      const int rounded = static_cast<int>(__builtin_nearbyint(wanted));
      args.keep[head] = rounded < count ? rounded : count;
      continue;
    }
    if (args.least >= 0) {
      args.keep[head] = shares[head];
      continue;
    }
    const double wanted = args.floor * equal + (1 - args.floor) * shares[head];
    args.keep[head] = static_cast<int32_t>(__builtin_floor(wanted));
    rests[head] = wanted - __builtin_floor(wanted);
    missing -= args.keep[head];
  }
  if (args.round_each || args.least >= 0) return;
  for (; missing > 0; --missing) {  // to the largest rest, of equal ones the lower head
    int most = 0;
    for (int head = 1; head < args.heads; ++head)
      if (rests[head] > rests[most]) most = head;
    ++args.keep[most];
    rests[most] = -1;
  }
}

// Rows of candidates: what is fixed is left out.
void CopyOpen(const ShareHeadsArgs& args, float* open) {
  for (int head = 0; head < args.heads; ++head) {
    const float* scores = args.scores + static_cast<size_t>(head) * args.stride;
    const int32_t* fixed = args.fixed.get();
    const int32_t* const end = fixed + args.fixed_count;
    for (int t = args.begin; t < args.end; ++t)
      if (fixed < end && *fixed == t)
        ++fixed;
      else
        *open++ = scores[t];
  }
}

// Whether a score cannot be compared; says so.
bool RefuseScores(const ShareHeadsArgs& args) {
  *args.bad_head.get() = -1;
  for (int head = 0; head < args.heads; ++head)
    for (int t = args.begin; t < args.end; ++t) {
      const float x = args.scores[static_cast<size_t>(head) * args.stride + t];
      // Infinity over infinity is no share; unweighed it is only a score like others.
      if (x == x && !(args.weigh_top_share && __builtin_isinf(x))) continue;
      *args.bad_head.get() = head;
      *args.bad_is_nan.get() = x != x;
      return true;
    }
  return false;
}

void ShareHeads(Stream& stream, const ShareHeadsArgs& given) {
  ShareHeadsArgs args = given;
  if (args.total == 0) args.total = static_cast<int64_t>(args.heads) * args.slots;
  const int count = args.end - args.begin - args.fixed_count;
  const bool all = args.total >= static_cast<int64_t>(args.heads) * count;
  const int order_count = args.slots > 0 && args.slots < count ? args.slots : 0;
  const size_t heads = static_cast<size_t>(args.heads);
  const size_t cells = heads * static_cast<size_t>(count);
  double* weights = static_cast<double*>(stream.SharedScratch(
      heads * (2 * sizeof(double) + sizeof(int32_t)) +
      sizeof(uint64_t) * static_cast<size_t>(order_count) +
      (args.fixed_count > 0 ? sizeof(float) * cells : 0) + (args.least >= 0 ? cells : 0) + 64));
  double* rests = weights + heads;
  uint64_t* order = reinterpret_cast<uint64_t*>(rests + heads);
  int32_t* shares = reinterpret_cast<int32_t*>(order + order_count);
  uint8_t* safe = reinterpret_cast<uint8_t*>(shares + heads);
  if (args.fixed_count > 0) {
    float* open = reinterpret_cast<float*>(safe);
    safe += sizeof(float) * cells;
    CopyOpen(args, open);
    args.scores = open;
    args.begin = 0;
    args.end = args.stride = count;
  }
  if (RefuseScores(args)) return;
  if (args.total <= 0 || all) {
    for (int head = 0; head < args.heads; ++head) args.keep[head] = all ? count : 0;
    return;
  }
  for (int head = 0; head < args.heads; ++head) {
    const float* scores = args.scores + static_cast<size_t>(head) * args.stride + args.begin;
    weights[head] = args.weigh_top_share ? TopShare(scores, count, order_count, order) : 1;
  }
  if (args.least >= 0) MarkLeast(args, safe);
  BestShares(args, weights, args.least >= 0 ? safe : nullptr, shares);
  RoundShares(args, shares, rests);
}

}  // namespace
}  // namespace qpkv
