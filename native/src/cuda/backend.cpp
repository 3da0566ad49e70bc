// The CUDA backends: an append by one kernel or another, enqueued in the stream's context.
#include "append/backend.h"
#include "append/operands.h"
#include "base/status.h"
#include "cuda/backends.h"
#include "cuda/context.h"
#include "cuda/driver.h"
#include "cuda/enqueue.h"
#include "cuda/kernels.h"
#include "cuda/reachable.h"

#define BARACUDA_TEXT(number) BARACUDA_TEXT_OF(number)
#define BARACUDA_TEXT_OF(number) #number

namespace baracuda::cuda {
namespace {

template <const Kernels& kKernels>
int32_t launch(const Append& append) {
  return enqueue(append.stream, append.parts[0].cache, [&] { return kKernels.launch(append); });
}

template <const Kernels& kKernels>
int32_t preload(const Append& append, int32_t* arch) {
  const auto load = [&](cudaFuncAttributes* attributes) { return kKernels.load(append, attributes); };
  return load_kernels(append.stream, append.parts[0].cache, load, arch);
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
    BARACUDA_TRY(check_reaches(find_backend(op.backend)->name, name, *operands[i], device));
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
