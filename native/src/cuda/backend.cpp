// The CUDA backends: an append by one kernel or another, enqueued in the stream's context.
#include "append/backend.h"

#include "append/operands.h"
#include "base/status.h"
#include "cuda/backends.h"
#include "cuda/driver.h"
#include "cuda/enqueue.h"
#include "cuda/kernels.h"
#include "cuda/reachable.h"

namespace baracuda::cuda {
namespace {

template <const Kernels& kKernels>
int32_t launch(const Append& append) {
  return enqueue(append.stream, append.parts[0].cache,
                 // NOLINTNEXTLINE(readability-redundant-parentheses): there are none
                 [&](const Driver& driver) { return kKernels.launch(driver, append); });
}

template <const Kernels& kKernels>
int32_t preload(const Append& append, int32_t* arch) {
  // NOLINTNEXTLINE(readability-redundant-parentheses): there are none
  const auto load = [&](const Driver& driver, int32_t* its) { return kKernels.load(driver, append, its); };
  return load_kernels(append.stream, append.parts[0].cache, load, arch);
}

}  // namespace

int32_t launch_flashinfer(const Append& append) { return launch<kFlashInferKernels>(append); }
int32_t preload_flashinfer(const Append& append, int32_t* arch) { return preload<kFlashInferKernels>(append, arch); }

int32_t launch_bespoke(const Append& append) { return launch<kBespokeKernels>(append); }
int32_t preload_bespoke(const Append& append, int32_t* arch) { return preload<kBespokeKernels>(append, arch); }

int32_t check_reachable(const Op& op, Operands operands) {
  const auto check = [&](const Driver& driver, CUdevice device) {
    const uint32_t wanted = wanted_operands(op);
    const bool may_have_moved =
        operands[BARACUDA_OPERAND_K_DATA] != nullptr && is_default_stream(op.stream) && driver.device_count > 1;
    for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i) {
      const char* name = name_of(i);
      if (operands[i] != nullptr) {
        BARACUDA_TRY(check_reaches(find_backend(op.backend)->name, name, *operands[i], device));
      } else if (may_have_moved && wants(wanted, i)) {
        // It was checked for another k_data, which on a default stream chooses the device.
        const void* kept = pointer_in(op, i);
        BARACUDA_TRY(check_found_device(name, kept, cuda_memory_kind(kept), device));
      }
    }
    return int32_t{BARACUDA_OK};
  };
  return check_in_context(op.stream, op.k_data, operands, BARACUDA_NUM_OPERANDS, op.error_record, check);
}

}  // namespace baracuda::cuda

namespace baracuda {

const char* const kCudaBuildInfo =
    "flashinfer=" BARACUDA_FLASHINFER_VERSION ";cuda=" BARACUDA_CUDA_VERSION ";archs=" BARACUDA_CUDA_ARCHS
    ";ptx=" BARACUDA_PTX_ARCH ";drivers=" BARACUDA_CUDA_DRIVERS ";backends=flashinfer,bespoke,host";

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
