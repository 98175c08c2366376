// What tests open in the place of cuBLASLt: products as plain loops in double, and what a library
// may do wrong, by the environment.
//   QPKV_FAKE_CUBLASLT_VERSION=N        which version it says it is
//   QPKV_FAKE_CUBLASLT_FAIL=NAME:N      the Nth call of NAME and all after it are refused
//   QPKV_FAKE_CUBLASLT_WRONG=1          products are a tenth too large
//   QPKV_FAKE_CUBLASLT_SLOW=MS          a product takes so much longer
//   QPKV_FAKE_CUBLASLT_WORKSPACE=BYTES  that a product asks for
//   QPKV_FAKE_CUBLASLT_REPORT=FILE      written when the process ends: products, things not
//   destroyed
#include "runtime/cublas_lt.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <thread>

#include "base/bf16.h"

namespace {

using namespace qpkv::cuda;

enum class Kind { kHandle, kProduct, kLayout, kPreference };
struct Thing {
  Kind kind;
  int type = 0, transposed = 0;
  uint64_t rows = 0, columns = 0;
  int64_t pitch = 0;
};

constexpr int kRefused = 15;

long Setting(const char* name, long otherwise) {
  const char* text = std::getenv((std::string("QPKV_FAKE_CUBLASLT_") + name).c_str());
  return text == nullptr ? otherwise : std::atol(text);
}

struct Counts {
  long products = 0, alive = 0;
  std::map<std::string, long> calls;
  ~Counts() {
    const char* path = std::getenv("QPKV_FAKE_CUBLASLT_REPORT");
    if (std::FILE* file = path == nullptr ? nullptr : std::fopen(path, "w")) {
      std::fprintf(file, "%ld %ld", products, alive);
      std::fclose(file);
    }
  }
} counts;

bool Refused(const char* name) {
  const char* text = std::getenv("QPKV_FAKE_CUBLASLT_FAIL");
  char asked[64];
  long from = 0;
  return text != nullptr && std::sscanf(text, "%63[^:]:%ld", asked, &from) == 2 &&
         std::strcmp(asked, name + std::strlen("cublasLt")) == 0 && ++counts.calls[name] >= from;
}
#define QPKV_MAY_REFUSE \
  if (Refused(__func__)) return kRefused

int Make(void** to, Thing thing) {
  *to = new Thing(thing);
  ++counts.alive;
  return 0;
}
int Destroy(void* thing, Kind kind) {
  if (static_cast<Thing*>(thing)->kind != kind) std::abort();
  delete static_cast<Thing*>(thing);
  --counts.alive;
  return 0;
}
const Thing& As(Kind kind, const void* thing) {
  if (static_cast<const Thing*>(thing)->kind != kind) std::abort();
  return *static_cast<const Thing*>(thing);
}

}  // namespace

#define QPKV_EXPORTED extern "C" __attribute__((visibility("default")))

