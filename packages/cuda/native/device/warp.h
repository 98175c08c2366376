// Operations of all 32 lanes of a warp.
#pragma once
#include "device/platform.h"

namespace qpkv {
namespace cuda {

constexpr int kWarp = 32;

QPKV_DEVICE int LaneId() { return static_cast<int>(threadIdx.x) % kWarp; }
QPKV_DEVICE int WarpId() { return static_cast<int>(threadIdx.x) / kWarp; }

#ifdef __CUDACC__
// Numbers and small structs, word by word.
template <class T>
QPKV_DEVICE T ShuffleXor(T value, int with) {
  static_assert(sizeof(T) % 4 == 0, "whole words");
  uint32_t words[sizeof(T) / 4];
  memcpy(words, &value, sizeof value);
  for (uint32_t& word : words) word = __shfl_xor_sync(0xffffffffu, word, with);
  memcpy(&value, words, sizeof value);
  return value;
}
QPKV_DEVICE float ShuffleFrom(float value, int lane) {
  return __shfl_sync(0xffffffffu, value, lane);
}
QPKV_DEVICE unsigned Ballot(bool vote) { return __ballot_sync(0xffffffffu, vote); }
QPKV_DEVICE void SyncWarp() { __syncwarp(); }
QPKV_DEVICE int CountBits(unsigned x) { return __popc(x); }
#else
template <class T>
QPKV_DEVICE T ShuffleXor(T value, int with) {
  T out;
  executor::Warp("shuffle", &value, sizeof value, &out, [with](executor::WarpSlot& slot) {
    for (int lane = 0; lane < kWarp; ++lane) slot.Copy(lane, lane ^ with);
  });
  return out;
}
// Each lane names the lane whose value it gets.
QPKV_DEVICE float ShuffleFrom(float value, int lane) {
  const struct Lane {
    float value;
    int from;
  } in = {value, lane};
  float out = 0;
  executor::Warp("shuffle from", &in, sizeof in, &out, [](executor::WarpSlot& slot) {
    Lane lanes[kWarp];
    for (int l = 0; l < kWarp; ++l) std::memcpy(&lanes[l], slot.in[l], sizeof(Lane));
    for (int l = 0; l < kWarp; ++l)
      std::memcpy(slot.out[l], &lanes[lanes[l].from].value, sizeof(float));
  });
  return out;
}
QPKV_DEVICE unsigned Ballot(bool vote) {
  unsigned out = 0;
  const unsigned char own = vote ? 1 : 0;
  executor::Warp("ballot", &own, 1, &out, [](executor::WarpSlot& slot) {
    unsigned bits = 0;
    for (int lane = 0; lane < kWarp; ++lane) bits |= unsigned{slot.in[lane][0] != 0} << lane;
    for (int lane = 0; lane < kWarp; ++lane) std::memcpy(slot.out[lane], &bits, sizeof bits);
  });
  return out;
}
QPKV_DEVICE void SyncWarp() {
  char none = 0;
  executor::Warp("syncwarp", &none, 1, &none, [](executor::WarpSlot&) {});
}
QPKV_DEVICE int CountBits(unsigned x) { return __builtin_popcount(x); }
#endif

// Every lane gets the same bits: lanes are joined in pairs, fours, ...
template <class T, class Join>
QPKV_DEVICE T WarpJoin(T value, const Join& join) {
  for (int with = kWarp / 2; with > 0; with /= 2) value = join(value, ShuffleXor(value, with));
  return value;
}
struct Sum {
  template <class T>
  QPKV_ON_DEVICE T operator()(T a, T b) const {
    return a + b;
  }
};
struct Largest {
  template <class T>
  QPKV_ON_DEVICE T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};
template <class T>
QPKV_DEVICE T WarpSum(T value) {
  return WarpJoin(value, Sum{});
}
template <class T>
QPKV_DEVICE T WarpMax(T value) {
  return WarpJoin(value, Largest{});
}

// Over all threads of a block of whole warps, in a fixed order.
template <class T, class Join>
QPKV_DEVICE T BlockJoin(T value, const Join& join) {
  QPKV_SHARED(T, parts, [32]);
  value = WarpJoin(value, join);
  if (LaneId() == 0) parts[WarpId()] = value;
  __syncthreads();
  T all = parts[0];
  for (int w = 1; w < static_cast<int>(blockDim.x) / kWarp; ++w) all = join(all, parts[w]);
  __syncthreads();
  return all;
}
template <class T>
QPKV_DEVICE T BlockSum(T value) {
  return BlockJoin(value, Sum{});
}
template <class T>
QPKV_DEVICE T BlockMax(T value) {
  return BlockJoin(value, Largest{});
}

// Sum of the values of the threads before this one; *all: of all threads.
QPKV_DEVICE int BlockScan(int value, int* all) {
  QPKV_SHARED(int, parts, [32]);
  int sum = value, before = 0;  // of the lane's run of `with` lanes; of its lanes before this one
  for (int with = 1; with < kWarp; with *= 2) {
    const int other = ShuffleXor(sum, with);
    if (LaneId() & with) before += other;
    sum += other;
  }
  if (LaneId() == 0) parts[WarpId()] = sum;
  __syncthreads();
  *all = 0;
  for (int w = 0; w < static_cast<int>(blockDim.x) / kWarp; ++w) {
    if (w < WarpId()) before += parts[w];
    *all += parts[w];
  }
  __syncthreads();
  return before;
}

}  // namespace cuda
}  // namespace qpkv
