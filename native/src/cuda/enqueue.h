// A launch in the context of its stream, and the loading of what it launches.
#ifndef BARACUDA_SRC_CUDA_ENQUEUE_H_
#define BARACUDA_SRC_CUDA_ENQUEUE_H_

#include <cuda_runtime_api.h>

#include <cstdint>

#include "base/status.h"
#include "cuda/context.h"
#include "cuda/driver.h"
#include "cuda/error.h"

namespace baracuda::cuda {

// Calls `launch` where `stream` is; on a default stream, where `k_data` is.
template <typename Launch>
int32_t enqueue(void* stream, const void* k_data, const Launch& launch) {
  const Driver* driver = nullptr;
  BARACUDA_TRY(find_driver(&driver));
  CurrentContext context(*driver);
  BARACUDA_TRY(context.enter(stream, k_data));
  const cudaError_t error = launch();
  return error == cudaSuccess ? BARACUDA_OK : fail_cuda("launching the kernel", error);
}

// Calls `load` there, which loads kernels and describes one of them. `arch`: as of baracuda_paged_kv_append_preload.
template <typename Load>
int32_t load_kernels(void* stream, const void* k_data, const Load& load, int32_t* arch) {
  const Driver* driver = nullptr;
  BARACUDA_TRY(find_driver(&driver));
  CurrentContext context(*driver);
  BARACUDA_TRY(context.enter(stream, k_data));
  CUdevice device = -1;
  BARACUDA_TRY(context.device(&device));
  if (device >= 0) {
    cudaFuncAttributes attributes;
    const cudaError_t error = load(&attributes);
    if (error != cudaSuccess) return fail_cuda("loading the kernel", error);
    *arch = attributes.binaryVersion;
    return BARACUDA_OK;
  }
  // The runtime's default device, of which attributes can be had without a context.
  int major = 0;
  int minor = 0;
  cudaError_t error = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0);
  if (error != cudaSuccess) return fail_cuda("asking for the compute capability of the device", error);
  *arch = major * 10 + minor;
  return BARACUDA_OK;
}

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_ENQUEUE_H_
