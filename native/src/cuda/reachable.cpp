#include "cuda/reachable.h"

#include "base/status.h"

namespace baracuda::cuda {
namespace {

// The device of memory whose exporter did not say.
int32_t device_of(const void* address, int32_t* device) noexcept {
  const Driver* driver = nullptr;
  BARACUDA_TRY(find_driver(&driver));
  if (driver->device_count == 1) {
    *device = 0;
    return BARACUDA_OK;
  }
  const CUresult result = driver->pointer_get_attribute(device, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
                                                        reinterpret_cast<CUdeviceptr>(address));
  return result == CUDA_SUCCESS ? BARACUDA_OK : fail_driver_call("asking for the device of an operand", result);
}

int32_t check_device(const char* name, int32_t its_device, CUdevice device) noexcept {
  if (device < 0 || its_device == device) return BARACUDA_OK;
  return fail(BARACUDA_INVALID_PROBLEM, "%s is on CUDA device %d; it should be on device %d, where the stream is", name,
              its_device, device);
}

}  // namespace

// What the host can reach too, any device can.
int32_t check_found_device(const char* name, const void* address, MemoryKind kind, CUdevice device) noexcept {
  if (kind != MemoryKind::kDevice || device < 0) return BARACUDA_OK;
  int32_t its_device = device;
  BARACUDA_TRY(device_of(address, &its_device));
  return check_device(name, its_device, device);
}

// A kernel that writes where its device cannot would take the context with it.
int32_t check_unplaced(const char* name, const void* address, CUdevice device) noexcept {
  const MemoryKind kind = cuda_memory_kind(address);
  if (kind == MemoryKind::kUnknown)
    return fail(BARACUDA_INVALID_PROBLEM,
                "%s is at %p, which CUDA does not know; it should be CUDA device, managed or pinned memory", name,
                address);
  return check_found_device(name, address, kind, device);
}

int32_t check_reaches(const char* backend, const char* name, const Tensor& tensor, CUdevice device) noexcept {
  const void* address = address_of(tensor);
  if (is_empty(tensor)) return BARACUDA_OK;
  if (tensor.device_type == kDevicePinned || tensor.device_type == kDeviceManaged) return BARACUDA_OK;
  if (tensor.device_type == kDeviceCuda)
    return tensor.device_id < 0 ? check_unplaced(name, address, device) : check_device(name, tensor.device_id, device);
  const MemoryKind kind = tensor.device_type == kDeviceHost ? cuda_memory_kind(address) : MemoryKind::kUnknown;
  if (kind != MemoryKind::kUnknown) return BARACUDA_OK;
  return fail(BARACUDA_INVALID_PROBLEM, "%s is %s at %p; the %s backend needs CUDA device, managed or pinned memory%s",
              name, tensor.device_type == kDeviceHost ? "host memory" : "memory of another kind of device", address,
              backend,
              tensor.device_type == kDeviceHost ? " (host memory is the host backend's: in Python stream=None)" : "");
}

}  // namespace baracuda::cuda
