// Which of many scores are the best: a search for the key of the last one kept, digit by digit, by
// one block. Keys are integers that sort as the scores do, larger is better.
#pragma once
#include <cstring>

#include "device/numbers.h"
#include "device/warp.h"

namespace qpkv {
namespace cuda {

// -0 and 0 tie.
QPKV_DEVICE uint32_t SortKey(float score) {
  const uint32_t bits = BitsOfFloat(score + 0.0f);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
QPKV_DEVICE uint64_t SortKey64(double score) {
  const double x = score + 0.0;
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits >> 63 ? ~bits : bits | (uint64_t{1} << 63);
}

template <class Key>
struct Threshold {
  Key key;
  int equal;  // how many with this very key are kept
};

// key_of(i, &key): the key of item i of `count`, false where it does not take part. At least one
// and at most all items that take part are to be kept. All threads of the block get the result.
template <class Key, class KeyOf>
QPKV_DEVICE Threshold<Key> FindThreshold(int count, int keep, const KeyOf& key_of) {
  QPKV_SHARED(int, histogram, [256]);
  QPKV_SHARED(int, found, [2]);  // the digit, and how many of it are kept
  Key prefix = 0, mask = 0;
  int missing = keep;
  for (int down = 8 * static_cast<int>(sizeof(Key)) - 8; down >= 0; down -= 8) {
    for (int i = static_cast<int>(threadIdx.x); i < 256; i += static_cast<int>(blockDim.x))
      histogram[i] = 0;
    __syncthreads();
    for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x)) {
      Key key;
      if (key_of(i, &key) && (key & mask) == prefix)
        atomicAdd(&histogram[static_cast<int>(key >> down & 255)], 1);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      int digit = 255, rest = missing;
      while (digit > 0 && histogram[digit] < rest) rest -= histogram[digit--];
      found[0] = digit;
      found[1] = rest;
    }
    __syncthreads();
    prefix |= static_cast<Key>(found[0]) << down;
    mask |= Key{255} << down;
    missing = found[1];
  }
  return {prefix, missing};
}

// Calls visit(i, place) for the items that are kept, in the order of i, place by place: those above
// the threshold and the first of those equal to it. Block-wide, in turns of blockDim.x items.
template <class Key, class KeyOf, class Visit>
QPKV_DEVICE int VisitKept(int count, const Threshold<Key>& threshold, const KeyOf& key_of,
                          const Visit& visit) {
  int places = 0, equal = 0;
  for (int turn = 0; turn < count; turn += static_cast<int>(blockDim.x)) {
    const int i = turn + static_cast<int>(threadIdx.x);
    Key key = 0;
    const bool takes_part = i < count && key_of(i, &key);
    const bool tied = takes_part && key == threshold.key;
    int ties;
    const int before = BlockScan(tied ? 1 : 0, &ties);
    const bool kept =
        takes_part && (key > threshold.key || (tied && equal + before < threshold.equal));
    equal += ties;
    int more;
    const int place = BlockScan(kept ? 1 : 0, &more);
    if (kept) visit(i, places + place);
    places += more;
  }
  return places;
}

}  // namespace cuda
}  // namespace qpkv
