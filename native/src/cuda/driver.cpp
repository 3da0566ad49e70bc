#include "cuda/driver.h"

#include <dlfcn.h>

#include <atomic>
#include <mutex>

#include "append/backend.h"
#include "base/status.h"

namespace baracuda::cuda {
namespace {

// The number of the CUDA runtime for want of a driver that is new enough: the driver itself has none.
constexpr int32_t kInsufficientDriver = 35;

using GetProcAddress = CUresult (*)(const char*, void**, int, cuuint64_t, CUdriverProcAddressQueryResult*);

// Found once: neither a driver nor its functions come or go while a process runs.
struct Lookup {
  Driver driver = {};
  bool is_there = false;
  bool has_all = false;  // of the functions
};

Lookup look_up() noexcept {
  Lookup lookup;
  void* const library = dlopen("libcuda.so.1", RTLD_NOW);
  if (library == nullptr) return lookup;
  lookup.is_there = true;
  // Asked for by name, since a driver that is older than the interface can still tell its version.
  auto* const get_version = reinterpret_cast<CUresult (*)(int*)>(dlsym(library, "cuDriverGetVersion"));
  if (get_version != nullptr && get_version(&lookup.driver.version) != CUDA_SUCCESS) lookup.driver.version = 0;
  auto* const get_address = reinterpret_cast<GetProcAddress>(dlsym(library, "cuGetProcAddress_v2"));
  if (get_address == nullptr) return lookup;
  lookup.has_all = true;
  const auto find = [&](const char* symbol, void** function) {
    CUdriverProcAddressQueryResult found = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    const CUresult result = get_address(symbol, function, kDriverInterface, CU_GET_PROC_ADDRESS_LEGACY_STREAM, &found);
    if (result != CUDA_SUCCESS || found != CU_GET_PROC_ADDRESS_SUCCESS || *function == nullptr) lookup.has_all = false;
  };
#define BARACUDA_FIND(member, symbol, parameters) find(symbol, reinterpret_cast<void**>(&lookup.driver.member));
  BARACUDA_FOR_EACH_DRIVER_FUNCTION(BARACUDA_FIND)
#undef BARACUDA_FIND
  return lookup;
}

Lookup& looked_up() noexcept {
  static Lookup lookup = look_up();
  return lookup;
}

int32_t fail_lookup(const Lookup& lookup) noexcept {
  constexpr int32_t kStatus = BARACUDA_CUDA_ERROR_BASE + kInsufficientDriver;
  if (!lookup.is_there)
    return fail(kStatus,
                "no CUDA driver was found; this library needs an NVIDIA driver that supports CUDA %d.%d or newer: "
                "install one, or use the host backend (in Python stream=None)",
                kDriverInterface / 1000, kDriverInterface % 1000 / 10);
  return fail(
      kStatus,
      "the driver supports CUDA %d.%d; this library needs one that supports CUDA %d.%d or newer: update the driver, "
      "or use the host backend (in Python stream=None)",
      lookup.driver.version / 1000, lookup.driver.version % 1000 / 10, kDriverInterface / 1000,
      kDriverInterface % 1000 / 10);
}

// What the driver says of itself and of its devices, the first time that it succeeds.
CUresult initialise(Driver* driver, const char** doing) noexcept {
  *doing = "starting the CUDA driver";
  CUresult result = driver->init(0);
  if (result != CUDA_SUCCESS) return result;
  *doing = "asking for the version of the CUDA driver";
  result = driver->driver_get_version(&driver->version);
  if (result != CUDA_SUCCESS) return result;
  *doing = "asking for the CUDA devices";
  result = driver->device_get_count(&driver->device_count);
  if (result != CUDA_SUCCESS) return result;
  return driver->device_count > 0 ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}

}  // namespace

int32_t find_driver(const Driver** driver) noexcept {
  static std::atomic<const Driver*> ready{nullptr};
  *driver = ready.load(std::memory_order_acquire);
  if (BARACUDA_LIKELY(*driver != nullptr)) return BARACUDA_OK;
  Lookup& lookup = looked_up();
  if (!lookup.is_there || !lookup.has_all) return fail_lookup(lookup);
  static std::mutex mutex;
  const std::scoped_lock lock(mutex);
  if (ready.load(std::memory_order_relaxed) == nullptr) {
    const char* doing = "";
    const CUresult result = initialise(&lookup.driver, &doing);
    if (result != CUDA_SUCCESS) return fail_driver_call(doing, result);
    ready.store(&lookup.driver, std::memory_order_release);
  }
  *driver = &lookup.driver;
  return BARACUDA_OK;
}

int32_t find_arch(const Driver& driver, CUdevice device, int32_t* arch) noexcept {
  int major = 0;
  int minor = 0;
  CUresult result = driver.device_get_attribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device);
  if (result == CUDA_SUCCESS)
    result = driver.device_get_attribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device);
  if (result != CUDA_SUCCESS) return fail_driver_call("asking for the compute capability of the device", result);
  *arch = major * 10 + minor;
  return BARACUDA_OK;
}

const char* result_name(CUresult result) noexcept {
  if (static_cast<int32_t>(result) == kInsufficientDriver) return "cudaErrorInsufficientDriver";
  const char* name = nullptr;
  const Driver& driver = looked_up().driver;
  const bool has_name =
      driver.get_error_name != nullptr && driver.get_error_name(result, &name) == CUDA_SUCCESS && name != nullptr;
  return has_name ? name : "unknown";
}

const char* result_text(CUresult result) noexcept {
  const char* text = nullptr;
  const bool has_text = looked_up().driver.get_error_string(result, &text) == CUDA_SUCCESS && text != nullptr;
  return has_text ? text : "unknown error";
}

int32_t fail_driver_call(const char* doing, CUresult result) noexcept {
  const char* const hint =
      result == CUDA_ERROR_NO_DEVICE ? "; the host backend needs none (in Python stream=None)" : "";
  return fail(BARACUDA_CUDA_ERROR_BASE + static_cast<int32_t>(result), "%s failed: %s%s", doing, result_text(result),
              hint);
}

}  // namespace baracuda::cuda

namespace baracuda {

const char* cuda_error_name(int32_t cuda_error) noexcept {
  return cuda::result_name(static_cast<CUresult>(cuda_error));
}

}  // namespace baracuda
