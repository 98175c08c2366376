// CUDA devices. The runtime is linked statically and opens the driver at the first call, so that
// the library loads on machines without one.
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "runtime/cublas_lt.h"
#include "runtime/devices.h"
#include "runtime/queue.h"

namespace qpkv {
namespace cuda {
namespace {

struct Found {
  std::vector<std::string> names;
  std::vector<Device> list;
  std::string why_not;
  Devices devices;

  Found() {
    int driver = 0, runtime = 0, count = 0;
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    const cudaError_t error = cudaGetDeviceCount(&count);
    cudaGetLastError();
    const auto version = [](int v) {
      return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10);
    };
    if (driver == 0)
      why_not = "there is no NVIDIA driver (libcuda.so.1 was not found)";
    else if (error == cudaErrorInsufficientDriver)
      why_not = "the NVIDIA driver knows CUDA " + version(driver) + " and " + version(runtime) +
                " is needed: install a driver of series 580 or later";
    else if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0))
      why_not = "there is no NVIDIA GPU (CUDA_VISIBLE_DEVICES may hide them)";
    else if (error != cudaSuccess)
      why_not = std::string("the NVIDIA driver answers: ") + cudaGetErrorString(error);
    for (int i = 0; why_not.empty() && i < count; ++i) Add(i);
    for (size_t i = 0; i < list.size(); ++i) list[i].name = names[i].c_str();
    devices = {list.data(), static_cast<int>(list.size()),
               why_not.empty() ? nullptr : why_not.c_str()};
  }

  // Devices too old for the kernels keep their number and are refused, by this name, when they are
  // opened.
  void Add(int i) {
    cudaDeviceProp about{};
    if (cudaGetDeviceProperties(&about, i) != cudaSuccess) {
      cudaGetLastError();
      std::strcpy(about.name, "unknown");
      about.major = kOldestCapability;
    }
    std::string name = about.name;
    if (about.major < kOldestCapability)
      name += " of compute capability " + std::to_string(about.major) + "." +
              std::to_string(about.minor) + ", where " + std::to_string(kOldestCapability) +
              ".0 is needed";
    // Results say by what they were computed.
    const CublasLt& lt = CublasLt::Get();
    if (lt.asked) name += lt.there ? " with " + lt.about : " without cuBLASLt (" + lt.about + ")";
    names.push_back(std::move(name));
    list.push_back({nullptr, about.totalGlobalMem});
  }
};

}  // namespace

const Devices& FindDevices() {
  static const Found found;
  return found.devices;
}

}  // namespace cuda
}  // namespace qpkv
