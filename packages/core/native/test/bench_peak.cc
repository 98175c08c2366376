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

#if defined(__x86_64__)
// Twelve independent accumulators hide the latency; single variables, since an array would be
// stored in every round.
#define QPKV_ONE(INSTRUCTION, KIND, A) \
  asm volatile(INSTRUCTION " %1, %1, %0" : "+" KIND(A) : KIND(x))
#define QPKV_TWELVE(INSTRUCTION, KIND) \
  {                                    \
    QPKV_ONE(INSTRUCTION, KIND, a0);   \
    QPKV_ONE(INSTRUCTION, KIND, a1);   \
    QPKV_ONE(INSTRUCTION, KIND, a2);   \
    QPKV_ONE(INSTRUCTION, KIND, a3);   \
    QPKV_ONE(INSTRUCTION, KIND, a4);   \
    QPKV_ONE(INSTRUCTION, KIND, a5);   \
    QPKV_ONE(INSTRUCTION, KIND, a6);   \
    QPKV_ONE(INSTRUCTION, KIND, a7);   \
    QPKV_ONE(INSTRUCTION, KIND, a8);   \
    QPKV_ONE(INSTRUCTION, KIND, a9);   \
    QPKV_ONE(INSTRUCTION, KIND, a10);  \
    QPKV_ONE(INSTRUCTION, KIND, a11);  \
  }

__attribute__((target("avx512f"))) double Fma512() {
  __m512 x = _mm512_set1_ps(0.999f);
  __m512 a0 = x, a1 = x, a2 = x, a3 = x, a4 = x, a5 = x, a6 = x, a7 = x, a8 = x, a9 = x, a10 = x,
         a11 = x;
  const double start = Now();
  for (int i = 0; i < kRounds; ++i) QPKV_TWELVE("vfmadd231ps", "v")
  return 12.0 * 32 * kRounds / (Now() - start) / 1e9;
}

__attribute__((target("avx512f,avx512bf16"))) double Dot512() {
  __m512 x = _mm512_castsi512_ps(_mm512_set1_epi32(0x3f003f00));
  __m512 a0 = x, a1 = x, a2 = x, a3 = x, a4 = x, a5 = x, a6 = x, a7 = x, a8 = x, a9 = x, a10 = x,
         a11 = x;
  const double start = Now();
  for (int i = 0; i < kRounds; ++i) QPKV_TWELVE("vdpbf16ps", "v")
  return 12.0 * 64 * kRounds / (Now() - start) / 1e9;
}

__attribute__((target("avx2,fma"))) double Fma256() {
  __m256 x = _mm256_set1_ps(0.999f);
  __m256 a0 = x, a1 = x, a2 = x, a3 = x, a4 = x, a5 = x, a6 = x, a7 = x, a8 = x, a9 = x, a10 = x,
         a11 = x;
  const double start = Now();
  for (int i = 0; i < kRounds; ++i) QPKV_TWELVE("vfmadd231ps", "x")
  return 12.0 * 16 * kRounds / (Now() - start) / 1e9;
}
#endif

}  // namespace

double PeakFma() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return Fma512();
  if (__builtin_cpu_supports("fma")) return Fma256();
#endif
  typedef float Floats __attribute__((vector_size(16)));
  Floats a[12] = {}, x = Floats{} + 0.999f;
  const double start = Now();
  for (int i = 0; i < kRounds; ++i)
    for (Floats& v : a) v = v * x + x;
  const double seconds = Now() - start;
  volatile float sink = a[0][0] + a[11][3];
  (void)sink;
  return 12.0 * 8 * kRounds / seconds / 1e9;
}

double PeakDot() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bf16")) return Dot512();
#endif
  return PeakFma();
}

double ReadBandwidth(Stream& stream, const void* data, size_t bytes) {
  double best = 0;
  constexpr size_t kChunk = size_t{1} << 18;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const double start = WallNow();
    stream.ParallelFor(static_cast<int>(bytes / kChunk), [&](int unit, int) {
      typedef uint64_t Words __attribute__((vector_size(64)));
      const Words* p =
          reinterpret_cast<const Words*>(static_cast<const char*>(data) + unit * kChunk);
      Words sum = {};
      for (size_t i = 0; i < kChunk / sizeof(Words); ++i) sum |= p[i];
      volatile uint64_t sink = sum[0] | sum[7];
      (void)sink;
    });
    best = std::max(best, static_cast<double>(bytes / kChunk * kChunk) / (WallNow() - start) / 1e9);
  }
  return best;
}

}  // namespace qpkv
