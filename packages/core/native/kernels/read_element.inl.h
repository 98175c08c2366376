// Elements of a file's tensor. Tensors begin anywhere in a file, so elements are read as bytes.
#pragma once
#include "base/bf16.h"
#include "base/f16.h"

namespace qpkv {
namespace {

QPKV_INLINE uint16_t ReadBits16(const void* p, size_t i) {
  uint16_t bits;
  __builtin_memcpy(&bits, static_cast<const char*>(p) + i * sizeof bits, sizeof bits);
  return bits;
}

QPKV_INLINE float ReadElement(const void* p, Element element, size_t i) {
  if (element == Element::kF32) {
    float value;
    __builtin_memcpy(&value, static_cast<const char*>(p) + i * sizeof value, sizeof value);
    return value;
  }
  const uint16_t bits = ReadBits16(p, i);
  return element == Element::kF16 ? F16ToFloat(bits) : Bf16ToFloat(bits);
}

QPKV_INLINE uint16_t ReadAsBf16(const void* p, Element element, size_t i) {
  return element == Element::kBf16 ? ReadBits16(p, i) : FloatToBf16(ReadElement(p, element, i));
}

// Elements i .. i + 15, those from `count` on zero.
QPKV_INLINE F32x16 ReadElements(const void* p, Element element, size_t i, int count) {
  alignas(64) char copy[16 * sizeof(float)];
  const size_t bytes = ElementBytes(element);
  const int n = count < 16 ? count : 16;
  __builtin_memcpy(copy, static_cast<const char*>(p) + i * bytes, n * bytes);
  if (element == Element::kF32) return LoadN(reinterpret_cast<const float*>(copy), n);
  const uint16_t* halves = reinterpret_cast<const uint16_t*>(copy);
  return element == Element::kF16 ? LoadF16N(halves, n) : LoadBf16N(halves, n);
}

}  // namespace
}  // namespace qpkv