QPKV_EXPORTED size_t cublasLtGetVersion() {
  return static_cast<size_t>(Setting("VERSION", 130100));
}
QPKV_EXPORTED int cublasLtCreate(void** handle) {
  QPKV_MAY_REFUSE;
  return Make(handle, {Kind::kHandle});
}
QPKV_EXPORTED int cublasLtDestroy(void* handle) { return Destroy(handle, Kind::kHandle); }
QPKV_EXPORTED int cublasLtMatmulDescCreate(void** product, int compute, int scale) {
  QPKV_MAY_REFUSE;
  if (compute != 68 || scale != 0) return kRefused;  // nothing that may go through TF32
  return Make(product, {Kind::kProduct});
}
QPKV_EXPORTED int cublasLtMatmulDescDestroy(void* product) {
  return Destroy(product, Kind::kProduct);
}
QPKV_EXPORTED int cublasLtMatmulDescSetAttribute(void* product, int attribute, const void* value,
                                                 size_t bytes) {
  QPKV_MAY_REFUSE;
  if (attribute != 3 || bytes != sizeof(int)) return kRefused;
  As(Kind::kProduct, product);
  std::memcpy(&static_cast<Thing*>(product)->transposed, value, bytes);
  return 0;
}
QPKV_EXPORTED int cublasLtMatrixLayoutCreate(void** layout, int type, uint64_t rows,
                                             uint64_t columns, int64_t pitch) {
  QPKV_MAY_REFUSE;
  if (pitch < static_cast<int64_t>(rows)) return kRefused;
  return Make(layout, {Kind::kLayout, type, 0, rows, columns, pitch});
}
QPKV_EXPORTED int cublasLtMatrixLayoutDestroy(void* layout) {
  return Destroy(layout, Kind::kLayout);
}
QPKV_EXPORTED int cublasLtMatmulPreferenceCreate(void** preference) {
  QPKV_MAY_REFUSE;
  return Make(preference, {Kind::kPreference});
}
QPKV_EXPORTED int cublasLtMatmulPreferenceDestroy(void* preference) {
  return Destroy(preference, Kind::kPreference);
}
QPKV_EXPORTED int cublasLtMatmulPreferenceSetAttribute(void* preference, int attribute, const void*,
                                                       size_t bytes) {
  QPKV_MAY_REFUSE;
  As(Kind::kPreference, preference);
  return bytes == (attribute == 1 ? 8u : 4u) ? 0 : kRefused;
}
QPKV_EXPORTED int cublasLtMatmulAlgoGetHeuristic(void* handle, void* product, void* a, void* b,
                                                 void* c, void* d, void* preference, int wanted,
                                                 LtFound* found, int* count) {
  QPKV_MAY_REFUSE;
  As(Kind::kHandle, handle), As(Kind::kProduct, product), As(Kind::kPreference, preference);
  for (void* layout : {a, b, c, d}) As(Kind::kLayout, layout);
  *count = wanted;
  *found = {};
  found->algorithm.data[0] = 42;
  found->workspace_bytes = static_cast<size_t>(Setting("WORKSPACE", 4096));
  return 0;
}
#ifndef QPKV_FAKE_WITHOUT_MATMUL
// d = alpha op(a) b + beta c, all in columns.
QPKV_EXPORTED int cublasLtMatmul(void* handle, void* product, const void* alpha, const void* a,
                                 void* a_layout, const void* b, void* b_layout, const void* beta,
                                 const void* c, void* c_layout, void* d, void* d_layout,
                                 const LtAlgorithm* algorithm, void* workspace,
                                 size_t workspace_bytes, void*) {
  QPKV_MAY_REFUSE;
  const Thing &of = As(Kind::kProduct, product), &left = As(Kind::kLayout, a_layout),
              &right = As(Kind::kLayout, b_layout), &out = As(Kind::kLayout, d_layout);
  As(Kind::kHandle, handle), As(Kind::kLayout, c_layout);
  if (of.transposed != 1 || left.type != 14 || right.type != 14 || out.type != 0 || c != d ||
      left.rows != right.rows || left.columns != out.rows || right.columns != out.columns ||
      algorithm->data[0] != 42 || (workspace == nullptr && workspace_bytes > 0))
    return kRefused;
  std::memset(workspace, 0xee, workspace_bytes);
  ++counts.products;
  const auto* w = static_cast<const uint16_t*>(a);
  const auto* x = static_cast<const uint16_t*>(b);
  const float kept = *static_cast<const float*>(beta);
  const double factor = *static_cast<const float*>(alpha) * (Setting("WRONG", 0) != 0 ? 1.1 : 1.0);
  for (uint64_t column = 0; column < out.columns; ++column)
    for (uint64_t row = 0; row < out.rows; ++row) {
      double sum = 0;
      for (uint64_t k = 0; k < left.rows; ++k)
        sum += static_cast<double>(qpkv::Bf16ToFloat(w[row * left.pitch + k])) *
               qpkv::Bf16ToFloat(x[column * right.pitch + k]);
      float& to = static_cast<float*>(d)[column * out.pitch + row];
      to = static_cast<float>(factor * sum + (kept == 0 ? 0.0 : static_cast<double>(kept) * to));
    }
  std::this_thread::sleep_for(std::chrono::milliseconds(Setting("SLOW", 0)));
  return 0;
}
#endif
