// What is compiled for a GPU too: functions in these headers that kernels call as the host does.
#pragma once

#ifdef __CUDACC__
#define QPKV_DEVICE_CODE __host__ __device__
#else
#define QPKV_DEVICE_CODE
#endif
