// Decode attention over 16, 8, 4, 3 and 2 bit caches: time a layer, bytes read, and the ratio to
// the 16-bit run beside it.
//
//   qpkv_decode_bench [kv_heads] [group] [dim] [rounds] [table]
//
// Left out: 8 4 64 9 and the best table.
//
// Formats take turns within a round, so that a slow minute hits all of them. Enough copies of the
// layer are cycled that the cache comes from memory, not from the last-level cache. Rounds with two
// threads count only if two threads of plain arithmetic run at least 1.8 times as fast as one right
// before and after them: a shared host does not always give this machine two cores. One thread is
// timed by its processor time, two by the clock on the wall.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "ops/cpu_backend.h"
#include "test/decode_cache.h"

namespace qpkv {
namespace {

using namespace decode_cache;

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Processor time of this thread, so that other processes on a busy machine do not count; wall time
// where there is no such clock.
double ThreadSeconds() {
#ifdef CLOCK_THREAD_CPUTIME_ID
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
#else
  return Now();
#endif
}

double Median(std::vector<double> x) {
  if (x.empty()) return NAN;
  std::sort(x.begin(), x.end());
  return x[x.size() / 2];
}

// Speed of two threads over one on arithmetic that touches no memory.
double ProbeHost(Stream& one, Stream& two) {
  std::atomic<float> sink{0};
  const auto burn = [&](int, int) {
    float a[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    for (int i = 0; i < 400000; ++i)
      for (float& x : a) x = x * 0.999f + 0.5f;
    sink.store(a[0] + a[7]);
  };
  std::vector<double> single, both;
  for (int i = 0; i < 3; ++i) {
    double start = Now();
    one.ParallelFor(2, burn);
    single.push_back(Now() - start);
    start = Now();
    two.ParallelFor(2, burn);
    both.push_back(Now() - start);
  }
  return Median(single) / Median(both);
}

// Seconds of one layer, the mean over one pass through all of them.
double RunPass(const Ops& ops, Stream& stream, const Cache& cache, int kv_heads, int group,
               int dim) {
  const auto time = [&] { return stream.threads() == 1 ? ThreadSeconds() : Now(); };
  const double start = time();
  for (size_t l = 0; l < cache.data.size(); ++l)
    Attend(ops, stream, cache, l, kv_heads, group, dim);
  return (time() - start) / static_cast<double>(cache.data.size());
}

int Main(int argc, char** argv) {
  const auto number = [&](int i, int otherwise) {
    return argc > i ? std::atoi(argv[i]) : otherwise;
  };
  const int kv_heads = number(1, 8), group = number(2, 4), dim = number(3, 64),
            rounds = number(4, 9);
  int count = 0;
  const Ops* ops = argc > 5 ? FindOps(argv[5]) : AvailableOps(&count)[0];
  if (!ops) {
    std::fprintf(stderr, "no op table '%s' here\n", argv[5]);
    return 2;
  }
  Stream one(1), two(2);
  const std::vector<Case> cases = {
      ExactCase("16 bit bf16"),         CodedCase("8 bit g32", 8, 32),
      CodedCase("4 bit g32", 4, 32),    CodedCase("4 bit K g128", 4, 128),
      CodedCase("3 bit g32", 3, 32),    CodedCase("2 bit g32", 2, 32),
      CodedCase("2 bit K g128", 2, 128)};
  std::printf(
      "table %s, %d KV heads, group %d, dim %d; ms a layer (GB/s of cache read, speed over 16 bit "
      "by median / best)\n",
      ops->name, kv_heads, group, dim);
  for (int tokens : {512, 2048, 8192, 32768}) {
    std::vector<Cache> caches;
    for (const Case& c : cases) caches.push_back(MakeCache(*ops, one, c, kv_heads, dim, tokens));
    for (int threads : {1, 2}) {
      Stream& stream = threads == 1 ? one : two;
      std::vector<std::vector<double>> times(cases.size());
      int dropped = 0;
      for (int round = 0; round < rounds; ++round) {
        std::vector<double> now;
        const double before = threads == 2 ? ProbeHost(one, two) : 2;
        for (const Cache& cache : caches)
          now.push_back(RunPass(*ops, stream, cache, kv_heads, group, dim));
        const double after = threads == 2 ? ProbeHost(one, two) : 2;
        if (before < 1.8 || after < 1.8)
          ++dropped;
        else
          for (size_t i = 0; i < cases.size(); ++i) times[i].push_back(now[i]);
      }
      std::printf("%5d tokens, %d thread%s, %d of %d rounds\n", tokens, threads,
                  threads == 1 ? "" : "s", rounds - dropped, rounds);
      if (times[0].empty()) continue;
      for (size_t i = 0; i < cases.size(); ++i) {
        const double median = Median(times[i]),
                     best = *std::min_element(times[i].begin(), times[i].end());
        const double base = *std::min_element(times[0].begin(), times[0].end());
        std::printf("  %-13s %7.2f MB  %8.4f (%5.1f GB/s, %.2fx / %.2fx)\n", cases[i].name,
                    caches[i].bytes / 1e6, median * 1e3, caches[i].bytes / median / 1e9,
                    Median(times[0]) / median, base / best);
      }
      std::fflush(stdout);
    }
  }
  return 0;
}

}  // namespace
}  // namespace qpkv

int main(int argc, char** argv) { return qpkv::Main(argc, argv); }
