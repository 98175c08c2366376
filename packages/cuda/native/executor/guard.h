// What stands behind the end of memory: NaN to whoever reads it, as a float of 16 or 32 bits; an
// index far away; and bytes that a poisoned value (all ones) does not have, so that writing one
// there shows.
#pragma once
#include <cstddef>

namespace qpkv {
namespace executor {

inline unsigned char GuardByte(size_t i) { return i % 2 ? 0xff : 0xa5; }
inline void SetGuard(unsigned char* at, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) at[i] = GuardByte(i);
}

}  // namespace executor
}  // namespace qpkv
