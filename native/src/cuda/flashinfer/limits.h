// What FlashInfer's kernels cannot do: judged before they are called, also in a build without CUDA.
#ifndef BARACUDA_SRC_CUDA_FLASHINFER_LIMITS_H_
#define BARACUDA_SRC_CUDA_FLASHINFER_LIMITS_H_

#include <cstdint>

#include "append/append.h"

namespace baracuda::flashinfer {

// Their geometry and their arithmetic: one block of at most 1024 threads a row; in 32 bits the strides of the caches,
// of decodes the offsets into key and value and the lengths, by positions the slots of the table. `op` is otherwise
// checked.
int32_t check_limits(const Op& op);

// Their copies: 16-byte vectors, packed rows of decodes, and one set of strides for both caches.
int32_t check_operands(const Append& append);

}  // namespace baracuda::flashinfer

#endif  // BARACUDA_SRC_CUDA_FLASHINFER_LIMITS_H_
