// A number for a list of numbers.
#pragma once
#include <cstdint>
#include <initializer_list>

namespace qpkv {

inline uint64_t HashOf(std::initializer_list<uint64_t> values) {
  uint64_t hash = 0x9e3779b97f4a7c15u;
  for (uint64_t value : values) {  // splitmix64's mixing
    uint64_t z = hash ^ (value + 0x9e3779b97f4a7c15u + (hash << 6) + (hash >> 2));
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    hash = z ^ (z >> 31);
  }
  return hash;
}

}  // namespace qpkv
