// The 16-lane vocabulary on no particular instruction set: GCC and Clang vector extensions, which
// the compiler lowers to what the target has (SSE2 on any x86-64). No fused multiply-add: Fma
// rounds twice here. See vec.h for what each name means.
#pragma once
#include <cstdint>
#include <cstring>

#include "base/bf16.h"
#include "base/f16.h"
#include "base/inline.h"

namespace qpkv {
namespace {

constexpr int kTileRows = 2;  // register tile of matrix products, in rows ...
constexpr int kTileCols = 1;  // ... and vectors of 16 columns
constexpr bool kNativePairs = false;
constexpr bool kAnyScale2 = false;
constexpr const char* kIsaName = "scalar";

typedef float Floats __attribute__((vector_size(64)));
typedef int32_t Ints __attribute__((vector_size(64)));
typedef uint32_t Words __attribute__((vector_size(64)));
typedef uint16_t Halves __attribute__((vector_size(64)));

struct F32x16 {
  Floats v;
};
struct I32x16 {
  Ints v;
};
struct U16x32 {
  Halves v;
};
struct B16x32 {
  Words v;
};
struct Mask16 {
  Ints v;
};  // all ones or zero
struct B16Table {
  uint16_t v[16];
};
struct SplatPair {
  float even, odd;
};
struct PairValue {
  float even, odd;
};  // two factors of one row

#define QPKV_V QPKV_INLINE F32x16
#define QPKV_I QPKV_INLINE I32x16
#define QPKV_U QPKV_INLINE U16x32
#define QPKV_B QPKV_INLINE B16x32
#define QPKV_M QPKV_INLINE Mask16

template <class To, class From>
QPKV_INLINE To BitCast(const From& from) {
  static_assert(sizeof(To) == sizeof(From), "same size");
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

QPKV_V Zero() { return {Floats{}}; }
QPKV_V Set(float x) { return {Floats{} + x}; }
QPKV_V Load(const float* p) {
  F32x16 r;
  std::memcpy(&r.v, p, sizeof r.v);
  return r;
}
QPKV_V LoadAligned(const float* p) { return Load(p); }
QPKV_V LoadN(const float* p, int n) {
  F32x16 r = Zero();
  for (int i = 0; i < 16 && i < n; ++i) r.v[i] = p[i];
  return r;
}
QPKV_INLINE void Store(float* p, F32x16 a) { std::memcpy(p, &a.v, sizeof a.v); }
QPKV_INLINE void StoreAligned(float* p, F32x16 a) { Store(p, a); }
QPKV_INLINE void StoreN(float* p, F32x16 a, int n) {
  for (int i = 0; i < 16 && i < n; ++i) p[i] = a.v[i];
}

QPKV_INLINE Floats Blend(Ints mask, Floats yes, Floats no) {
  return BitCast<Floats>((mask & BitCast<Ints>(yes)) | (~mask & BitCast<Ints>(no)));
}
QPKV_V Add(F32x16 a, F32x16 b) { return {a.v + b.v}; }
QPKV_V Sub(F32x16 a, F32x16 b) { return {a.v - b.v}; }
QPKV_V Mul(F32x16 a, F32x16 b) { return {a.v * b.v}; }
QPKV_V Div(F32x16 a, F32x16 b) { return {a.v / b.v}; }
QPKV_V Max(F32x16 a, F32x16 b) { return {Blend(a.v > b.v, a.v, b.v)}; }
QPKV_V Min(F32x16 a, F32x16 b) { return {Blend(a.v < b.v, a.v, b.v)}; }
QPKV_V Abs(F32x16 a) { return {BitCast<Floats>(BitCast<Ints>(a.v) & 0x7fffffff)}; }
QPKV_V Sqrt(F32x16 a) {
  for (int i = 0; i < 16; ++i) a.v[i] = __builtin_sqrtf(a.v[i]);
  return a;
}
QPKV_V Fma(F32x16 a, F32x16 b, F32x16 c) { return {a.v * b.v + c.v}; }
// Adding 2^23 leaves no fraction bits; from there on every float is a whole number.
QPKV_V RoundEven(F32x16 a) {
  const Ints sign = BitCast<Ints>(a.v) & static_cast<int32_t>(0x80000000u);
  const Floats magnitude = Abs(a).v;
  const Floats rounded = (magnitude + 8388608.0f) - 8388608.0f;
  return {Blend(magnitude < 8388608.0f, BitCast<Floats>(BitCast<Ints>(rounded) | sign), a.v)};
}
QPKV_I ToInt(F32x16 a) { return {__builtin_convertvector(RoundEven(a).v, Ints)}; }
QPKV_V ToFloat(I32x16 a) { return {__builtin_convertvector(a.v, Floats)}; }
QPKV_V Scale2(F32x16 a, F32x16 n) {  // n in [-126, 128]; 128 gives infinity
  return {a.v * BitCast<Floats>((__builtin_convertvector(n.v, Ints) + 127) << 23)};
}

QPKV_I SetI(int32_t x) { return {Ints{} + x}; }
QPKV_I Iota() { return {Ints{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}; }
QPKV_I LoadI(const int32_t* p) {
  I32x16 r;
  std::memcpy(&r.v, p, sizeof r.v);
  return r;
}
QPKV_INLINE void StoreI(int32_t* p, I32x16 a) { std::memcpy(p, &a.v, sizeof a.v); }
QPKV_I AddI(I32x16 a, I32x16 b) { return {a.v + b.v}; }
QPKV_I SubI(I32x16 a, I32x16 b) { return {a.v - b.v}; }
QPKV_I MinI(I32x16 a, I32x16 b) { return {(a.v & (a.v < b.v)) | (b.v & ~(a.v < b.v))}; }
QPKV_I MaxI(I32x16 a, I32x16 b) { return {(a.v & (a.v > b.v)) | (b.v & ~(a.v > b.v))}; }
QPKV_I AndI(I32x16 a, I32x16 b) { return {a.v & b.v}; }
QPKV_I OrI(I32x16 a, I32x16 b) { return {a.v | b.v}; }
QPKV_I ShiftLeftI(I32x16 a, int bits) { return {BitCast<Ints>(BitCast<Words>(a.v) << bits)}; }
QPKV_I ShiftRightI(I32x16 a, int bits) { return {BitCast<Ints>(BitCast<Words>(a.v) >> bits)}; }
QPKV_V BitsToFloat(I32x16 a) { return {BitCast<Floats>(a.v)}; }
QPKV_I BitsOf(F32x16 a) { return {BitCast<Ints>(a.v)}; }

QPKV_M Less(F32x16 a, F32x16 b) { return {a.v < b.v}; }
QPKV_M LessEqual(F32x16 a, F32x16 b) { return {a.v <= b.v}; }
QPKV_M Equal(F32x16 a, F32x16 b) { return {a.v == b.v}; }
QPKV_M IsNan(F32x16 a) { return {a.v != a.v}; }
QPKV_M LessI(I32x16 a, I32x16 b) { return {a.v < b.v}; }
QPKV_M FirstN(int n) { return {Iota().v < n}; }
QPKV_M MaskOf(uint32_t bits) { return {((static_cast<int32_t>(bits) >> Iota().v) & 1) != 0}; }
QPKV_INLINE uint32_t BitsOfMask(Mask16 m) {
  uint32_t bits = 0;
  for (int i = 0; i < 16; ++i) bits |= (m.v[i] & 1u) << i;
  return bits;
}
QPKV_M AndM(Mask16 a, Mask16 b) { return {a.v & b.v}; }
QPKV_M OrM(Mask16 a, Mask16 b) { return {a.v | b.v}; }
QPKV_M NotM(Mask16 a) { return {~a.v}; }
QPKV_INLINE bool Any(Mask16 m) { return BitsOfMask(m) != 0; }
QPKV_V Select(Mask16 m, F32x16 yes, F32x16 no) { return {Blend(m.v, yes.v, no.v)}; }

// Lanes i and i + 8 first, then + 4, + 2, + 1: the same tree on every instruction set.
#define QPKV_REDUCE(NAME, EXPRESSION)              \
  QPKV_INLINE float NAME(F32x16 x) {               \
    for (int half = 8; half > 0; half /= 2)        \
      for (int i = 0; i < half; ++i) {             \
        const float a = x.v[i], b = x.v[i + half]; \
        x.v[i] = EXPRESSION;                       \
      }                                            \
    return x.v[0];                                 \
  }
QPKV_REDUCE(ReduceAdd, a + b)
QPKV_REDUCE(ReduceMax, a > b ? a : b)
QPKV_REDUCE(ReduceMin, a < b ? a : b)
#undef QPKV_REDUCE

typedef uint16_t Shorts16 __attribute__((vector_size(32)));
typedef uint8_t Bytes16 __attribute__((vector_size(16)));

QPKV_V LoadBf16(const uint16_t* p) {
  Shorts16 s;
  std::memcpy(&s, p, sizeof s);
  return {BitCast<Floats>(__builtin_convertvector(s, Words) << 16)};
}
QPKV_V LoadBf16N(const uint16_t* p, int n) {
  F32x16 r = Zero();
  for (int i = 0; i < 16 && i < n; ++i) r.v[i] = Bf16ToFloat(p[i]);
  return r;
}
QPKV_INLINE Words RoundBf16(Floats a) {  // in the low halves
  const Words bits = BitCast<Words>(a);
  const Words rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const Words nan = BitCast<Words>(a != a);
  return (rounded & ~nan) | (((bits >> 16) | 0x40u) & nan);
}
QPKV_INLINE void StoreBf16(uint16_t* p, F32x16 a) {
  const Shorts16 s = __builtin_convertvector(RoundBf16(a.v), Shorts16);
  std::memcpy(p, &s, sizeof s);
}
QPKV_INLINE void StoreBf16N(uint16_t* p, F32x16 a, int n) {
  for (int i = 0; i < 16 && i < n; ++i) p[i] = FloatToBf16(a.v[i]);
}
QPKV_V LoadF16N(const uint16_t* p, int n) {
  F32x16 r = Zero();
  for (int i = 0; i < 16 && i < n; ++i) r.v[i] = F16ToFloat(p[i]);
  return r;
}
QPKV_V LoadF16(const uint16_t* p) { return LoadF16N(p, 16); }
QPKV_INLINE void StoreF16N(uint16_t* p, F32x16 a, int n) {
  for (int i = 0; i < 16 && i < n; ++i) p[i] = FloatToF16(a.v[i]);
}
QPKV_INLINE void StoreF16(uint16_t* p, F32x16 a) { StoreF16N(p, a, 16); }
QPKV_I LoadU8I(const uint8_t* p) {
  Bytes16 b;
  std::memcpy(&b, p, sizeof b);
  return {__builtin_convertvector(b, Ints)};
}
QPKV_V LoadU8(const uint8_t* p) { return ToFloat(LoadU8I(p)); }
QPKV_INLINE void StoreU8(uint8_t* p, I32x16 a) {
  const Bytes16 b = __builtin_convertvector(a.v, Bytes16);
  std::memcpy(p, &b, sizeof b);
}

// ---- bf16 pairs
QPKV_B LoadB16(const uint16_t* p) {
  B16x32 r;
  std::memcpy(&r.v, p, sizeof r.v);
  return r;
}
QPKV_INLINE void StoreB16(uint16_t* p, B16x32 a) { std::memcpy(p, &a.v, sizeof a.v); }
QPKV_V Even(B16x32 a) { return {BitCast<Floats>(a.v << 16)}; }
QPKV_V Odd(B16x32 a) { return {BitCast<Floats>(a.v & 0xffff0000u)}; }
QPKV_B PackPairs(F32x16 even, F32x16 odd) { return {RoundBf16(even.v) | (RoundBf16(odd.v) << 16)}; }
QPKV_B PackB16(F32x16 first, F32x16 second) {
  uint16_t words[32];
  StoreBf16(words, first);
  StoreBf16(words + 16, second);
  return LoadB16(words);
}
QPKV_V DotPairs(F32x16 acc, B16x32 a, B16x32 b) {
  return Fma(Even(a), Even(b), Fma(Odd(a), Odd(b), acc));
}
QPKV_INLINE SplatPair SetPair(PairValue pair) { return {pair.even, pair.odd}; }
QPKV_INLINE SplatPair SetPair(const PairValue* pair) { return {pair->even, pair->odd}; }
QPKV_V DotSplat(F32x16 acc, B16x32 a, SplatPair b) {
  return Fma(Even(a), Set(b.even), Fma(Odd(a), Set(b.odd), acc));
}
// 32 consecutive factors (16 pairs) of a row, rounded to bf16.
QPKV_INLINE void StorePairValues(PairValue* p, F32x16 first, F32x16 second) {
  float* out = &p->even;
  Store(out, {BitCast<Floats>(RoundBf16(first.v) << 16)});
  Store(out + 16, {BitCast<Floats>(RoundBf16(second.v) << 16)});
}

// ---- 16-bit words
QPKV_U LoadU16(const uint16_t* p) {
  U16x32 r;
  std::memcpy(&r.v, p, sizeof r.v);
  return r;
}
QPKV_INLINE void StoreU16(uint16_t* p, U16x32 a) { std::memcpy(p, &a.v, sizeof a.v); }
QPKV_U SetU16(uint16_t x) { return {Halves{} + x}; }
QPKV_U ZeroU16() { return {Halves{}}; }
QPKV_U AndU16(U16x32 a, U16x32 b) { return {a.v & b.v}; }
QPKV_U OrU16(U16x32 a, U16x32 b) { return {a.v | b.v}; }
QPKV_U AddU16(U16x32 a, U16x32 b) { return {a.v + b.v}; }
QPKV_U ShiftLeftU16(U16x32 a, int bits) { return {a.v << bits}; }
QPKV_U ShiftRightU16(U16x32 a, int bits) { return {a.v >> bits}; }
QPKV_I EvenWords(U16x32 a) { return {BitCast<Ints>(BitCast<Words>(a.v) & 0xffffu)}; }
QPKV_I OddWords(U16x32 a) { return {BitCast<Ints>(BitCast<Words>(a.v) >> 16)}; }
QPKV_U JoinWords(I32x16 even, I32x16 odd) {
  return {BitCast<Halves>(BitCast<Words>(even.v) | (BitCast<Words>(odd.v) << 16))};
}
QPKV_B BitsToB16(U16x32 a) { return {BitCast<Words>(a.v)}; }
// Words 0..255 to bf16, exactly.
QPKV_B WordsToB16(U16x32 a) {
  const Words even = BitCast<Words>(ToFloat(EvenWords(a)).v),
              odd = BitCast<Words>(ToFloat(OddWords(a)).v);
  return {(even >> 16) | odd};  // both have 16 zero bits below
}
// Words 0..15 through a table of 16 bf16 values (given as bits).
QPKV_INLINE B16Table MakeB16Table(const uint16_t* table) {
  B16Table r;
  std::memcpy(r.v, table, sizeof r.v);
  return r;
}
QPKV_B LookupB16(B16Table table, U16x32 words) {
  U16x32 r;
  for (int i = 0; i < 32; ++i) r.v[i] = table.v[words.v[i] & 15];
  return BitsToB16(r);
}

// Sums of four vectors.
QPKV_INLINE void ReduceAdd4(const F32x16 (&x)[4], float* sums) {
  for (int i = 0; i < 4; ++i) sums[i] = ReduceAdd(x[i]);
}
// Words 0..15 through a table of 16 words.
QPKV_U LookupU16(B16Table table, U16x32 words) {
  return {BitCast<Halves>(LookupB16(table, words).v)};
}
// acc[i] + a[2i] b[2i] + a[2i + 1] b[2i + 1] with signed words, exact in int32.
QPKV_I DotWords(I32x16 acc, U16x32 a, U16x32 b) {
  const Ints x = BitCast<Ints>(a.v), y = BitCast<Ints>(b.v);
  return {acc.v + ((x << 16) >> 16) * ((y << 16) >> 16) + (x >> 16) * (y >> 16)};
}
// Sums of byte dots: codes 0..255 by signed bytes, exact in int32. They begin at a number of their
// own.
struct ByteSums {
  Ints v;
};
constexpr bool HasByteDots(int /*width*/) { return true; }
QPKV_INLINE ByteSums BeginByteDots(const int32_t* from) { return {Ints{} + *from}; }
QPKV_INLINE ByteSums DotBytes(ByteSums acc, U16x32 codes, U16x32 factors) {
  const Ints a = BitCast<Ints>(codes.v), b = BitCast<Ints>(factors.v);
  for (int i = 0; i < 32; i += 8) acc.v += ((a >> i) & 255) * ((b << (24 - i)) >> 24);
  return acc;
}
QPKV_I EndByteDots(ByteSums acc, const int32_t* /*from*/) { return {acc.v}; }
QPKV_U SetWordPair(const uint32_t* pair) { return {BitCast<Halves>(Words{} + *pair)}; }
// 32 consecutive integers in -32768..32767 as words.
QPKV_U PackWords(I32x16 first, I32x16 second) {
  U16x32 words;
  for (int i = 0; i < 16; ++i) {
    words.v[i] = static_cast<uint16_t>(first.v[i]);
    words.v[i + 16] = static_cast<uint16_t>(second.v[i]);
  }
  return words;
}
// The low word of each lane is a half.
QPKV_V F16BitsToFloat(I32x16 a) {
  F32x16 r = Zero();
  for (int i = 0; i < 16; ++i) r.v[i] = F16ToFloat(static_cast<uint16_t>(a.v[i]));
  return r;
}

QPKV_V Lookup256(const float* table, I32x16 index) {
  F32x16 r = Zero();
  for (int i = 0; i < 16; ++i) r.v[i] = table[index.v[i]];
  return r;
}
QPKV_V Lookup16(const float* table, I32x16 index) { return Lookup256(table, index); }

#undef QPKV_V
#undef QPKV_I
#undef QPKV_U
#undef QPKV_B
#undef QPKV_M

}  // namespace
}  // namespace qpkv
