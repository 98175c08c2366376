// qpkv_weights_bench [rows] [rounds] [n] [k] [table]: one matrix product per weight format, formats
// taking turns within a round, one thread by its processor time. Median milliseconds, speed over
// float32 products of bf16 weights by the median of the rounds' ratios with its quartiles, bytes of
// weights read a second. The first row stands twice: the second one's ratio is the A/A check.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

#include "base/stream.h"
#include "ops/cpu_backend.h"
#include "ops/weight_layout.h"
#include "test/bench_peak.h"

namespace qpkv {
namespace {

double Now() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
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

WeightFormat Codes(int bits) {
  WeightFormat format;
  format.bits = bits;
  return format;
}

struct Row {
  const char* name;
  WeightFormat format;
  Products products;
  PackedWeight weight;
  std::vector<double> seconds;
};

double Quantile(std::vector<double> x, double q) {
  std::sort(x.begin(), x.end());
  return x[static_cast<size_t>(q * static_cast<double>(x.size() - 1) + 0.5)];
}

void Run(const Ops& ops, int m, int rounds, int n, int k) {
  Stream stream(1);
  const std::vector<float> source = Noise(static_cast<size_t>(n) * k),
                           x = Noise(static_cast<size_t>(m) * k);
  std::vector<float> out(static_cast<size_t>(m) * n);
  const WeightFormat bf16 = ExactWeights(Element::kBf16);
  std::vector<Row> rows = {
      {"bf16, float32 products", bf16, Products::kFloat, {}, {}},
      {"the same again (A/A)", bf16, Products::kFloat, {}, {}},
      {"bf16, words", bf16, Products::kWords, {}, {}},
      {"bf16, short", bf16, Products::kShort, {}, {}},
      {"int8, words", Codes(8), Products::kWords, {}, {}},
      {"int8, short", Codes(8), Products::kShort, {}, {}},
      {"int4, words", Codes(4), Products::kWords, {}, {}},
      {"int4, short", Codes(4), Products::kShort, {}, {}},
  };
  for (Row& row : rows) {
    row.weight = {ops.Allocate(stream, ops.PackedWeightBytes(row.format, n, k)), row.format, n, k};
    ops.PackWeight(stream, {OnHost<const void>(source.data()), Element::kF32, 0, n, row.weight});
  }
  std::vector<double> fma, read;
  for (int round = -1; round < rounds; ++round) {
    fma.push_back(PeakRate(Peak::kFma, ops.name));
    const double start = Now();
    const uint64_t* p = static_cast<const uint64_t*>(rows[0].weight.data);
    uint64_t sums[8] = {};
    const size_t words = WeightBytes(bf16, n, k) / 8;
    for (size_t i = 0; i + 8 <= words; i += 8)
      for (int j = 0; j < 8; ++j) sums[j] |= p[i + j];
    volatile uint64_t sink =
        sums[0] | sums[1] | sums[2] | sums[3] | sums[4] | sums[5] | sums[6] | sums[7];
    (void)sink;
    read.push_back(static_cast<double>(words * 8) / (Now() - start) / 1e9);
    for (size_t i = 0; i < rows.size(); ++i) {  // the order turns
      Row& row = rows[(i + static_cast<size_t>(round + 1)) % rows.size()];
      const double begin = Now();
      ops.Matmul(stream, {x.data(), m, row.weight, nullptr, out.data(), false, row.products});
      if (round >= 0) row.seconds.push_back(Now() - begin);
    }
  }
  std::printf("%s m=%d n=%d k=%d, %d rounds; float32 FMA %.0f GFLOP/s, plain read %.1f GB/s\n",
              ops.name, m, n, k, rounds, Quantile(fma, 0.5), Quantile(read, 0.5));
  for (Row& row : rows) {
    std::vector<double> ratios;
    for (int i = 0; i < rounds; ++i)
      ratios.push_back(rows[0].seconds[static_cast<size_t>(i)] /
                       row.seconds[static_cast<size_t>(i)]);
    const double seconds = Quantile(row.seconds, 0.5);
    std::printf("  %-24s %9.3f ms  %5.2fx (%.2f to %.2f)  %7.1f GOP/s  %6.1f GB/s\n", row.name,
                seconds * 1e3, Quantile(ratios, 0.5), Quantile(ratios, 0.25),
                Quantile(ratios, 0.75), 2.0 * m * n * k / seconds / 1e9,
                static_cast<double>(WeightBytes(row.format, n, k)) / seconds / 1e9);
    ops.Release(stream, row.weight.data, ops.PackedWeightBytes(row.format, n, k));
  }
  std::fflush(stdout);
}

}  // namespace
}  // namespace qpkv

int main(int argc, char** argv) {
  using namespace qpkv;
  const auto number = [&](int i, int otherwise) {
    return argc > i ? std::atoi(argv[i]) : otherwise;
  };
  int tables = 0;
  const Ops* const* all = AvailableOps(&tables);
  for (int i = 0; i < tables; ++i) {
    const bool named = argc > 5 && std::strcmp(all[i]->name, argv[5]) == 0;
    const bool fast = std::strcmp(all[i]->name, "reference") && std::strcmp(all[i]->name, "scalar");
    if (named || (argc <= 5 && fast))
      Run(*all[i], number(1, 1), number(2, 21), number(3, 16384), number(4, 2048));
  }
}
