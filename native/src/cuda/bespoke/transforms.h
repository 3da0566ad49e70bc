// The kernels of the bespoke append, by what they write.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_TRANSFORMS_H_
#define BARACUDA_SRC_CUDA_BESPOKE_TRANSFORMS_H_

#include <cstdint>

#include "append/append.h"
#include "cuda/driver.h"

namespace baracuda::cuda::bespoke {

// As Kernels has them, for the appends that copy and for those that quantise.
int32_t launch_copy(const Driver& driver, const Append& append);
int32_t load_copy(const Driver& driver, const Append& append, int32_t* arch);

int32_t launch_quantise(const Driver& driver, const Append& append);
int32_t load_quantise(const Driver& driver, const Append& append, int32_t* arch);

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_TRANSFORMS_H_
