// cuBLASLt where a machine has it: opened at run time, never linked. Only when it is asked for, by
// QPKV_CUBLASLT: auto, or the path of a library (docs/cuda.md).
//
// Declared here is what is called of the public interface of its major version 13.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace qpkv {
namespace cuda {

enum : int { kLtFloat = 0, kLtBf16 = 14 };  // types of matrices
enum : int { kLtSumsInFloat = 68 };         // products of what there is; never TF32
enum : int { kLtTransposed = 1 };
enum : int { kLtTransposeA = 3 };  // attributes of a product
enum : int {                       // what an algorithm may count on
  kLtWorkspaceBytes = 1,
  kLtAlignmentOfC = 7,
  kLtAlignmentOfD = 8,
};

struct LtAlgorithm {
  uint64_t data[8];
};
struct LtFound {
  LtAlgorithm algorithm;
  size_t workspace_bytes;
  int status;
  float waves;
  int reserved[4];
};
static_assert(sizeof(LtFound) == 96, "as the library fills it");

// FUNCTION(name behind cublasLt, result, parameters)
#define QPKV_CUBLAS_LT(FUNCTION)                                                               \
  FUNCTION(GetVersion, size_t, ())                                                             \
  FUNCTION(Create, int, (void** handle))                                                       \
  FUNCTION(Destroy, int, (void* handle))                                                       \
  FUNCTION(MatmulDescCreate, int, (void** product, int compute, int scale))                    \
  FUNCTION(MatmulDescDestroy, int, (void* product))                                            \
  FUNCTION(MatmulDescSetAttribute, int,                                                        \
           (void* product, int attribute, const void* value, size_t bytes))                    \
  FUNCTION(MatrixLayoutCreate, int,                                                            \
           (void** layout, int type, uint64_t rows, uint64_t columns, int64_t pitch))          \
  FUNCTION(MatrixLayoutDestroy, int, (void* layout))                                           \
  FUNCTION(MatmulPreferenceCreate, int, (void** preference))                                   \
  FUNCTION(MatmulPreferenceDestroy, int, (void* preference))                                   \
  FUNCTION(MatmulPreferenceSetAttribute, int,                                                  \
           (void* preference, int attribute, const void* value, size_t bytes))                 \
  FUNCTION(MatmulAlgoGetHeuristic, int,                                                        \
           (void* handle, void* product, void* a, void* b, void* c, void* d, void* preference, \
            int wanted, LtFound* found, int* count))                                           \
  FUNCTION(Matmul, int,                                                                        \
           (void* handle, void* product, const void* alpha, const void* a, void* a_layout,     \
            const void* b, void* b_layout, const void* beta, const void* c, void* c_layout,    \
            void* d, void* d_layout, const LtAlgorithm* algorithm, void* workspace,            \
            size_t workspace_bytes, void* stream))

struct CublasLt {
#define QPKV_MEMBER(NAME, RESULT, PARAMETERS) RESULT(*NAME) PARAMETERS = nullptr;
  QPKV_CUBLAS_LT(QPKV_MEMBER)
#undef QPKV_MEMBER
  bool asked = false, there = false;
  std::string about;  // 'cuBLASLt 13.1.0', or why there is none

  // Opens it at the first call.
  static const CublasLt& Get();
};

}  // namespace cuda
}  // namespace qpkv
