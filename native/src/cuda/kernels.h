// The CUDA kernels of the library, behind plain functions: this is all that the rest of it sees of FlashInfer.
#ifndef BARACUDA_SRC_CUDA_KERNELS_H_
#define BARACUDA_SRC_CUDA_KERNELS_H_

#include <cuda_runtime_api.h>

#include "append/backend.h"

namespace baracuda {

struct Kernels {
  // Enqueues a checked append in the current context.
  cudaError_t (*launch)(const Append& op);

  // The kernel that launch(op) would launch, as cudaFuncGetAttributes wants it.
  const void* (*kernel)(const Append& op);
};

// AppendPagedKVCacheDecode, unmodified.
extern const Kernels kFlashInferKernels;

// The guarded kernel.
extern const Kernels kGuardedKernels;

}  // namespace baracuda

#endif  // BARACUDA_SRC_CUDA_KERNELS_H_
