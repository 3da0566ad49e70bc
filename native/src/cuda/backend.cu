// The CUDA backends: an append by one kernel or another, enqueued in the stream's context.
#include "append/backend.h"
#include "append/operands.h"
#include "base/status.h"
#include "cuda/backends.h"
#include "cuda/context.h"
#include "cuda/driver.h"
#include "cuda/kernels.h"

#define BARACUDA_TEXT(number) BARACUDA_TEXT_OF(number)
#define BARACUDA_TEXT_OF(number) #number

namespace baracuda::cuda {
namespace {

template <const Kernels& kKernels>
int32_t launch(const Append& append) {
  const Driver* driver = nullptr;
  BARACUDA_TRY(find_driver(&driver));
  CurrentContext context(*driver);
  BARACUDA_TRY(context.enter(append.stream, append.parts[0].cache));
  const cudaError_t error = kKernels.launch(append);
  return error == cudaSuccess ? BARACUDA_OK : fail_cuda("cudaLaunchKernel", error);
}

template <const Kernels& kKernels>
int32_t preload(const Append& append, int32_t* arch) {
  const Driver* driver = nullptr;
  BARACUDA_TRY(find_driver(&driver));
  CurrentContext context(*driver);
  BARACUDA_TRY(context.enter(append.stream, append.parts[0].cache));
  CUdevice device = -1;
  BARACUDA_TRY(context.device(&device));
  if (device >= 0) {
    cudaFuncAttributes attributes;
    const cudaError_t error = kKernels.load(append, &attributes);
    if (error != cudaSuccess) return fail_cuda("cudaFuncGetAttributes", error);
    *arch = attributes.binaryVersion;
    return BARACUDA_OK;
  }
  // The runtime's default device, of which attributes can be had without a context.
  int major = 0;
  int minor = 0;
  cudaError_t error = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, 0);
  if (error == cudaSuccess) error = cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, 0);
  if (error != cudaSuccess) return fail_cuda("cudaDeviceGetAttribute", error);
  *arch = major * 10 + minor;
  return BARACUDA_OK;
}

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
  return result == CUDA_SUCCESS ? BARACUDA_OK : fail_driver_call("cuPointerGetAttribute", result);
}

// `device` is the stream's, -1 if not known.
int32_t check_device(const char* name, int32_t its_device, CUdevice device) noexcept {
  if (device < 0 || its_device == device) return BARACUDA_OK;
  return fail(BARACUDA_INVALID_PROBLEM, "%s is on CUDA device %d; it should be on device %d, where the stream is", name,
              its_device, device);
}

// Of memory that no tensor places. What the host can reach too, any device can.
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

// Whether only the driver knows where this is.
bool is_unplaced(const Tensor& tensor) noexcept {
  return tensor.device_type == kDeviceHost || (tensor.device_type == kDeviceCuda && tensor.device_id < 0);
}

// With one device there is nothing to find out about the stream, and where every operand says that it is on that device,
// nothing to ask the driver. Entering the stream's context for that would be a tenth of what rebinding takes.
bool needs_context(const Driver& driver, const Op& op, Operands operands) {
  if (driver.device_count > 1 || op.error_record != nullptr) return true;
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i)
    if (operands[i] != nullptr && is_unplaced(*operands[i])) return true;
  return false;
}

}  // namespace

int32_t launch_flashinfer(const Append& append) { return launch<kFlashInferKernels>(append); }
int32_t preload_flashinfer(const Append& append, int32_t* arch) { return preload<kFlashInferKernels>(append, arch); }

int32_t launch_bespoke(const Append& append) { return launch<kBespokeKernels>(append); }
int32_t preload_bespoke(const Append& append, int32_t* arch) { return preload<kBespokeKernels>(append, arch); }

int32_t check_reachable(const Op& op, Operands operands) {
  const Driver* driver = nullptr;
  BARACUDA_TRY(find_driver(&driver));
  CurrentContext context(*driver);
  CUdevice device = 0;
  if (needs_context(*driver, op, operands)) {
    BARACUDA_TRY(context.enter(op.stream, op.k_data));
    BARACUDA_TRY(context.device(&device));
  }
  const uint32_t wanted = wanted_operands(op);
  const bool may_have_moved =
      operands[BARACUDA_OPERAND_K_DATA] != nullptr && is_default_stream(op.stream) && driver->device_count > 1;
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i) {
    const char* name = name_of(i);
    if (operands[i] == nullptr) {
      // It was checked for another k_data, which on a default stream chooses the device.
      const void* kept = pointer_in(op, i);
      if (may_have_moved && wants(wanted, i))
        BARACUDA_TRY(check_found_device(name, kept, cuda_memory_kind(kept), device));
      continue;
    }
    const Tensor& tensor = *operands[i];
    const void* address = address_of(tensor);
    if (is_empty(tensor)) continue;
    if (tensor.device_type == kDevicePinned || tensor.device_type == kDeviceManaged) continue;
    if (tensor.device_type != kDeviceCuda) {
      const MemoryKind kind = tensor.device_type == kDeviceHost ? cuda_memory_kind(address) : MemoryKind::kUnknown;
      if (kind != MemoryKind::kUnknown) continue;
      return fail(BARACUDA_INVALID_PROBLEM,
                  "%s is %s at %p; the %s backend needs CUDA device, managed or pinned memory", name,
                  tensor.device_type == kDeviceHost ? "host memory" : "memory of another kind of device", address,
                  find_backend(op.backend)->name);
    }
    BARACUDA_TRY(tensor.device_id < 0 ? check_unplaced(name, address, device)
                                      : check_device(name, tensor.device_id, device));
  }
  return op.error_record != nullptr ? check_unplaced("error_record", op.error_record, device) : BARACUDA_OK;
}

}  // namespace baracuda::cuda

namespace baracuda {

const char* const kCudaBuildInfo =
    "flashinfer=" BARACUDA_FLASHINFER_VERSION ";cuda=" BARACUDA_TEXT(__CUDACC_VER_MAJOR__) "." BARACUDA_TEXT(
        __CUDACC_VER_MINOR__) ";archs=" BARACUDA_CUDA_ARCHS ";ptx=" BARACUDA_PTX_ARCH
                              ";backends=flashinfer,bespoke,host";

MemoryKind cuda_memory_kind(const void* address) noexcept {
  const cuda::Driver* driver = nullptr;
  if (cuda::find_driver(&driver) != BARACUDA_OK) return MemoryKind::kUnknown;
  unsigned int managed = 0;
  const CUdeviceptr pointer = reinterpret_cast<CUdeviceptr>(address);
  if (driver->pointer_get_attribute(&managed, CU_POINTER_ATTRIBUTE_IS_MANAGED, pointer) != CUDA_SUCCESS)
    return MemoryKind::kUnknown;
  if (managed != 0) return MemoryKind::kManaged;
  CUmemorytype type;
  if (driver->pointer_get_attribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, pointer) != CUDA_SUCCESS)
    return MemoryKind::kUnknown;
  return type == CU_MEMORYTYPE_DEVICE ? MemoryKind::kDevice : MemoryKind::kPinned;
}

}  // namespace baracuda
