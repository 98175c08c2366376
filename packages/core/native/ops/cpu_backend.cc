// See cpu_backend.h.
#include "ops/cpu_backend.h"

#include <cstring>
#include <new>

#include "abi_hash.h"
#include "base/stream.h"

namespace qpkv {

extern const Ops kScalarOps;
extern const Ops kReferenceOps;
#ifdef QPKV_TABLE_AVX2
extern const Ops kAvx2Ops;
#endif
#ifdef QPKV_TABLE_AVX512
extern const Ops kAvx512Ops;
#endif
#ifdef QPKV_TABLE_NEON
extern const Ops kNeonOps;
#endif

namespace {

struct Tables {
  const Ops* list[5];
  int count = 0;

  Tables() {
#ifdef QPKV_TABLE_AVX512
    // Zen 4 and Sapphire Rapids on; older AVX-512 CPUs lack the bf16 dot and take AVX2.
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16") &&
        __builtin_cpu_supports("avx512vbmi"))
      list[count++] = &kAvx512Ops;
#endif
#ifdef QPKV_TABLE_AVX2
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi2"))
      list[count++] = &kAvx2Ops;  // every CPU with AVX2 and FMA has F16C
#endif
#ifdef QPKV_TABLE_NEON
    list[count++] = &kNeonOps;  // part of arm64
#endif
    list[count++] = &kScalarOps;
    list[count++] = &kReferenceOps;
  }
};

// Best first. "reference" is last.
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

const Backend* CpuBackend(uint64_t abi) {
  static const Backend backend = {kAbi,
                                  nullptr,
                                  "cpu",
                                  AllTables().list,
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
