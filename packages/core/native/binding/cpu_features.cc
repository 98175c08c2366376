// See cpu_features.h.
#include "binding/cpu_features.h"

namespace qpkv {

std::vector<std::string> FoundCpuFeatures() {
  std::vector<std::string> found;
#if defined(__x86_64__)
#define QPKV_FEATURE(name) \
  if (__builtin_cpu_supports(name)) found.push_back(name)
  QPKV_FEATURE("avx2");
  QPKV_FEATURE("fma");
  QPKV_FEATURE("avx512f");
  QPKV_FEATURE("avx512bw");
  QPKV_FEATURE("avx512vl");
  QPKV_FEATURE("avx512vnni");
  QPKV_FEATURE("avx512vbmi");
  QPKV_FEATURE("avx512bf16");
#undef QPKV_FEATURE
#elif defined(__aarch64__)
  found.push_back("neon");
#endif
  return found;
}

}  // namespace qpkv
