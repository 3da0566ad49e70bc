// Whether the CPU can reach what a tensor describes.
#ifndef BARACUDA_SRC_HOST_REACHABLE_H_
#define BARACUDA_SRC_HOST_REACHABLE_H_

#include <cstdint>

#include "base/hints.h"
#include "base/status.h"
#include "memory/tensor.h"

namespace baracuda::host {

// Of memory that is not said to be the host's own.
int32_t check_cpu_reaches_others(const char* name, const Tensor& tensor) noexcept;

inline int32_t check_cpu_reaches(const char* name, const Tensor& tensor) noexcept {
  if (BARACUDA_LIKELY(tensor.device_type == kDeviceHost)) return BARACUDA_OK;
  return check_cpu_reaches_others(name, tensor);
}

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_REACHABLE_H_
