#include "base/status.h"
#include "cuda/driver.h"

namespace baracuda::cuda {
namespace {

// The interface asked for: the oldest CUDA that the sources support, whatever builds them.
constexpr unsigned int kDriverInterface = 12000;

struct Lookup {
  Driver driver = {};
  const char* doing = "";
  cudaError_t error = cudaSuccess;
};

cudaError_t query(const char* symbol, void** function) noexcept {
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
#if CUDART_VERSION >= 12050
  const cudaError_t error =
      cudaGetDriverEntryPointByVersion(symbol, function, kDriverInterface, cudaEnableDefault, &found);
#else
  const cudaError_t error = cudaGetDriverEntryPoint(symbol, function, cudaEnableDefault, &found);
#endif
  if (error != cudaSuccess) return error;
  return found == cudaDriverEntryPointSuccess ? cudaSuccess : cudaErrorSymbolNotFound;
}

Lookup look_up() noexcept {
  Lookup lookup;
  lookup.doing = "asking for the CUDA devices";
  lookup.error = cudaGetDeviceCount(&lookup.driver.device_count);
  auto find = [&lookup](const char* symbol, auto* function) {
    if (lookup.error != cudaSuccess) return;
    lookup.doing = "looking up the CUDA driver's functions";
    lookup.error = query(symbol, reinterpret_cast<void**>(function));
  };
  find("cuStreamGetCtx", &lookup.driver.stream_get_ctx);
  find("cuCtxGetCurrent", &lookup.driver.ctx_get_current);
  find("cuCtxPushCurrent", &lookup.driver.ctx_push_current);
  find("cuCtxPopCurrent", &lookup.driver.ctx_pop_current);
  find("cuCtxGetDevice", &lookup.driver.ctx_get_device);
  find("cuPointerGetAttribute", &lookup.driver.pointer_get_attribute);
  find("cuDevicePrimaryCtxGetState", &lookup.driver.primary_ctx_get_state);
  find("cuDevicePrimaryCtxRetain", &lookup.driver.primary_ctx_retain);
  find("cuDevicePrimaryCtxRelease", &lookup.driver.primary_ctx_release);
  if (lookup.error == cudaSuccess && lookup.driver.device_count == 0) lookup.error = cudaErrorNoDevice;
  return lookup;
}

}  // namespace

int32_t find_driver(const Driver** driver) noexcept {
  static const Lookup lookup = look_up();
  if (lookup.error != cudaSuccess) return fail_cuda(lookup.doing, lookup.error);
  *driver = &lookup.driver;
  return BARACUDA_OK;
}

}  // namespace baracuda::cuda
