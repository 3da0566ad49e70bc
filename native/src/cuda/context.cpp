#include "cuda/context.h"

#include "base/status.h"

namespace baracuda::cuda {

CurrentContext::~CurrentContext() {
  CUcontext popped;
  if (pushed_) driver_.ctx_pop_current(&popped);
  if (retained_) driver_.primary_ctx_release(retained_device_);
}

int32_t CurrentContext::push(CUcontext context) noexcept {
  const CUresult result = driver_.ctx_push_current(context);
  if (result != CUDA_SUCCESS) return fail_driver_call("making a context current", result);
  pushed_ = true;
  has_context_ = true;
  return BARACUDA_OK;
}

int32_t CurrentContext::enter(void* stream, const void* k_data) noexcept {
  CUcontext current = nullptr;
  CUresult result = driver_.ctx_get_current(&current);
  if (result != CUDA_SUCCESS) return fail_driver_call("asking for the current context", result);
  has_context_ = current != nullptr;
  if (is_default_stream(stream)) {
    // One device leaves nothing to choose.
    if (k_data == nullptr || (current != nullptr && driver_.device_count == 1)) return BARACUDA_OK;
    return enter_device_of(k_data, current);
  }
  CUcontext context = nullptr;
  result = driver_.stream_get_ctx(static_cast<CUstream>(stream), &context);
  if (result != CUDA_SUCCESS) return fail_driver_call("asking for the context of the stream", result);
  return context == current ? BARACUDA_OK : push(context);
}

int32_t CurrentContext::enter_device_of(const void* k_data, CUcontext current) noexcept {
  const CUdeviceptr address = reinterpret_cast<CUdeviceptr>(k_data);
  int ordinal = -1;
  CUresult result = driver_.pointer_get_attribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, address);
  if (result == CUDA_ERROR_INVALID_VALUE || result == CUDA_ERROR_NOT_INITIALIZED)
    return fail(BARACUDA_INVALID_PROBLEM,
                "k_data is at %p, which CUDA does not know; it should be CUDA device, managed or pinned memory",
                k_data);
  if (result != CUDA_SUCCESS) return fail_driver_call("asking for the device of k_data", result);
  CUdevice current_device = -1;
  if (current != nullptr && driver_.ctx_get_device(&current_device) == CUDA_SUCCESS && current_device == ordinal)
    return BARACUDA_OK;
  CUcontext owner = nullptr;
  result = driver_.pointer_get_attribute(&owner, CU_POINTER_ATTRIBUTE_CONTEXT, address);
  if (result == CUDA_SUCCESS && owner != nullptr) return push(owner);
  // Memory of a pool belongs to no context: the device's primary one, if it is alive.
  unsigned int flags = 0;
  int active = 0;
  result = driver_.primary_ctx_get_state(ordinal, &flags, &active);
  if (result != CUDA_SUCCESS) return fail_driver_call("asking for the primary context of the device of k_data", result);
  if (!active)
    return fail(BARACUDA_INVALID_PROBLEM,
                "k_data is on CUDA device %d, where no context is alive to launch in; make one current, or pass a "
                "stream that was created there",
                ordinal);
  result = driver_.primary_ctx_retain(&owner, ordinal);
  if (result != CUDA_SUCCESS) return fail_driver_call("retaining the primary context of the device of k_data", result);
  retained_ = true;
  retained_device_ = ordinal;
  return push(owner);
}

int32_t CurrentContext::device(CUdevice* device) const noexcept {
  *device = -1;
  if (!has_context_) return BARACUDA_OK;
  if (driver_.device_count == 1) {
    *device = 0;
    return BARACUDA_OK;
  }
  const CUresult result = driver_.ctx_get_device(device);
  return result == CUDA_SUCCESS ? BARACUDA_OK : fail_driver_call("asking for the current device", result);
}

}  // namespace baracuda::cuda
