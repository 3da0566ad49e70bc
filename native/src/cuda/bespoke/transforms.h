// The kernels of the bespoke append, by what they write.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_TRANSFORMS_H_
#define BARACUDA_SRC_CUDA_BESPOKE_TRANSFORMS_H_

#include <cuda_runtime_api.h>

#include "append/append.h"

namespace baracuda::cuda::bespoke {

// As Kernels has them, for the appends that copy and for those that quantise.
cudaError_t launch_copy(const Append& append);
cudaError_t load_copy(const Append& append, cudaFuncAttributes* attributes);

cudaError_t launch_quantise(const Append& append);
cudaError_t load_quantise(const Append& append, cudaFuncAttributes* attributes);

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_TRANSFORMS_H_
