// The devices that there are, or why there is none.
#pragma once
#include "ops/backend.h"

namespace qpkv {
namespace cuda {

struct Devices {
  const Device* list;
  int count;
  const char* why_not;  // null, or why nothing can run here
};

const Devices& FindDevices();

}  // namespace cuda
}  // namespace qpkv
