#include "append/backend.h"
#include "base/status.h"
#include "cuda/error.h"

namespace baracuda {
namespace {

// A runtime asks for a driver of its own major version at least.
int32_t fail_driver(int32_t status) noexcept {
  int driver = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess) driver = 0;
  cudaGetLastError();
  if (driver == 0)
    return fail(status,
                "no CUDA driver was found; this library was built with CUDA %d.%d and needs an NVIDIA driver that "
                "supports it: install one, or use the host backend (in Python stream=None)",
                CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
  return fail(status,
              "the driver supports CUDA %d.%d and this library was built with CUDA %d.%d: update the driver, or build "
              "this library with a CUDA toolkit of the driver's version",
              driver / 1000, driver % 1000 / 10, CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
}

}  // namespace

int32_t fail_cuda(const char* doing, cudaError_t error) noexcept {
  const int32_t status = BARACUDA_CUDA_ERROR_BASE + static_cast<int32_t>(error);
  cudaGetLastError();
  const char* const says = cudaGetErrorString(error);
  switch (error) {
    case cudaErrorInsufficientDriver:
      return fail_driver(status);
    case cudaErrorNoDevice:
      return fail(status, "%s failed: %s; the host backend needs none (in Python stream=None)", doing, says);
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidDeviceFunction:
      return fail(status, "%s failed: %s; this library has code for %s", doing, says, kCudaBuildInfo);
    default:
      return fail(status, "%s failed: %s", doing, says);
  }
}

const char* cuda_error_name(int32_t cuda_error) noexcept {
  return cudaGetErrorName(static_cast<cudaError_t>(cuda_error));
}

}  // namespace baracuda
