// What kernels are written in: CUDA's words, compiled by nvcc for a device or, as plain C++, for
// the host executor (executor/). Kernels use nothing of either beyond this folder; PTX stands in
// warp.h, async_copy.h and mma.h alone.
//
//   QPKV_SHARED(float, rows, [8][32]);   shared memory of the block
//   QPKV_DYNAMIC_SHARED(bytes);          unsigned char*, as many as the launch says
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>

#ifdef __CUDACC__
#include <cuda_runtime.h>
#define QPKV_SHARED(TYPE, NAME, EXTENT) __shared__ TYPE NAME EXTENT
#define QPKV_DYNAMIC_SHARED(NAME) extern __shared__ __align__(16) unsigned char NAME[]
#define QPKV_DEVICE static __device__ __forceinline__
#define QPKV_ON_DEVICE __device__ __forceinline__
#else
#include "executor/cuda_words.h"
#define QPKV_DEVICE static inline
#define QPKV_ON_DEVICE inline
#endif
