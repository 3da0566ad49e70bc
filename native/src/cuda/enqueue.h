// What is done in the context of a stream: a launch, the loading of what it launches, and the checks before it.
#ifndef BARACUDA_SRC_CUDA_ENQUEUE_H_
#define BARACUDA_SRC_CUDA_ENQUEUE_H_

#include <cstdint>

#include "base/status.h"
#include "cuda/context.h"
#include "cuda/driver.h"
#include "cuda/reachable.h"

namespace baracuda::cuda {

// Calls `launch` where `stream` is; on a default stream, where `k_data` is.
template <typename Launch>
int32_t enqueue(void* stream, const void* k_data, const Launch& launch) {
  const Driver* driver = nullptr;
  BARACUDA_TRY(find_driver(&driver));
  CurrentContext context(*driver);
  BARACUDA_TRY(context.enter(stream, k_data));
  return launch(*driver);
}

// Calls `load` there, which loads kernels and says the architecture of one. `arch`: as of
// baracuda_paged_kv_append_preload.
template <typename Load>
int32_t load_kernels(void* stream, const void* k_data, const Load& load, int32_t* arch) {
  const Driver* driver = nullptr;
  BARACUDA_TRY(find_driver(&driver));
  CurrentContext context(*driver);
  BARACUDA_TRY(context.enter(stream, k_data));
  CUdevice device = -1;
  BARACUDA_TRY(context.device(&device));
  return device >= 0 ? load(*driver, arch) : find_arch(*driver, 0, arch);
}

// Calls `check` there with the driver and the device, -1 if not known, and checks `error_record`, if there is one. With
// one device there is nothing to find out about the stream, and where each of the operands says that it is on that
// device, nothing to ask the driver: entering the stream's context for that would be a tenth of what rebinding takes.
template <typename Check>
int32_t check_in_context(void* stream, const void* k_data, const Tensor* const* operands, int num_operands,
                         const void* error_record, const Check& check) {
  const Driver* driver = nullptr;
  BARACUDA_TRY(find_driver(&driver));
  CurrentContext context(*driver);
  CUdevice device = 0;
  if (driver->device_count > 1 || error_record != nullptr || has_unplaced(operands, num_operands)) {
    BARACUDA_TRY(context.enter(stream, k_data));
    BARACUDA_TRY(context.device(&device));
  }
  BARACUDA_TRY(check(*driver, device));
  return error_record != nullptr ? check_unplaced("error_record", error_record, device) : BARACUDA_OK;
}

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_ENQUEUE_H_
