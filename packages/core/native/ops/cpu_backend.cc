// See cpu_backend.h.
#include "ops/cpu_backend.h"

#include <cstring>
#include <new>

#include "abi_hash.h"
#include "base/stream.h"
#ifdef QPKV_TABLE_REFERENCE
#include "reference/statistics.h"
#endif

namespace qpkv {

extern const Ops kScalarOps;
extern const StatisticList kScalarStatistics;
#ifdef QPKV_TABLE_REFERENCE
extern const Ops kReferenceOps;
#endif
#ifdef QPKV_TABLE_AVX2
extern const Ops kAvx2Ops;
extern const StatisticList kAvx2Statistics;
#endif
#ifdef QPKV_TABLE_AVX512
extern const Ops kAvx512Ops;
extern const StatisticList kAvx512Statistics;
#endif
#ifdef QPKV_TABLE_NEON
extern const Ops kNeonOps;
extern const StatisticList kNeonStatistics;
#endif

namespace {

struct Tables {
  const Ops* list[5];
  const StatisticList* statistics[5];
  int count = 0;

  void Add(const Ops* ops, const StatisticList* of_table) {
    list[count] = ops;
    statistics[count++] = of_table;
  }

  Tables() {
#ifdef QPKV_TABLE_AVX512
    // Zen 4 and Sapphire Rapids on; older AVX-512 CPUs lack the bf16 dot and take AVX2.
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16") &&
        __builtin_cpu_supports("avx512vbmi"))
      Add(&kAvx512Ops, &kAvx512Statistics);
#endif
#ifdef QPKV_TABLE_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi2"))
      Add(&kAvx2Ops, &kAvx2Statistics);  // every CPU with AVX2 and FMA has F16C
#endif
#ifdef QPKV_TABLE_NEON
    Add(&kNeonOps, &kNeonStatistics);  // part of arm64
#endif
    Add(&kScalarOps, &kScalarStatistics);
#ifdef QPKV_TABLE_REFERENCE
    Add(&kReferenceOps, &reference::Statistics());
#endif
  }
};

// Best first.
const Tables& AllTables() {
  static const Tables tables;
  return tables;
}

Stream* CreateHostStream(int, int threads) { return new (std::nothrow) Stream(threads); }
void DestroyHostStream(Stream* stream) { delete stream; }
int HostThreads(const Stream& stream) { return stream.threads(); }

const Device kHost = {"cpu", 0};

}  // namespace

const Ops* const* AvailableOps(int* count) {
  *count = AllTables().count;
  return AllTables().list;
}

const Ops* FindOps(const char* name) {
  for (int i = 0; i < AllTables().count; ++i)
    if (std::strcmp(AllTables().list[i]->name, name) == 0) return AllTables().list[i];
  return nullptr;
}

const StatisticList& StatisticsOf(const Ops& ops) {
  int i = 0;
  while (AllTables().list[i] != &ops) ++i;
  return *AllTables().statistics[i];
}

const Backend* CpuBackend(uint64_t abi) {
  static const Backend backend = {kAbi,
                                  nullptr,
                                  "cpu",
                                  AllTables().list,
                                  AllTables().statistics,
                                  AllTables().count,
                                  &kHost,
                                  1,
                                  CreateHostStream,
                                  DestroyHostStream,
                                  HostThreads};
  static const Backend other = RefusedBackend(kAbi, "it was built for another version of qpkv");
  return abi == kAbi ? &backend : &other;
}

}  // namespace qpkv
