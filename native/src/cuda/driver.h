// The CUDA driver, found where the library runs: it links neither libcuda nor the CUDA runtime, and loads where there
// is no driver.
#ifndef BARACUDA_SRC_CUDA_DRIVER_H_
#define BARACUDA_SRC_CUDA_DRIVER_H_

#include <cuda.h>

#include <cstdint>

namespace baracuda::cuda {

// The interface that every function is asked for: of CUDA 12.0, the oldest driver that serves, whatever header declares
// them here.
inline constexpr int kDriverInterface = 12000;

// What the library calls of the driver: member, symbol, parameters.
#define BARACUDA_FOR_EACH_DRIVER_FUNCTION(ROW)                                                                     \
  ROW(init, "cuInit", (unsigned int flags))                                                                        \
  ROW(driver_get_version, "cuDriverGetVersion", (int* version))                                                    \
  ROW(get_error_name, "cuGetErrorName", (CUresult result, const char** name))                                      \
  ROW(get_error_string, "cuGetErrorString", (CUresult result, const char** text))                                  \
  ROW(device_get_count, "cuDeviceGetCount", (int* count))                                                          \
  ROW(device_get_attribute, "cuDeviceGetAttribute", (int* value, CUdevice_attribute attribute, CUdevice device))   \
  ROW(device_get_name, "cuDeviceGetName", (char* name, int size, CUdevice device))                                 \
  ROW(primary_ctx_get_state, "cuDevicePrimaryCtxGetState", (CUdevice device, unsigned int* flags, int* active))    \
  ROW(primary_ctx_retain, "cuDevicePrimaryCtxRetain", (CUcontext * context, CUdevice device))                      \
  ROW(primary_ctx_release, "cuDevicePrimaryCtxRelease", (CUdevice device))                                         \
  ROW(ctx_get_current, "cuCtxGetCurrent", (CUcontext * context))                                                   \
  ROW(ctx_push_current, "cuCtxPushCurrent", (CUcontext context))                                                   \
  ROW(ctx_pop_current, "cuCtxPopCurrent", (CUcontext * context))                                                   \
  ROW(ctx_get_device, "cuCtxGetDevice", (CUdevice * device))                                                       \
  ROW(stream_get_ctx, "cuStreamGetCtx", (CUstream stream, CUcontext * context))                                    \
  ROW(pointer_get_attribute, "cuPointerGetAttribute",                                                              \
      (void* value, CUpointer_attribute attribute, CUdeviceptr address))                                           \
  ROW(library_load_data, "cuLibraryLoadData",                                                                      \
      (CUlibrary * library, const void* code, CUjit_option* jit_options, void** jit_values,                        \
       unsigned int num_jit_options, CUlibraryOption* options, void** values, unsigned int num_options))           \
  ROW(library_get_kernel, "cuLibraryGetKernel", (CUkernel * kernel, CUlibrary library, const char* name))          \
  ROW(kernel_get_function, "cuKernelGetFunction", (CUfunction * function, CUkernel kernel))                        \
  ROW(kernel_get_attribute, "cuKernelGetAttribute",                                                                \
      (int* value, CUfunction_attribute attribute, CUkernel kernel, CUdevice device))                              \
  ROW(func_get_attribute, "cuFuncGetAttribute", (int* value, CUfunction_attribute attribute, CUfunction function)) \
  ROW(occupancy, "cuOccupancyMaxActiveBlocksPerMultiprocessor",                                                    \
      (int* blocks, CUfunction function, int threads, size_t shared_bytes))                                        \
  ROW(stream_is_capturing, "cuStreamIsCapturing", (CUstream stream, CUstreamCaptureStatus * status))               \
  ROW(launch_kernel, "cuLaunchKernelEx",                                                                           \
      (const CUlaunchConfig* config, CUfunction function, void** parameters, void** extra))

struct Driver {
#define BARACUDA_MEMBER(member, symbol, parameters) CUresult(*member) parameters;
  BARACUDA_FOR_EACH_DRIVER_FUNCTION(BARACUDA_MEMBER)
#undef BARACUDA_MEMBER
  int version;       // that it supports: 12040 for CUDA 12.4
  int device_count;  // at least 1
};

// The driver, ready to use. Creates no context. Fails where there is no driver, one that is too old, or no device; what
// may pass is asked for again at the next call.
int32_t find_driver(const Driver** driver) noexcept;

// A result as a status, 1000 + result, with a message that says what failed: `doing`, such as "launching the kernel".
int32_t fail_driver_call(const char* doing, CUresult result) noexcept;

// The compute capability of a device: 90 for sm_90. Needs no context.
int32_t find_arch(const Driver& driver, CUdevice device, int32_t* arch) noexcept;

// The driver's name for a result; "unknown" where it has none, or there is no driver.
const char* result_name(CUresult result) noexcept;

// What the driver says of a result in words.
const char* result_text(CUresult result) noexcept;

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_DRIVER_H_
