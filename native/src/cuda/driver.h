// The driver's functions that the runtime has no name for, found through the runtime's entry-point query: the
// library links no libcuda, and loads where there is none.
#ifndef BARACUDA_SRC_CUDA_DRIVER_H_
#define BARACUDA_SRC_CUDA_DRIVER_H_

#include <cuda.h>

#include <cstdint>

#include "cuda/error.h"

namespace baracuda::cuda {

struct Driver {
  CUresult (*stream_get_ctx)(CUstream, CUcontext*);
  CUresult (*ctx_get_current)(CUcontext*);
  CUresult (*ctx_push_current)(CUcontext);
  CUresult (*ctx_pop_current)(CUcontext*);
  CUresult (*ctx_get_device)(CUdevice*);
  CUresult (*pointer_get_attribute)(void*, CUpointer_attribute, CUdeviceptr);
  CUresult (*primary_ctx_get_state)(CUdevice, unsigned int*, int*);
  CUresult (*primary_ctx_retain)(CUcontext*, CUdevice);
  CUresult (*primary_ctx_release)(CUdevice);
  int device_count;  // at least 1
};

// The functions, looked up once. Creates no context. Fails where there is no driver, a driver too old, or no device.
int32_t find_driver(const Driver** driver) noexcept;

// The driver's results have the runtime's numbers for what they share.
inline int32_t fail_driver_call(const char* doing, CUresult result) noexcept {
  return fail_cuda(doing, static_cast<cudaError_t>(result));
}

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_DRIVER_H_
