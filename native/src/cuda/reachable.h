// Whether a device can reach what a tensor describes.
#ifndef BARACUDA_SRC_CUDA_REACHABLE_H_
#define BARACUDA_SRC_CUDA_REACHABLE_H_

#include <cstdint>

#include "append/backend.h"
#include "cuda/driver.h"
#include "memory/tensor.h"

namespace baracuda::cuda {

// `device` is the stream's in each of these, -1 if not known.

// Of an operand of the backend of that name.
int32_t check_reaches(const char* backend, const char* name, const Tensor& tensor, CUdevice device) noexcept;

// Of memory that no tensor places.
int32_t check_unplaced(const char* name, const void* address, CUdevice device) noexcept;

// The same, of memory of a kind that is known.
int32_t check_found_device(const char* name, const void* address, MemoryKind kind, CUdevice device) noexcept;

// Whether only the driver knows where this is.
inline bool is_unplaced(const Tensor& tensor) noexcept {
  return tensor.device_type == kDeviceHost || (tensor.device_type == kDeviceCuda && tensor.device_id < 0);
}

// Whether that is so of any of the operands; those that are not given are nullptr.
inline bool has_unplaced(const Tensor* const* operands, int num_operands) noexcept {
  for (int i = 0; i < num_operands; ++i)
    if (operands[i] != nullptr && is_unplaced(*operands[i])) return true;
  return false;
}

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_REACHABLE_H_
