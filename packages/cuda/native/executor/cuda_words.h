// CUDA's words for C++ compilers: kernels run on the host executor.
#pragma once
#include <cstring>

#include "executor/executor.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)

#define QPKV_SHARED(TYPE, NAME, EXTENT) \
  typedef TYPE NAME##_type EXTENT;      \
  static const char NAME##_key = 0;     \
  NAME##_type& NAME =                   \
      *static_cast<NAME##_type*>(::qpkv::executor::Shared(&NAME##_key, sizeof(NAME##_type)))
#define QPKV_DYNAMIC_SHARED(NAME) unsigned char* NAME = ::qpkv::executor::DynamicShared()

#define threadIdx (::qpkv::executor::thread_index)
#define blockIdx (::qpkv::executor::block_index)
#define blockDim (::qpkv::executor::block_size)
#define gridDim (::qpkv::executor::grid_size)

#define QPKV_TEXT_OF(X) #X
#define QPKV_LINE_TEXT(X) QPKV_TEXT_OF(X)
#define __syncthreads() ::qpkv::executor::Barrier(__FILE__ ":" QPKV_LINE_TEXT(__LINE__))

using dim3 = ::qpkv::executor::Extent;

// One block runs at a time, one thread of it at a time.
template <class T>
T atomicAdd(T* to, T more) {
  const T was = *to;
  *to += more;
  return was;
}
template <class T>
T atomicMin(T* to, T other) {
  const T was = *to;
  if (other < was) *to = other;
  return was;
}
template <class T>
T atomicMax(T* to, T other) {
  const T was = *to;
  if (other > was) *to = other;
  return was;
}
template <class T>
T atomicOr(T* to, T bits) {
  const T was = *to;
  *to |= bits;
  return was;
}
