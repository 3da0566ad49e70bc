// The kernels that copy pages, behind plain functions.
#ifndef BARACUDA_SRC_CUDA_PAGES_KERNELS_H_
#define BARACUDA_SRC_CUDA_PAGES_KERNELS_H_

#include <cstdint>

#include "cuda/driver.h"
#include "pages/copy.h"

namespace baracuda::cuda::pages {

// Enqueues a checked copy, with something to do, in the current context: one launch.
int32_t launch(const Driver& driver, const PageCopy& copy);

// Loads into the current context each kernel that a copy may launch, whatever it copies. `arch`: the architecture that
// the machine code of one of them is for.
int32_t load(const Driver& driver, int32_t* arch);

}  // namespace baracuda::cuda::pages

#endif  // BARACUDA_SRC_CUDA_PAGES_KERNELS_H_
