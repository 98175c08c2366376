// What matrix products and attention see.
#pragma once
#include <cstdint>

namespace qpkv {

enum class Precision : uint8_t { kBf16, kF32 };

}  // namespace qpkv
