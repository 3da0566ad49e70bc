// What FlashInfer's kernel cannot do: judged before it is called, also in a build without CUDA.
#ifndef BARACUDA_SRC_CUDA_FLASHINFER_LIMITS_H_
#define BARACUDA_SRC_CUDA_FLASHINFER_LIMITS_H_

#include <cstdint>

#include "append/append.h"

namespace baracuda::flashinfer {

// Its geometry and its arithmetic: one block of at most 1024 threads a request; strides of a page, offsets into key and
// value, and lengths in 32 bits. `op` is otherwise checked.
int32_t check_limits(const Op& op);

// Its copies: 16-byte vectors, packed rows, and one set of strides for both caches.
int32_t check_operands(const Append& append);

}  // namespace baracuda::flashinfer

#endif  // BARACUDA_SRC_CUDA_FLASHINFER_LIMITS_H_
