#include "cuda/context.h"

#include "base/fence.h"
#include "base/status.h"
#include "cuda/stream_context.h"

namespace baracuda::cuda {
namespace {

int32_t is_alive(const Driver& driver, CUdevice device, bool* alive) noexcept {
  unsigned int flags = 0;
  int active = 0;
  const CUresult result = driver.primary_ctx_get_state(device, &flags, &active);
  if (result != CUDA_SUCCESS) return fail_driver_call("asking for the primary context of a device", result);
  *alive = active != 0;
  return BARACUDA_OK;
}

int32_t retain(const Driver& driver, CUdevice device, StreamContext* found) noexcept {
  const CUresult result = driver.primary_ctx_retain(&found->context, device);
  if (result != CUDA_SUCCESS) return fail_driver_call("retaining the primary context of a device", result);
  found->retained = device;
  return BARACUDA_OK;
}

int32_t find_only_primary(const Driver& driver, StreamContext* found) noexcept {
  CUdevice only = -1;
  for (CUdevice device = 0; device < driver.device_count; ++device) {
    bool alive = false;
    BARACUDA_TRY(is_alive(driver, device, &alive));
    if (!alive) continue;
    if (only >= 0) return BARACUDA_OK;
    only = device;
  }
  return only >= 0 ? retain(driver, only, found) : BARACUDA_OK;
}

int32_t find_of_memory(const Driver& driver, const Memory& memory, CUcontext current, StreamContext* found) noexcept {
  const CUdeviceptr address = reinterpret_cast<CUdeviceptr>(memory.address);
  int ordinal = -1;
  CUresult result = driver.pointer_get_attribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, address);
  if (result == CUDA_ERROR_INVALID_VALUE || result == CUDA_ERROR_NOT_INITIALIZED)
    return fail(BARACUDA_INVALID_PROBLEM,
                "%s is at %p, which CUDA does not know; it should be CUDA device, managed or pinned memory",
                memory.name, memory.address);
  if (result != CUDA_SUCCESS) return fail_driver_call("asking for the device of an operand", result);
  CUdevice current_device = -1;
  if (current != nullptr && driver.ctx_get_device(&current_device) == CUDA_SUCCESS && current_device == ordinal) {
    *found = {current, true, -1};
    return BARACUDA_OK;
  }
  *found = {};
  result = driver.pointer_get_attribute(static_cast<void*>(&found->context), CU_POINTER_ATTRIBUTE_CONTEXT, address);
  if (result == CUDA_SUCCESS && found->context != nullptr) return BARACUDA_OK;
  // Memory of a pool belongs to no context: the device's primary one, if it is alive.
  bool alive = false;
  BARACUDA_TRY(is_alive(driver, ordinal, &alive));
  if (!alive)
    return fail(
        BARACUDA_INVALID_PROBLEM,
        "%s is on CUDA device %d, where no context is alive to launch in; make one current, or pass a stream that "
        "was created there",
        memory.name, ordinal);
  return retain(driver, ordinal, found);
}

}  // namespace

int32_t find_context(const Driver& driver, void* stream, const Memory& memory, StreamContext* found) noexcept {
  CUcontext current = nullptr;
  CUresult result = driver.ctx_get_current(&current);
  if (result != CUDA_SUCCESS) return fail_driver_call("asking for the current context", result);
  *found = {current, current != nullptr, -1};
  if (is_default_stream(stream)) {
    // One device leaves nothing to choose.
    const bool is_told = memory.address != nullptr;
    if (current != nullptr && (!is_told || driver.device_count == 1)) return BARACUDA_OK;
    return is_told ? find_of_memory(driver, memory, current, found) : find_only_primary(driver, found);
  }
  result = driver.stream_get_ctx(static_cast<CUstream>(stream), &found->context);
  if (result != CUDA_SUCCESS) return fail_driver_call("asking for the context of the stream", result);
  found->is_current = found->context == current;
  return BARACUDA_OK;
}

CurrentContext::~CurrentContext() {
  CUcontext popped;
  if (pushed_) driver_.ctx_pop_current(&popped);
  if (entered_.retained >= 0) driver_.primary_ctx_release(entered_.retained);
}

int32_t CurrentContext::enter(void* stream, const void* k_data) noexcept {
  BARACUDA_TRY(find_context(driver_, stream, {"k_data", k_data}, &entered_));
  if (entered_.context == nullptr || entered_.is_current) return BARACUDA_OK;
  const CUresult result = driver_.ctx_push_current(entered_.context);
  if (result != CUDA_SUCCESS) return fail_driver_call("making a context current", result);
  pushed_ = true;
  return BARACUDA_OK;
}

int32_t CurrentContext::device(CUdevice* device) const noexcept {
  *device = -1;
  if (entered_.context == nullptr) return BARACUDA_OK;
  if (driver_.device_count == 1) {
    *device = 0;
    return BARACUDA_OK;
  }
  const CUresult result = driver_.ctx_get_device(device);
  return result == CUDA_SUCCESS ? BARACUDA_OK : fail_driver_call("asking for the current device", result);
}

}  // namespace baracuda::cuda

extern "C" int32_t baracuda_private_stream_context(void* stream, const void* address, void** context,
                                                   int32_t* retained) {
  return baracuda::at_the_abi([&] {
    const baracuda::cuda::Driver* driver = nullptr;
    BARACUDA_TRY(baracuda::cuda::find_driver(&driver));
    baracuda::cuda::StreamContext found;
    BARACUDA_TRY(baracuda::cuda::find_context(*driver, stream, {"what is in CUDA memory", address}, &found));
    if (found.context == nullptr)
      return baracuda::fail(BARACUDA_INVALID_PROBLEM,
                            "stream is the default stream, and no CUDA context is current, nor is there one device "
                            "alone that has one; make the context current, or pass a stream that was created in it");
    *context = found.is_current ? nullptr : found.context;
    *retained = found.retained;
    return int32_t{BARACUDA_OK};
  });
}
