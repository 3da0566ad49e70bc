// The CUDA kernels of the library, behind plain functions: this is all that the rest of it sees of FlashInfer.
#ifndef BARACUDA_SRC_CUDA_KERNEL_H_
#define BARACUDA_SRC_CUDA_KERNEL_H_

#include <cuda_runtime_api.h>

#include "../backend.h"

namespace baracuda {

// Enqueues FlashInfer's append in the current context. `op` is checked.
cudaError_t launch_flashinfer(const Append& op);

// The kernel that launch_flashinfer(op) would launch, as cudaFuncGetAttributes wants it.
const void* flashinfer_kernel(const Append& op);

}  // namespace baracuda

#endif  // BARACUDA_SRC_CUDA_KERNEL_H_
