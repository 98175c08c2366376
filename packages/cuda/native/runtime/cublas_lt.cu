// See cublas_lt.h.
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <vector>

#include "runtime/cublas_lt.h"

namespace qpkv {
namespace cuda {
namespace {

constexpr const char* kFile = "libcublasLt.so.13";
constexpr size_t kMajor = 13;

std::vector<std::string> Places(const char* asked) {
  if (std::strcmp(asked, "auto") != 0) return {asked};
  std::vector<std::string> places = {kFile};
  for (const char* name : {"CUDA_HOME", "CUDA_PATH"})
    if (const char* home = std::getenv(name))
      places.push_back(std::string(home) + "/lib64/" + kFile);
  places.push_back(std::string("/usr/local/cuda/lib64/") + kFile);
  return places;
}

CublasLt Open() {
  CublasLt lt;
  const char* asked = std::getenv("QPKV_CUBLASLT");
  lt.asked = asked != nullptr && *asked != '\0' && std::strcmp(asked, "off") != 0;
  if (!lt.asked) return lt;
  void* library = nullptr;
  std::string at;
  for (const std::string& place : Places(asked)) {
    at = place;
    library = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) break;
  }
  if (library == nullptr) {
    lt.about = std::string(std::strcmp(asked, "auto") == 0 ? kFile : asked) + " was not found";
    return lt;
  }
#define QPKV_FIND(NAME, RESULT, PARAMETERS)                                           \
  lt.NAME = reinterpret_cast<RESULT(*) PARAMETERS>(dlsym(library, "cublasLt" #NAME)); \
  if (lt.NAME == nullptr) {                                                           \
    lt.about = at + " has no cublasLt" #NAME;                                         \
    return lt;                                                                        \
  }
  QPKV_CUBLAS_LT(QPKV_FIND)
#undef QPKV_FIND
  const size_t version = lt.GetVersion();
  const std::string text = std::to_string(version / 10000) + "." +
                           std::to_string(version / 100 % 100) + "." +
                           std::to_string(version % 100);
  lt.there = version / 10000 == kMajor;
  lt.about = lt.there
                 ? "cuBLASLt " + text
                 : at + " is version " + text + ", where " + std::to_string(kMajor) + " is needed";
  return lt;
}

}  // namespace

const CublasLt& CublasLt::Get() {
  static const CublasLt lt = Open();
  return lt;
}

}  // namespace cuda
}  // namespace qpkv
