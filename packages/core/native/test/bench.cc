// qpkv_native_bench [filter]: speed of the dense ops beside the peaks of this machine, measured in
// the same run. Medians.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

#include "base/stream.h"
#include "ops/cpu_backend.h"
#include "test/bench_peak.h"

namespace qpkv {
namespace {

// One thread: CPU time, so that other work on this machine does not count. More threads: wall time.
bool use_wall_time = false;

double Now() {
  timespec t;
  clock_gettime(use_wall_time ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Median seconds of f, interleaved with the peak measurement so that both see the same minute.
struct Timing {
  double seconds, peak;
};
template <class F>
Timing Measure(const F& f, double (*peak)()) {
  std::vector<double> times, peaks;
  f();
  const double start = Now();
  while (times.size() < 5 || (times.size() < 31 && Now() - start < 0.7)) {
    peaks.push_back(peak());
    const double begin = Now();
    f();
    times.push_back(Now() - begin);
  }
  std::sort(times.begin(), times.end());
  std::sort(peaks.begin(), peaks.end());
  return {times[times.size() / 2], peaks[peaks.size() / 2]};
}

void Report(const char* what, double flops, Timing t, int threads) {
  const double rate = flops / t.seconds / 1e9;
  std::printf("%-58s %9.3f ms %8.1f GFLOP/s  %5.1f %% of %.0f x %d\n", what, t.seconds * 1e3, rate,
              100 * rate / (t.peak * threads), t.peak, threads);
  std::fflush(stdout);
}

std::vector<float> Noise(size_t count) {
  std::vector<float> x(count);
  uint32_t state = 1;
  for (float& v : x) {
    state = state * 1664525u + 1013904223u;
    v = static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
  }
  return x;
}

void BenchMatmul(const Ops& ops, Stream& stream, Element element, Products products, int m, int n,
                 int k) {
  const WeightFormat format = ExactWeights(element);
  const size_t bytes = ops.PackedWeightBytes(format, n, k);
  PackedWeight weight{std::aligned_alloc(64, bytes), format, n, k};
  const std::vector<float> source = Noise(static_cast<size_t>(n) * k);
  ops.PackWeight(stream, {OnHost<const void>(source.data()), Element::kF32, 0, n, weight});
  const std::vector<float> x = Noise(static_cast<size_t>(m) * k);
  std::vector<float> out(static_cast<size_t>(m) * n);
  const MatmulArgs args{x.data(), m, weight, nullptr, out.data(), false, products};
  char what[128];
  std::snprintf(what, sizeof what, "%s matmul %s/%s m=%d n=%d k=%d", ops.name,
                element == Element::kBf16  ? "bf16"
                : element == Element::kF16 ? "f16"
                                           : "f32",
                products == Products::kShort ? "bf16" : "f32", m, n, k);
  const bool dot = products == Products::kShort && element == Element::kBf16;
  const Timing t = Measure([&] { ops.Matmul(stream, args); }, dot ? PeakDot : PeakFma);
  Report(what, 2.0 * m * n * k, t, stream.threads());
  if (m == 1)
    std::printf("%-58s %9.1f GB/s (plain read %.1f)\n", "", bytes / t.seconds / 1e9,
                ReadBandwidth(stream, weight.data, bytes));
  std::free(weight.data);
}

double BenchPrefill(const Ops& ops, Stream& stream, Precision precision, int tokens, int q_heads,
                    int kv_heads, int dim) {
  const std::vector<float> q = Noise(static_cast<size_t>(tokens) * q_heads * dim);
  const std::vector<float> k = Noise(static_cast<size_t>(tokens) * kv_heads * dim);
  std::vector<float> out(q.size()), lse(static_cast<size_t>(q_heads) * tokens);
  const PrefillAttentionArgs args{q.data(),      k.data(), k.data(), out.data(), lse.data(),
                                  tokens,        0,        q_heads,  kv_heads,   dim,
                                  q_heads * dim, tokens,   0,        0.1f,       precision};
  char what[128];
  std::snprintf(what, sizeof what, "%s prefill %s tokens=%d heads=%d/%d dim=%d", ops.name,
                precision == Precision::kBf16 ? "bf16" : "f32", tokens, q_heads, kv_heads, dim);
  const double flops = 4.0 * dim * q_heads * (static_cast<double>(tokens) * (tokens + 1) / 2);
  const Timing t = Measure([&] { ops.PrefillAttention(stream, args); },
                           precision == Precision::kBf16 ? PeakDot : PeakFma);
  Report(what, flops, t, stream.threads());
  const double attention = t.seconds;

  std::vector<float> mass(static_cast<size_t>(q_heads) * tokens);
  const Statistic& attention_statistic = *FindStatistic(StatisticsOf(ops), "attention");
  for (int rows : {16, 32, 64, tokens})
    for (Precision p : {Precision::kF32, Precision::kBf16})
      for (bool given : {true, false}) {
        if (rows == tokens && (!given || p != precision)) continue;
        double options[kMaxOptions] = {static_cast<double>(tokens - rows),
                                       static_cast<double>(tokens)};  // settled: begin, end
        StatisticArgs observe{};
        observe.shape = {tokens, q_heads, kv_heads, dim, 0};
        observe.options = OnHost(static_cast<const double*>(options));
        observe.precision = p;
        observe.scale = 0.1f;
        observe.rows = rows;
        observe.first = tokens - rows;
        observe.q = q.data() + static_cast<size_t>(tokens - rows) * q_heads * dim;
        observe.q_stride = q_heads * dim;
        observe.lse = given ? lse.data() + (tokens - rows) : nullptr;
        observe.lse_stride = observe.capacity = tokens;
        observe.k = k.data();
        observe.out = mass.data();
        const Timing o = Measure([&] { attention_statistic.run(stream, observe); }, PeakFma);
        std::printf("   observe %s rows=%d%s: %.2f ms = %.2f %% of the attention above\n",
                    p == Precision::kBf16 ? "bf16" : "f32", rows,
                    given ? "" : ", lse computed here", o.seconds * 1e3,
                    100 * o.seconds / attention);
        std::fflush(stdout);
      }
  return attention;
}

}  // namespace
}  // namespace qpkv

int main(int argc, char** argv) {
  using namespace qpkv;
  const std::vector<const char*> words(argv + 1, argv + argc);
  const auto wants = [&](const char* word) {
    return words.empty() || std::any_of(words.begin(), words.end(),
                                        [&](const char* w) { return !std::strcmp(w, word); });
  };
  int tables = 0;
  const Ops* const* all = AvailableOps(&tables);
  for (int threads = 1; threads <= (wants("two") ? 2 : 1); ++threads) {
    Stream stream(threads);
    use_wall_time = threads > 1;
    for (int i = 0; i < tables; ++i) {
      const Ops& ops = *all[i];
      if (!std::strcmp(ops.name, "reference") || !wants(ops.name)) continue;
      if (wants("matmul")) {
        for (int m : {1, 6, 64, 512})
          BenchMatmul(ops, stream, Element::kBf16, Products::kShort, m, 2048, 2048);
        BenchMatmul(ops, stream, Element::kBf16, Products::kShort, 512, 2048, 8192);
        BenchMatmul(ops, stream, Element::kBf16, Products::kShort, 1, 32000, 2048);
        BenchMatmul(ops, stream, Element::kBf16, Products::kFloat, 512, 2048, 2048);
        BenchMatmul(ops, stream, Element::kF32, Products::kFloat, 512, 2048, 2048);
        BenchMatmul(ops, stream, Element::kF16, Products::kFloat, 512, 2048, 2048);
      }
      if (wants("prefill"))
        for (int dim : {64, 128})
          for (Precision precision : {Precision::kBf16, Precision::kF32})
            BenchPrefill(ops, stream, precision, wants("long") ? 8192 : 2048, 4, 1, dim);
    }
  }
}
