// Numbers that depend on nothing but a seed and a counter, the same on every backend: a 64-bit
// mixer (Steele, Lea and Flood, "Fast splittable pseudorandom number generators").
#pragma once
#include <math.h>

#include <cstdint>

#include "ops/device_code.h"

namespace qpkv {

QPKV_DEVICE_CODE static inline uint64_t MixedBits(uint64_t seed, uint64_t counter) {
  uint64_t x = seed * 0xd1342543de82ef95u + (counter + 1) * 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// [0, 1), 24 bits.
QPKV_DEVICE_CODE static inline float UniformNumber(uint64_t seed, uint64_t counter) {
  return static_cast<float>(MixedBits(seed, counter) >> 40) / 16777216.0f;
}

// Standard normal (Box and Muller).
QPKV_DEVICE_CODE static inline double NormalNumber(uint64_t seed, uint64_t counter) {
  const double a =
      static_cast<double>((MixedBits(seed, 2 * counter) >> 11) + 1) / 9007199254740993.0;
  const double b = static_cast<double>(MixedBits(seed, 2 * counter + 1) >> 11) / 9007199254740992.0;
  return ::sqrt(-2 * ::log(a)) * ::cos(6.283185307179586 * b);
}

}  // namespace qpkv
