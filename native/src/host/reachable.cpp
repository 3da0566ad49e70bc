#include "host/reachable.h"

#include "append/backend.h"
#include "base/cancellation.h"

namespace baracuda::host {
namespace {

// A CUDA array may be managed or pinned memory, which its exporter need not say: the driver knows.
bool cpu_reaches(const Tensor& tensor) noexcept {
  switch (tensor.device_type) {
    case kDevicePinned:
    case kDeviceManaged:
      return true;
    case kDeviceCuda: {
      const CancellationHeld held;
      const MemoryKind kind = cuda_memory_kind(address_of(tensor));
      return kind == MemoryKind::kManaged || kind == MemoryKind::kPinned;
    }
    default:
      return false;
  }
}

}  // namespace

int32_t check_cpu_reaches_others(const char* name, const Tensor& tensor) noexcept {
  if (cpu_reaches(tensor)) return BARACUDA_OK;
  if (tensor.device_type == kDeviceCuda && tensor.device_id >= 0)
    return fail(BARACUDA_INVALID_PROBLEM,
                "%s is in the memory of CUDA device %d; the host backend needs memory that the CPU can reach "
                "(device memory is a CUDA backend's: in Python a CUDA stream)",
                name, tensor.device_id);
  if (tensor.device_type == kDeviceCuda)
    return fail(
        BARACUDA_INVALID_PROBLEM,
        "%s is in the memory of a CUDA device; the host backend needs memory that the CPU can reach (device memory is "
        "a CUDA backend's: in Python a CUDA stream)",
        name);
  return fail(BARACUDA_INVALID_PROBLEM,
              "%s is on a device of DLPack type %d; the host backend needs memory that the CPU can reach", name,
              tensor.device_type);
}

}  // namespace baracuda::host
