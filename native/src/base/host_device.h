// Functions that the CPU and the GPU share.
#ifndef BARACUDA_SRC_BASE_HOST_DEVICE_H_
#define BARACUDA_SRC_BASE_HOST_DEVICE_H_

#if defined(__CUDACC__)
#define BARACUDA_HOST_DEVICE __host__ __device__
#else
#define BARACUDA_HOST_DEVICE
#endif

#endif  // BARACUDA_SRC_BASE_HOST_DEVICE_H_
