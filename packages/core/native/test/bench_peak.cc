#include "test/bench_peak.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>

#include "base/stream.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace qpkv {
namespace {

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

constexpr int kRounds = 200000;

#if defined(__x86_64__)
#define QPKV_TWELVE(STEP) STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7) STEP(8) STEP(9) STEP(10) STEP(11)

__attribute__((target("avx512f"))) double Fma512() {
  __m512 a[12], x = _mm512_set1_ps(0.999f);
  for (__m512& v : a) v = x;
  const double start = Now();
  for (int i = 0; i < kRounds; ++i) {
#define QPKV_STEP(N) asm volatile("vfmadd231ps %1, %1, %0" : "+v"(a[N]) : "v"(x));
    QPKV_TWELVE(QPKV_STEP)
#undef QPKV_STEP
  }
  return 12.0 * 32 * kRounds / (Now() - start) / 1e9;
}

__attribute__((target("avx512f,avx512bf16"))) double Dot512() {
  __m512 a[12];
  const __m512i x = _mm512_set1_epi32(0x3f003f00);
  for (__m512& v : a) v = _mm512_setzero_ps();
  const double start = Now();
  for (int i = 0; i < kRounds; ++i) {
#define QPKV_STEP(N) asm volatile("vdpbf16ps %1, %1, %0" : "+v"(a[N]) : "v"(x));
    QPKV_TWELVE(QPKV_STEP)
#undef QPKV_STEP
  }
  return 12.0 * 64 * kRounds / (Now() - start) / 1e9;
}

__attribute__((target("avx2,fma"))) double Fma256() {
  __m256 a[12], x = _mm256_set1_ps(0.999f);
  for (__m256& v : a) v = x;
  const double start = Now();
  for (int i = 0; i < kRounds; ++i) {
#define QPKV_STEP(N) asm volatile("vfmadd231ps %1, %1, %0" : "+x"(a[N]) : "x"(x));
    QPKV_TWELVE(QPKV_STEP)
#undef QPKV_STEP
  }
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
    const double start = Now();
    stream.ParallelFor(static_cast<int>(bytes / kChunk), [&](int unit, int) {
      typedef uint64_t Words __attribute__((vector_size(64)));
      const Words* p = reinterpret_cast<const Words*>(static_cast<const char*>(data) + unit * kChunk);
      Words sum = {};
      for (size_t i = 0; i < kChunk / sizeof(Words); ++i) sum |= p[i];
      volatile uint64_t sink = sum[0] | sum[7];
      (void)sink;
    });
    best = std::max(best, static_cast<double>(bytes / kChunk * kChunk) / (Now() - start) / 1e9);
  }
  return best;
}

}  // namespace qpkv
