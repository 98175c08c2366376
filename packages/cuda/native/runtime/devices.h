// The devices that there are, or why there is none.
#pragma once
#include "ops/backend.h"

namespace qpkv {
namespace cuda {

// Major number of the compute capability from which on the kernels run.
constexpr int kOldestCapability = 8;

struct Devices {
  const Device* list;
  int count;
  const char* why_not;  // null, or why nothing can run here
};

const Devices& FindDevices();

}  // namespace cuda
}  // namespace qpkv
