// The CUDA kernels of the library, behind plain functions: this is all that the rest of it sees of FlashInfer.
#ifndef BARACUDA_SRC_CUDA_KERNELS_H_
#define BARACUDA_SRC_CUDA_KERNELS_H_

#include <cstdint>

#include "append/append.h"
#include "cuda/driver.h"

namespace baracuda::cuda {

struct Kernels {
  // Enqueues a checked append, of at least one row, in the current context.
  int32_t (*launch)(const Driver& driver, const Append& append);

  // Loads into the current context each kernel that an append of this problem may launch, whatever the addresses and
  // strides of its operands. `arch`: the architecture that the machine code of one of them is for.
  int32_t (*load)(const Driver& driver, const Append& append, int32_t* arch);
};

// AppendPagedKVCacheDecode's, and AppendPagedKVCache's for rows that say their positions; unmodified.
extern const Kernels kFlashInferKernels;

// Ours: guarded, over any strides.
extern const Kernels kBespokeKernels;

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_KERNELS_H_
