// What this card can do at best, as JSON lines: bytes read and copied a second, products on tensor
// cores (bf16) and plain ones (float32). A stand-alone program: nvcc -arch=native -O3 ceilings.cu
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "device/mma.h"

namespace {

using qpkv::cuda::FragmentA;
using qpkv::cuda::FragmentB;
using qpkv::cuda::FragmentC;

void Check(cudaError_t error) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "%s\n", cudaGetErrorString(error));
  std::exit(3);
}

// The best of some rounds: a ceiling.
template <class Run>
double Seconds(const Run& run) {
  cudaEvent_t start, end;
  Check(cudaEventCreate(&start));
  Check(cudaEventCreate(&end));
  float best = 1e30f;
  for (int round = 0; round < 10; ++round) {
    Check(cudaEventRecord(start));
    run();
    Check(cudaGetLastError());
    Check(cudaEventRecord(end));
    Check(cudaEventSynchronize(end));
    float ms = 0;
    Check(cudaEventElapsedTime(&ms, start, end));
    if (ms < best) best = ms;
  }
  return best * 1e-3;
}

__global__ void Read(const uint4* from, size_t count, uint32_t* out) {
  uint4 all = {0, 0, 0, 0};
  const size_t step = static_cast<size_t>(gridDim.x) * blockDim.x;
#pragma unroll 4
  for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += step) {
    const uint4 x = from[i];
    all.x ^= x.x, all.y ^= x.y, all.z ^= x.z, all.w ^= x.w;
  }
  if ((all.x ^ all.y ^ all.z ^ all.w) == 0x12345678u) *out = all.x;
}
__global__ void Products(int rounds, float* out) {
  const FragmentA a = {{threadIdx.x, 1, 2, 3}};
  const FragmentB b = {{threadIdx.x, 5}};
  FragmentC c[8] = {};
  for (int i = 0; i < rounds; ++i)
#pragma unroll
    for (FragmentC& one : c) qpkv::cuda::Multiply(one, a, b);
  float sum = 0;
  for (const FragmentC& one : c) sum += one.r[0];
  if (sum == 1.25f) *out = sum;
}
__global__ void Floats(int rounds, float* out) {
  float x[16];
  for (int i = 0; i < 16; ++i) x[i] = static_cast<float>(threadIdx.x + i);
  for (int r = 0; r < rounds; ++r)
#pragma unroll
    for (float& one : x) one = fmaf(one, 0.999f, 0.5f);
  float sum = 0;
  for (float one : x) sum += one;
  if (sum == 1.25f) *out = sum;
}

}  // namespace

int main() {
  cudaDeviceProp about{};
  Check(cudaGetDeviceProperties(&about, 0));
  std::printf(
      "{\"device\":\"%s\",\"capability\":\"%d.%d\",\"multiprocessors\":%d,\"memory\":%zu,"
      "\"l2\":%d}\n",
      about.name, about.major, about.minor, about.multiProcessorCount, about.totalGlobalMem,
      about.l2CacheSize);
  const size_t bytes = size_t{1} << 30;
  uint4 *from, *to;
  Check(cudaMalloc(&from, bytes));
  Check(cudaMalloc(&to, bytes));
  Check(cudaMemset(from, 1, bytes));
  const int blocks = about.multiProcessorCount * 16;
  auto* word = reinterpret_cast<uint32_t*>(to);
  double s = Seconds([&] { Read<<<blocks, 512>>>(from, bytes / sizeof(uint4), word); });
  std::printf("{\"ceiling\":\"read\",\"bytesPerSecond\":%.6g}\n", bytes / s);
  s = Seconds([&] { Check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice)); });
  std::printf("{\"ceiling\":\"copy\",\"bytesPerSecond\":%.6g}\n", 2.0 * bytes / s);
  const int rounds = 20000;
  auto* number = reinterpret_cast<float*>(to);
  s = Seconds([&] { Products<<<blocks, 256>>>(rounds, number); });
  std::printf("{\"ceiling\":\"bf16\",\"operationsPerSecond\":%.6g}\n",
              blocks * 8.0 * rounds * 8 * 2 * 16 * 8 * 16 / s);
  s = Seconds([&] { Floats<<<blocks, 256>>>(rounds, number); });
  std::printf("{\"ceiling\":\"f32\",\"operationsPerSecond\":%.6g}\n",
              blocks * 256.0 * rounds * 16 * 2 / s);
  return 0;
}
