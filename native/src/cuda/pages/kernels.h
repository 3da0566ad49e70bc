// The kernels that copy pages, behind plain functions.
#ifndef BARACUDA_SRC_CUDA_PAGES_KERNELS_H_
#define BARACUDA_SRC_CUDA_PAGES_KERNELS_H_

#include <cuda_runtime_api.h>

#include "pages/copy.h"

namespace baracuda::cuda::pages {

// Enqueues a checked copy, with something to do, in the current context: one launch.
cudaError_t launch(const PageCopy& copy);

// Loads into the current context each kernel that a copy may launch, whatever it copies, and describes one of them.
cudaError_t load(cudaFuncAttributes* attributes);

}  // namespace baracuda::cuda::pages

#endif  // BARACUDA_SRC_CUDA_PAGES_KERNELS_H_
