// What the CUDA runtime or driver said, as a status.
#ifndef BARACUDA_SRC_CUDA_ERROR_H_
#define BARACUDA_SRC_CUDA_ERROR_H_

#include <cuda_runtime_api.h>

#include <cstdint>

namespace baracuda {

// 1000 + error, with a message that says what failed: `doing`, such as "launching the kernel". Clears the runtime's
// pending error: the runtime is linked into this library, so nobody else can have left one there.
int32_t fail_cuda(const char* doing, cudaError_t error) noexcept;

}  // namespace baracuda

#endif  // BARACUDA_SRC_CUDA_ERROR_H_
