#include "cuda/kernel.h"

#include <mutex>

#include "append/backend.h"
#include "base/status.h"
#include "cuda/stream_order.h"

namespace baracuda::cuda {
namespace {

// Whether it is the machine code that the driver, or the GPU, does not take.
bool is_about_code(CUresult result) noexcept {
  switch (result) {
    case CUDA_ERROR_INVALID_IMAGE:
    case CUDA_ERROR_NO_BINARY_FOR_GPU:
    case CUDA_ERROR_INVALID_PTX:
    case CUDA_ERROR_JIT_COMPILER_NOT_FOUND:
    case CUDA_ERROR_UNSUPPORTED_PTX_VERSION:
    case CUDA_ERROR_JIT_COMPILATION_DISABLED:
    case CUDA_ERROR_NOT_FOUND:
      return true;
    default:
      return false;
  }
}

int32_t fail_kernel_call(const Driver& driver, const char* doing, CUresult result) noexcept {
  CUdevice device = 0;
  if (!is_about_code(result) || driver.ctx_get_device(&device) != CUDA_SUCCESS) return fail_driver_call(doing, result);
  constexpr int kMostOfName = 128;
  char name[kMostOfName] = "";
  int32_t arch = 0;
  if (driver.device_get_name(name, kMostOfName, device) != CUDA_SUCCESS ||
      find_arch(driver, device, &arch) != BARACUDA_OK)
    return fail_driver_call(doing, result);
  return fail(BARACUDA_CUDA_ERROR_BASE + static_cast<int32_t>(result),
              "%s failed: %s; the GPU is %s, sm_%d, and the driver supports CUDA %d.%d; this library has code for %s",
              doing, result_text(result), name, arch, driver.version / 1000, driver.version % 1000 / 10,
              kCudaBuildInfo);
}

int32_t find_library(const Driver& driver, Image* image, CUlibrary* library) noexcept {
  *library = image->library.load(std::memory_order_acquire);
  if (*library != nullptr) return BARACUDA_OK;
  static std::mutex mutex;
  const std::scoped_lock lock(mutex);
  *library = image->library.load(std::memory_order_relaxed);
  if (*library != nullptr) return BARACUDA_OK;
  // Only what succeeded is kept: a failure can be that of a context which is lost, or of a moment without memory.
  const CUresult result = driver.library_load_data(library, image->code, nullptr, nullptr, 0, nullptr, nullptr, 0);
  if (result != CUDA_SUCCESS) return fail_kernel_call(driver, "loading the machine code", result);
  image->library.store(*library, std::memory_order_release);
  return BARACUDA_OK;
}

BARACUDA_COLD int32_t look_up(const Driver& driver, const Kernel& kernel, CUkernel* found) noexcept {
  CUlibrary library = nullptr;
  BARACUDA_TRY(find_library(driver, &kernel.image, &library));
  const CUresult result = driver.library_get_kernel(found, library, kernel.name);
  if (result != CUDA_SUCCESS) return fail_kernel_call(driver, "looking up the kernel", result);
  kernel.found.store(*found, std::memory_order_release);
  return BARACUDA_OK;
}

// As what the driver's functions take for a kernel of whatever context is current.
int32_t find(const Driver& driver, const Kernel& kernel, CUfunction* function) noexcept {
  CUkernel found = kernel.found.load(std::memory_order_acquire);
  if (!BARACUDA_LIKELY(found != nullptr)) BARACUDA_TRY(look_up(driver, kernel, &found));
  *function = reinterpret_cast<CUfunction>(found);
  return BARACUDA_OK;
}

// Asked for once a device and image, whose kernels are all of the same PTX.
BARACUDA_COLD bool look_whether_it_waits(const Driver& driver, const Kernel& kernel, CUdevice device) noexcept {
  int ptx = 0;
  CUkernel found = kernel.found.load(std::memory_order_acquire);
  if (driver.kernel_get_attribute(&ptx, CU_FUNC_ATTRIBUTE_PTX_VERSION, found, device) != CUDA_SUCCESS) return false;
  const bool waits = ptx >= kFirstToWait;
  kernel.image.waits[device].store(waits ? Image::kDoes : Image::kDoesNot, std::memory_order_relaxed);
  return waits;
}

// Whether the stream need not wait for what is before the kernel, which is found. What cannot be told is not so.
bool may_begin_early(const Driver& driver, const Kernel& kernel, CUstream stream) noexcept {
  if (kernel.image.order != Order::kOfKernel) return false;
  CUstreamCaptureStatus capture = CU_STREAM_CAPTURE_STATUS_NONE;
  if (driver.stream_is_capturing(stream, &capture) != CUDA_SUCCESS || capture != CU_STREAM_CAPTURE_STATUS_NONE)
    return false;
  CUdevice device = 0;
  if (driver.device_count > 1 && driver.ctx_get_device(&device) != CUDA_SUCCESS) return false;
  if (device >= Image::kDevices) return false;
  const Image::Waits waits = kernel.image.waits[device].load(std::memory_order_relaxed);
  return BARACUDA_LIKELY(waits != Image::kUnknown) ? waits == Image::kDoes
                                                   : look_whether_it_waits(driver, kernel, device);
}

}  // namespace

int32_t launch(const Driver& driver, const Kernel& kernel, const Geometry& geometry, void* stream,
               void** parameters) noexcept {
  if (geometry.blocks_x > INT32_MAX) return fail_driver_call("launching the kernel", CUDA_ERROR_INVALID_VALUE);
  CUfunction function = nullptr;
  BARACUDA_TRY(find(driver, kernel, &function));
  CUlaunchAttribute early = {};
  early.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
  early.value.programmaticStreamSerializationAllowed = 1;
  CUlaunchConfig config = {};
  config.gridDimX = static_cast<unsigned int>(geometry.blocks_x);
  config.gridDimY = geometry.blocks_y;
  config.gridDimZ = 1;
  config.blockDimX = geometry.threads_x;
  config.blockDimY = geometry.threads_y;
  config.blockDimZ = 1;
  config.hStream = static_cast<CUstream>(stream);
  config.attrs = &early;
  config.numAttrs = may_begin_early(driver, kernel, config.hStream) ? 1 : 0;
  const CUresult result = driver.launch_kernel(&config, function, parameters, nullptr);
  return BARACUDA_LIKELY(result == CUDA_SUCCESS) ? BARACUDA_OK
                                                 : fail_kernel_call(driver, "launching the kernel", result);
}

int32_t load(const Driver& driver, const Kernel& kernel, int32_t* arch) noexcept {
  CUfunction function = nullptr;
  BARACUDA_TRY(find(driver, kernel, &function));
  CUfunction loaded = nullptr;
  CUresult result = driver.kernel_get_function(&loaded, reinterpret_cast<CUkernel>(function));
  if (result != CUDA_SUCCESS) return fail_kernel_call(driver, "loading the kernel", result);
  result = driver.func_get_attribute(arch, CU_FUNC_ATTRIBUTE_BINARY_VERSION, loaded);
  return result == CUDA_SUCCESS ? BARACUDA_OK
                                : fail_kernel_call(driver, "asking for the architecture of the kernel", result);
}

int32_t find_multiprocessors(const Driver& driver, int32_t* multiprocessors) noexcept {
  CUdevice device = 0;
  CUresult result = driver.ctx_get_device(&device);
  if (result != CUDA_SUCCESS) return fail_driver_call("asking for the current device", result);
  result = driver.device_get_attribute(multiprocessors, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device);
  return result == CUDA_SUCCESS ? BARACUDA_OK
                                : fail_driver_call("asking for the multiprocessors of the device", result);
}

int32_t blocks_per_multiprocessor(const Driver& driver, const Kernel& kernel, int32_t threads,
                                  int32_t* blocks) noexcept {
  CUfunction function = nullptr;
  BARACUDA_TRY(find(driver, kernel, &function));
  const CUresult result = driver.occupancy(blocks, function, threads, 0);
  if (result == CUDA_SUCCESS) return BARACUDA_OK;
  return fail_kernel_call(driver, "asking how many blocks of the kernel a multiprocessor holds", result);
}

int32_t no_kernel() noexcept {
  return fail(BARACUDA_CUDA_ERROR_BASE + CUDA_ERROR_INVALID_VALUE, "no kernel of this library does what is asked for");
}

}  // namespace baracuda::cuda
