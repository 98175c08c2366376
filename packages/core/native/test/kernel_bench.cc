// qpkv_kernel_bench --table NAME [--quick]: every kernel alone on one thread, by its processor
// time, each with the ceiling that bounds it measured before every repetition; medians. JSON lines,
// as integration/src/bench-cpu/kernels.ts reads them.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>
#include <vector>

#include "base/stream.h"
#include "ops/cpu_backend.h"
#include "ops/weight_layout.h"
#include "test/bench_peak.h"
#include "test/decode_cache.h"

namespace qpkv {
namespace {

using namespace decode_cache;

double Now() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

double Median(std::vector<double> x) {
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
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

constexpr size_t kMemory = size_t{256} << 20;

struct Bench {
  const Ops& ops;
  Stream& stream;
  int least;       // repetitions of a row
  double seconds;  // of a row, where those are done earlier
  Bytes memory;    // [kMemory] to be read: far more than the last-level cache

  double Read() const { return ReadBandwidth(stream, memory.get(), kMemory); }

  // Median seconds of `run`; *ceiling: of what is measured before each.
  double Time(const std::function<void()>& run, const std::function<double()>& limit,
              double* ceiling) const {
    std::vector<double> times, limits;
    run();
    const double start = Now();
    while (static_cast<int>(times.size()) < least ||
           (times.size() < 31 && Now() - start < seconds)) {
      limits.push_back(limit ? limit() : 0);
      const double begin = Now();
      run();
      times.push_back(Now() - begin);
    }
    *ceiling = Median(limits);
    return Median(times);
  }

  void Print(const std::string& kernel, double time, double work, const char* unit, double ceiling,
             const char* bound) const {
    std::printf(
        "{\"kernel\":\"%s\",\"table\":\"%s\",\"milliseconds\":%.6g,\"rate\":%.5g,"
        "\"unit\":\"%s\"",
        kernel.c_str(), ops.name, time * 1e3, work / time, unit);
    if (bound) std::printf(",\"ceiling\":%.5g,\"bound\":\"%s\"", ceiling, bound);
    std::printf("}\n");
    std::fflush(stdout);
  }

  // `work` in billions of operations, bound by the peak of their kind.
  double Computing(const std::string& kernel, double work, Peak peak,
                   const std::function<void()>& run) const {
    double ceiling = 0;
    const double time = Time(
        run, [&] { return PeakRate(peak, ops.name); }, &ceiling);
    Print(kernel, time, work,
          peak == Peak::kWordDot || peak == Peak::kByteDot ? "GOP/s" : "GFLOP/s", ceiling,
          NameOf(peak, ops.name));
    return time;
  }
  // `work` in billions of bytes, bound by reading memory.
  double Reading(const std::string& kernel, double work, const std::function<void()>& run) const {
    double ceiling = 0;
    const double time = Time(
        run, [&] { return Read(); }, &ceiling);
    Print(kernel, time, work, "GB/s", ceiling, "reading memory");
    return time;
  }
};

struct Product {
  const char* name;
  WeightFormat format;
  Products products;
  Peak peak;
};

WeightFormat Codes(int bits) {
  WeightFormat format;
  format.bits = bits;
  return format;
}

void BenchProducts(const Bench& bench) {
  const WeightFormat bf16 = ExactWeights(Element::kBf16);
  const std::vector<Product> products = {
      {"bf16 weights, float32", bf16, Products::kFloat, Peak::kFma},
      {"bf16 weights, bf16-fast", bf16, Products::kShort, Peak::kPairDot},
      {"8-bit weights", Codes(8), Products::kWords, Peak::kWordDot},
      {"8-bit weights, bf16-fast", Codes(8), Products::kShort, Peak::kByteDot},
      {"4-bit weights", Codes(4), Products::kWords, Peak::kWordDot},
      {"4-bit weights, bf16-fast", Codes(4), Products::kShort, Peak::kByteDot},
  };
  struct Size {
    int m, n, k;
  };
  for (const Size& s : {Size{1, 65536, 2048}, Size{8, 16384, 2048}, Size{512, 2048, 2048}}) {
    const std::vector<float> source = Noise(static_cast<size_t>(s.n) * s.k),
                             x = Noise(static_cast<size_t>(s.m) * s.k);
    std::vector<float> out(static_cast<size_t>(s.m) * s.n);
    for (const Product& p : products) {
      const size_t bytes = bench.ops.PackedWeightBytes(p.format, s.n, s.k);
      const PackedWeight weight{bench.ops.Allocate(bench.stream, bytes), p.format, s.n, s.k};
      bench.ops.PackWeight(bench.stream,
                           {OnHost<const void>(source.data()), Element::kF32, 0, s.n, weight});
      const MatmulArgs args{x.data(), s.m, weight, nullptr, out.data(), false, p.products};
      const auto run = [&] { bench.ops.Matmul(bench.stream, args); };
      const std::string name =
          "product of " + std::to_string(s.m) + (s.m == 1 ? " row, " : " rows, ") + p.name;
      if (s.m == 1)
        bench.Reading(name, 1e-9 * static_cast<double>(bytes), run);
      else
        bench.Computing(name, 2e-9 * s.m * s.n * s.k, p.peak, run);
      bench.ops.Release(bench.stream, weight.data, bytes);
    }
  }
}

// What the attention statistic adds for the last `rows` queries, as a share of the attention.
void BenchObservation(const Bench& bench, const PrefillAttentionArgs& a, int rows,
                      double attention) {
  const int tokens = a.rows;
  std::vector<float> mass(static_cast<size_t>(a.q_heads) * tokens);
  double options[kMaxOptions] = {static_cast<double>(tokens - rows),
                                 static_cast<double>(tokens)};  // resolved: begin, end
  StatisticArgs observe{};
  observe.shape = {tokens, a.q_heads, a.kv_heads, a.dim, 0};
  observe.options = OnHost(static_cast<const double*>(options));
  observe.precision = a.precision;
  observe.scale = a.scale;
  observe.rows = rows;
  observe.first = tokens - rows;
  observe.q = a.q + static_cast<size_t>(tokens - rows) * a.q_stride;
  observe.q_stride = a.q_stride;
  observe.lse = a.lse + (tokens - rows);
  observe.lse_stride = observe.capacity = tokens;
  observe.k = a.k;
  observe.out = mass.data();
  const Statistic& statistic = *FindStatistic(StatisticsOf(bench.ops), "attention");
  double none = 0;
  const double time = bench.Time([&] { statistic.run(bench.stream, observe); }, {}, &none);
  bench.Print("observing " + (rows == tokens ? std::string("all") : std::to_string(rows)) + " of " +
                  std::to_string(tokens) + " queries, dim " + std::to_string(a.dim),
              time, 100 * time * time / attention, "% of the attention", 0, nullptr);
}

void BenchPrefill(const Bench& bench, int tokens, int dim) {
  constexpr int kQueryHeads = 4, kKvHeads = 1;
  const std::vector<float> q = Noise(static_cast<size_t>(tokens) * kQueryHeads * dim),
                           k = Noise(static_cast<size_t>(tokens) * kKvHeads * dim);
  std::vector<float> out(q.size()), lse(static_cast<size_t>(kQueryHeads) * tokens);
  for (Precision precision : {Precision::kF32, Precision::kBf16}) {
    const PrefillAttentionArgs args{
        q.data(), k.data(),    k.data(), out.data(), lse.data(),        tokens,
        0,        kQueryHeads, kKvHeads, dim,        kQueryHeads * dim, tokens,
        0,        0.1f,        precision};
    const bool fast = precision == Precision::kBf16;
    const double flops = 4.0 * dim * kQueryHeads * (static_cast<double>(tokens) * (tokens + 1) / 2);
    const double time = bench.Computing(
        "attention of a prompt, dim " + std::to_string(dim) + (fast ? ", bf16-fast" : ""),
        flops / 1e9, fast ? Peak::kPairDot : Peak::kFma,
        [&] { bench.ops.PrefillAttention(bench.stream, args); });
    if (fast) continue;
    for (int rows : {32, tokens}) BenchObservation(bench, args, rows, time);
  }
}

void BenchDecode(const Bench& bench, int tokens, int dim) {
  constexpr int kHeads = 8, kGroup = 4;
  for (const Case& c : {ExactCase("16 bit"), CodedCase("8 bit", 8, 32), CodedCase("4 bit", 4, 32),
                        CodedCase("2 bit", 2, 32)}) {
    const Cache cache = MakeCache(bench.ops, bench.stream, c, kHeads, dim, tokens);
    size_t layer = 0;
    const auto run = [&](int rows) {
      Attend(bench.ops, bench.stream, cache, layer++ % cache.data.size(), kHeads, kGroup, dim,
             rows);
    };
    const std::string where =
        " over " + std::to_string(tokens) + " tokens of " + c.name + ", dim " + std::to_string(dim);
    bench.Reading("attention" + where, 1e-9 * static_cast<double>(cache.bytes), [&] { run(1); });
    if (c.key.bits != 4) continue;
    constexpr int kRows = 256;
    const double flops = 4.0 * dim * kHeads * kGroup * kRows * (tokens - kRows / 2.0);
    bench.Computing("256 appended rows" + where, flops / 1e9, Peak::kWordDot, [&] { run(kRows); });
  }
}

void BenchPack(const Bench& bench, int tokens, int dim) {
  const std::vector<float> x = RandomTokens(3, tokens, dim);
  const auto one = [&](const char* name, Tensor tensor, const TensorFormat& format) {
    std::vector<PackItem> items;
    std::vector<Bytes> data;
    for (int first = 0; first < tokens; first += kTileTokens) {
      const size_t bytes = LayoutOf(tensor, format, kTileTokens, dim).bytes;
      data.emplace_back(static_cast<uint8_t*>(AllocateAligned(bytes)), Released{bytes});
      PackItem item{};
      item.shape = {tensor, OnHost(&format), {}, kTileTokens};
      item.source = x.data() + static_cast<size_t>(first) * dim;
      item.tokens = kTileTokens;
      item.out = data.back().get();
      items.push_back(item);
    }
    const PackArgs args{OnHost<const PackItem>(items.data()), static_cast<int>(items.size()), dim};
    bench.Reading(std::string("packing ") + name, 4e-9 * tokens * dim,
                  [&] { bench.ops.Pack(bench.stream, args); });
  };
  one("keys, 4 bit", Tensor::kKey, Coded(4, ScalePer::kChannel, 32));
  one("values, 4 bit", Tensor::kValue, Coded(4, ScalePer::kToken, 32));
  one("values, 2 bit", Tensor::kValue, Coded(2, ScalePer::kToken, 32));
  TensorFormat proximal = Coded(4, ScalePer::kToken, 64, ZeroPoint::kFloatMinimum, Element::kF32);
  proximal.solver = Solver::kProximalConstant;
  one("values, 4 bit by proximal steps", Tensor::kValue, proximal);
}

void BenchSelect(const Bench& bench, int heads, int tokens, int keep) {
  const std::vector<float> scores = Noise(static_cast<size_t>(heads) * tokens);
  std::vector<int32_t> kept(static_cast<size_t>(heads) * tokens), counts(heads);
  int nan_head = -1;
  SelectArgs args{};
  args.stages[0] = {scores.data(), 1.0, 0};
  args.stage_count = 1;
  args.keep_each = keep;
  args.kept = OnHost(kept.data());
  args.kept_count = OnHost(counts.data());
  args.heads = heads;
  args.tokens = args.stride = args.candidates_end = args.kept_stride = tokens;
  args.nan_head = OnHost(&nan_head);
  bench.Reading("selecting " + std::to_string(keep) + " of " + std::to_string(tokens),
                4e-9 * heads * tokens, [&] { bench.ops.Select(bench.stream, args); });
}

void PrintCeilings(const Bench& bench) {
  for (int threads : {1, 2}) {
    Stream stream(threads);
    const auto print = [&](const char* name, double rate, const char* unit) {
      std::printf("{\"ceiling\":\"%s\",\"threads\":%d,\"rate\":%.5g,\"unit\":\"%s\"}\n", name,
                  threads, rate, unit);
      std::fflush(stdout);
    };
    std::vector<double> read;
    for (int i = 0; i < bench.least; ++i)
      read.push_back(ReadBandwidth(stream, bench.memory.get(), kMemory));
    print("reading memory", Median(read), "GB/s");
    for (Peak peak : {Peak::kFma, Peak::kPairDot, Peak::kWordDot, Peak::kByteDot}) {
      const char* name = NameOf(peak, bench.ops.name);
      if (peak != Peak::kFma && !std::strcmp(name, NameOf(Peak::kFma, bench.ops.name))) continue;
      std::vector<double> sums;
      for (int i = 0; i < bench.least; ++i) {
        double rates[2] = {};
        stream.ParallelFor(threads,
                           [&](int unit, int) { rates[unit] = PeakRate(peak, bench.ops.name); });
        sums.push_back(rates[0] + rates[1]);
      }
      print(name, Median(sums), peak == Peak::kFma || peak == Peak::kPairDot ? "GFLOP/s" : "GOP/s");
    }
  }
}

}  // namespace
}  // namespace qpkv

int main(int argc, char** argv) {
  using namespace qpkv;
  const Ops* ops = nullptr;
  bool quick = false;
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--quick"))
      quick = true;
    else if (!std::strcmp(argv[i], "--table") && i + 1 < argc)
      ops = FindOps(argv[++i]);
  }
  if (!ops) {
    std::fprintf(stderr, "expected --table with the name of an op table that this CPU can run\n");
    return 2;
  }
  Stream stream(1);
  Bytes memory(static_cast<uint8_t*>(AllocateAligned(kMemory)), Released{kMemory});
  std::memset(memory.get(), 1, kMemory);
  const Bench bench{*ops, stream, quick ? 5 : 11, quick ? 0.2 : 0.7, std::move(memory)};
  PrintCeilings(bench);
  BenchProducts(bench);
  for (int dim : {64, 128}) BenchPrefill(bench, 2048, dim);
  for (int dim : {64, 128}) BenchDecode(bench, 8192, dim);
  BenchPack(bench, 8192, 64);
  BenchSelect(bench, 8, 8192, 1024);
}
