// bf16, float16 and float32, one value at a time, with the same bits as the CPU's
// (packages/core/native/base).
#pragma once
#include "device/platform.h"
#include "ops/tensor_format.h"
#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

namespace qpkv {
namespace cuda {

QPKV_DEVICE float FloatOfBits(uint32_t bits) {
#ifdef __CUDACC__
  return __uint_as_float(bits);
#else
  float f;
  std::memcpy(&f, &bits, sizeof f);
  return f;
#endif
}
QPKV_DEVICE uint32_t BitsOfFloat(float f) {
#ifdef __CUDACC__
  return __float_as_uint(f);
#else
  uint32_t bits;
  std::memcpy(&bits, &f, sizeof bits);
  return bits;
#endif
}

QPKV_DEVICE float Bf16ToFloat(uint32_t b) { return FloatOfBits(b << 16); }
QPKV_DEVICE uint32_t FloatToBf16(float f) {
  const uint32_t bits = BitsOfFloat(f);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (bits >> 16) | 0x40u;
  return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}
QPKV_DEVICE float RoundToBf16(float f) { return Bf16ToFloat(FloatToBf16(f)); }
// Two in a word, the first in its low half. For products: the bits of a NaN are any NaN's.
QPKV_DEVICE uint32_t PackBf16(float low, float high) {
#ifdef __CUDACC__
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  uint32_t bits;
  memcpy(&bits, &pair, sizeof bits);
  return bits;
#else
  return FloatToBf16(low) | FloatToBf16(high) << 16;
#endif
}
#ifdef __CUDACC__
// a - b of the bf16 in both halves; exact where a is 128 + x, which has x in its low bits, and b is
// 128.
QPKV_DEVICE uint32_t LessInHalves(uint32_t a, uint32_t b) {
  const uint32_t words[2] = {a, b};
  __nv_bfloat162 halves[2];
  memcpy(halves, words, sizeof words);
  const __nv_bfloat162 exact = __hsub2(halves[0], halves[1]);
  memcpy(&a, &exact, sizeof a);
  return a;
}
#endif
// Two whole numbers below 128 in the halves of a word.
QPKV_DEVICE uint32_t SmallToBf16(uint32_t pair) {
#ifdef __CUDACC__
  return LessInHalves(pair | 0x43004300u, 0x43004300u);
#else
  return PackBf16(static_cast<float>(pair & 0xffffu), static_cast<float>(pair >> 16));
#endif
}
// The same below 256, which bf16 still holds exactly: 128 is taken away only where it was not
// there.
QPKV_DEVICE uint32_t ByteToBf16(uint32_t pair) {
#ifdef __CUDACC__
  return LessInHalves((pair & 0x007f007fu) | 0x43004300u,
                      0x43004300u - (pair & 0x00800080u) * 0x86u);
#else
  return PackBf16(static_cast<float>(pair & 0xffffu), static_cast<float>(pair >> 16));
#endif
}
QPKV_DEVICE float HalfOf(uint32_t word, int i) {
  return Bf16ToFloat(i ? word >> 16 : word & 0xffffu);
}

QPKV_DEVICE float F16ToFloat(uint32_t h) {
#ifdef __CUDACC__
  return __half2float(__ushort_as_half(static_cast<unsigned short>(h)));
#else
  const uint32_t sign = (h & 0x8000u) << 16, exponent = (h >> 10) & 31u, fraction = h & 0x3ffu;
  if (exponent == 0)
    return FloatOfBits(BitsOfFloat(static_cast<float>(fraction) * 5.9604644775390625e-8f) | sign);
  if (exponent == 31) return FloatOfBits(sign | 0x7f800000u | fraction << 13);
  return FloatOfBits(sign | (exponent + 112u) << 23 | fraction << 13);
#endif
}
QPKV_DEVICE uint32_t FloatToF16(float f) {
#ifdef __CUDACC__
  return __half_as_ushort(__float2half_rn(f));
#else
  const uint32_t bits = BitsOfFloat(f), sign = (bits >> 16) & 0x8000u,
                 magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu);
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;
  if (magnitude < 0x38800000u)
    return sign | (BitsOfFloat(FloatOfBits(magnitude) + 0.5f) - 0x3f000000u);
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return sign | ((rounded - 0x38000000u) >> 13);
#endif
}

// Elements from memory that is aligned to their size.
QPKV_DEVICE float LoadElement(Element element, const void* data, size_t i) {
  if (element == Element::kF32) return static_cast<const float*>(data)[i];
  const uint32_t bits = static_cast<const uint16_t*>(data)[i];
  return element == Element::kF16 ? F16ToFloat(bits) : Bf16ToFloat(bits);
}
// Elements i and i + 1, i even.
QPKV_DEVICE void LoadElementPair(Element element, const void* data, size_t i, float* out) {
  if (element == Element::kF32) {
    for (int j = 0; j < 2; ++j)
      out[j] = static_cast<const float*>(data)[i + static_cast<size_t>(j)];
    return;
  }
  const uint32_t word = static_cast<const uint32_t*>(data)[i / 2];
  for (int j = 0; j < 2; ++j) {
    const uint32_t bits = word >> (16 * j) & 0xffffu;
    out[j] = element == Element::kF16 ? F16ToFloat(bits) : Bf16ToFloat(bits);
  }
}
QPKV_DEVICE void StoreElement(Element element, void* data, size_t i, float x) {
  if (element == Element::kF32)
    static_cast<float*>(data)[i] = x;
  else
    static_cast<uint16_t*>(data)[i] =
        static_cast<uint16_t>(element == Element::kF16 ? FloatToF16(x) : FloatToBf16(x));
}
// The same from any byte on.
QPKV_DEVICE float LoadElementAnywhere(Element element, const uint8_t* data, size_t i) {
  if (element != Element::kF32) {
    const uint32_t bits = data[2 * i] | static_cast<uint32_t>(data[2 * i + 1]) << 8;
    return element == Element::kF16 ? F16ToFloat(bits) : Bf16ToFloat(bits);
  }
  uint32_t bits = 0;
  for (int b = 3; b >= 0; --b) bits = bits << 8 | data[4 * i + static_cast<size_t>(b)];
  return FloatOfBits(bits);
}

QPKV_DEVICE bool IsNan(float x) { return x != x; }
QPKV_DEVICE float Infinity() { return FloatOfBits(0x7f800000u); }

}  // namespace cuda
}  // namespace qpkv
