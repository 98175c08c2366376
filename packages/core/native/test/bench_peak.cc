#include "test/bench_peak.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <ctime>

#include "base/stream.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace qpkv {
namespace {

// CPU time of this thread: other people's work on the same cores does not count.
double Now() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double WallNow() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

constexpr int kRounds = 200000;
constexpr int kChains = 12;  // independent accumulators that hide the latency

#if defined(__x86_64__)
// Single variables, since an array would be stored in every round.
#define QPKV_ONE(INSTRUCTION, KIND, A) \
  asm volatile(INSTRUCTION " %1, %1, %0" : "+" KIND(A) : KIND(x))
// Where the sum is an instruction of its own.
#define QPKV_PRODUCT_AND_SUM(PRODUCT, SUM, A) \
  asm volatile(PRODUCT " %2, %2, %1\n\t" SUM " %1, %0, %0" : "+x"(A), "=&x"(t) : "x"(x))
#define QPKV_EACH(DO, ...) \
  {                        \
    DO(__VA_ARGS__, a0);   \
    DO(__VA_ARGS__, a1);   \
    DO(__VA_ARGS__, a2);   \
    DO(__VA_ARGS__, a3);   \
    DO(__VA_ARGS__, a4);   \
    DO(__VA_ARGS__, a5);   \
    DO(__VA_ARGS__, a6);   \
    DO(__VA_ARGS__, a7);   \
    DO(__VA_ARGS__, a8);   \
    DO(__VA_ARGS__, a9);   \
    DO(__VA_ARGS__, a10);  \
    DO(__VA_ARGS__, a11);  \
  }

// Operations a second, `each` of them an instruction (or pair of them).
#define QPKV_PEAK(NAME, TARGET, VECTOR, ZERO, EACH, ...)                                   \
  __attribute__((target(TARGET))) double NAME() {                                          \
    VECTOR x = ZERO, t = x;                                                                \
    VECTOR a0 = x, a1 = x, a2 = x, a3 = x, a4 = x, a5 = x, a6 = x, a7 = x, a8 = x, a9 = x, \
           a10 = x, a11 = x;                                                               \
    (void)t;                                                                               \
    const double start = Now();                                                            \
    for (int i = 0; i < kRounds; ++i) QPKV_EACH(__VA_ARGS__)                               \
    return static_cast<double>(kChains) * EACH * kRounds / (Now() - start) / 1e9;          \
  }
QPKV_PEAK(Fma512, "avx512f", __m512, _mm512_setzero_ps(), 32, QPKV_ONE, "vfmadd231ps", "v")
QPKV_PEAK(PairDot512, "avx512f,avx512bf16", __m512, _mm512_setzero_ps(), 64, QPKV_ONE, "vdpbf16ps",
          "v")
QPKV_PEAK(WordDot512, "avx512f,avx512vnni", __m512i, _mm512_setzero_si512(), 64, QPKV_ONE,
          "vpdpwssd", "v")
QPKV_PEAK(ByteDot512, "avx512f,avx512vnni", __m512i, _mm512_setzero_si512(), 128, QPKV_ONE,
          "vpdpbusd", "v")
QPKV_PEAK(Fma256, "avx2,fma", __m256, _mm256_setzero_ps(), 16, QPKV_ONE, "vfmadd231ps", "x")
QPKV_PEAK(WordDot256, "avx2", __m256i, _mm256_setzero_si256(), 32, QPKV_PRODUCT_AND_SUM, "vpmaddwd",
          "vpaddd")
QPKV_PEAK(ByteDot256, "avx2", __m256i, _mm256_setzero_si256(), 64, QPKV_PRODUCT_AND_SUM,
          "vpmaddubsw", "vpaddw")

bool Is(const char* table, const char* name) { return std::strcmp(table, name) == 0; }
#endif

}  // namespace

double PeakRate(Peak peak, const char* table) {
#if defined(__x86_64__)
  if (Is(table, "avx512")) switch (peak) {
      case Peak::kFma:
        return Fma512();
      case Peak::kPairDot:
        return PairDot512();
      case Peak::kWordDot:
        return WordDot512();
      case Peak::kByteDot:
        return ByteDot512();
    }
  if (Is(table, "avx2")) switch (peak) {
      case Peak::kFma:
      case Peak::kPairDot:
        return Fma256();
      case Peak::kWordDot:
        return WordDot256();
      case Peak::kByteDot:
        return ByteDot256();
    }
#endif
  (void)peak;
  (void)table;
  typedef float Floats __attribute__((vector_size(16)));
  Floats a[kChains] = {}, x = Floats{} + 0.999f;
  const double start = Now();
  for (int i = 0; i < kRounds; ++i)
    for (Floats& v : a) v = v * x + x;
  const double seconds = Now() - start;
  volatile float sink = a[0][0] + a[kChains - 1][3];
  (void)sink;
  return kChains * 8.0 * kRounds / seconds / 1e9;
}

const char* NameOf(Peak peak, const char* table) {
  const bool x86 = !std::strcmp(table, "avx512") || !std::strcmp(table, "avx2");
  if (!x86 || peak == Peak::kFma || (peak == Peak::kPairDot && std::strcmp(table, "avx512")))
    return "float32 FMA";
  return peak == Peak::kPairDot   ? "bf16 pair dot"
         : peak == Peak::kWordDot ? "16-bit word dot"
                                  : "byte dot";
}

// By the processor time of a single thread, else by the clock on the wall.
double ReadBandwidth(Stream& stream, const void* data, size_t bytes) {
  const auto now = [&] { return stream.threads() == 1 ? Now() : WallNow(); };
  constexpr size_t kChunk = size_t{1} << 18;
  const double start = now();
  stream.ParallelFor(static_cast<int>(bytes / kChunk), [&](int unit, int) {
    const uint64_t* p =
        reinterpret_cast<const uint64_t*>(static_cast<const char*>(data) + unit * kChunk);
    uint64_t sums[8] = {};
    for (size_t i = 0; i < kChunk / sizeof(uint64_t); i += 8)
      for (int j = 0; j < 8; ++j) sums[j] |= p[i + j];
    volatile uint64_t sink =
        sums[0] | sums[1] | sums[2] | sums[3] | sums[4] | sums[5] | sums[6] | sums[7];
    (void)sink;
  });
  return static_cast<double>(bytes / kChunk * kChunk) / (now() - start) / 1e9;
}

}  // namespace qpkv
