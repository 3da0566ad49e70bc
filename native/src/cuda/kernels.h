// The CUDA kernels of the library, behind plain functions: this is all that the rest of it sees of FlashInfer.
#ifndef BARACUDA_SRC_CUDA_KERNELS_H_
#define BARACUDA_SRC_CUDA_KERNELS_H_

#include <cuda_runtime_api.h>

#include "append/append.h"

namespace baracuda::cuda {

struct Kernels {
  // Enqueues a checked append, of at least one row, in the current context.
  cudaError_t (*launch)(const Append& append);

  // Loads into the current context each kernel that an append of this problem may launch, whatever the addresses and
  // strides of its operands, and describes one of them.
  cudaError_t (*load)(const Append& append, cudaFuncAttributes* attributes);
};

// AppendPagedKVCacheDecode, and AppendPagedKVCache for rows that say their positions; unmodified.
extern const Kernels kFlashInferKernels;

// Ours: guarded, over any strides.
extern const Kernels kBespokeKernels;

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_KERNELS_H_
