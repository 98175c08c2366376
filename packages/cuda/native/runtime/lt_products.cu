// See lt_products.h.
//
// The library counts in columns: a matrix of rows is a transposed one of columns to it. So the
// weights, [n, k] in rows, are its A of k x n, transposed; x is its B of k x m; out is n x m.
#include <mutex>

#include "runtime/lt_products.h"

namespace qpkv {
namespace cuda {
namespace {
constexpr uint64_t kMostWorkspace = 32 << 20;
constexpr size_t kMostPlans =
    512;  // lengths of prompts vary, and so do the rows of their last chunk
}  // namespace

std::unique_ptr<LtProduct> LtProduct::Plan(const CublasLt& lt, void* handle, int m, int n,
                                           int pitch, uint32_t alignment) {
  std::unique_ptr<LtProduct> plan(new LtProduct(lt, handle));
  const auto rows = static_cast<uint64_t>(m), outputs = static_cast<uint64_t>(n),
             depth = static_cast<uint64_t>(pitch);
  const int transposed = kLtTransposed;
  if (lt.MatmulDescCreate(&plan->product_, kLtSumsInFloat, kLtFloat) != 0 ||
      lt.MatmulDescSetAttribute(plan->product_, kLtTransposeA, &transposed, sizeof transposed) !=
          0 ||
      lt.MatrixLayoutCreate(&plan->weight_, kLtBf16, depth, outputs, pitch) != 0 ||
      lt.MatrixLayoutCreate(&plan->x_, kLtBf16, depth, rows, pitch) != 0 ||
      lt.MatrixLayoutCreate(&plan->out_, kLtFloat, outputs, rows, n) != 0)
    return nullptr;
  void* preference = nullptr;
  if (lt.MatmulPreferenceCreate(&preference) != 0) return nullptr;
  int count = 0;
  const bool found =
      lt.MatmulPreferenceSetAttribute(preference, kLtWorkspaceBytes, &kMostWorkspace,
                                      sizeof kMostWorkspace) == 0 &&
      lt.MatmulPreferenceSetAttribute(preference, kLtAlignmentOfC, &alignment, sizeof alignment) ==
          0 &&
      lt.MatmulPreferenceSetAttribute(preference, kLtAlignmentOfD, &alignment, sizeof alignment) ==
          0 &&
      lt.MatmulAlgoGetHeuristic(handle, plan->product_, plan->weight_, plan->x_, plan->out_,
                                plan->out_, preference, 1, &plan->found_, &count) == 0 &&
      count > 0 && plan->found_.status == 0 && plan->found_.workspace_bytes <= kMostWorkspace;
  lt.MatmulPreferenceDestroy(preference);
  return found ? std::move(plan) : nullptr;
}

LtProduct::~LtProduct() {
  if (product_ != nullptr) lt_.MatmulDescDestroy(product_);
  for (void* layout : {weight_, x_, out_})
    if (layout != nullptr) lt_.MatrixLayoutDestroy(layout);
}

bool LtProduct::Run(const void* weight, const void* x, float* out, bool accumulate, void* workspace,
                    void* stream) const {
  const float one = 1, kept = accumulate ? 1.0f : 0.0f;
  return lt_.Matmul(handle_, product_, &one, weight, weight_, x, x_, &kept, out, out_, out, out_,
                    &found_.algorithm, workspace, found_.workspace_bytes, stream) == 0;
}

LtProducts::~LtProducts() {
  plans_.clear();
  if (handle_ != nullptr) CublasLt::Get().Destroy(handle_);
}

const LtProduct* LtProducts::Find(int m, int n, int pitch, uint32_t alignment) {
  const CublasLt& lt = CublasLt::Get();
  if (!tried_ && lt.Create(&handle_) != 0) handle_ = nullptr;
  tried_ = true;
  if (handle_ == nullptr) return nullptr;
  const auto key = std::make_tuple(m, n, pitch, alignment);
  const auto kept = plans_.find(key);
  if (kept != plans_.end()) return kept->second.get();
  if (plans_.size() >= kMostPlans) plans_.clear();
  return (plans_[key] = LtProduct::Plan(lt, handle_, m, n, pitch, alignment)).get();
}

std::atomic<Faster>& FasterFor(int device, int m, int n, int k) {
  static std::mutex mutex;
  static std::map<std::tuple<int, int, int, int>, std::atomic<Faster>> known;
  int about = 1;
  while (about < m) about *= 2;
  std::lock_guard<std::mutex> lock(mutex);
  return known[std::make_tuple(device, about, n, k)];
}

}  // namespace cuda
}  // namespace qpkv
