// What the library says about itself, and of its last refusal.
#include "append/backend.h"
#include "baracuda_ffi.h"
#include "base/status.h"

extern "C" const char* baracuda_ffi_version(void) { return BARACUDA_FFI_VERSION; }

extern "C" int32_t baracuda_ffi_abi_version(void) { return BARACUDA_FFI_ABI_VERSION; }

extern "C" const char* baracuda_ffi_build_info(void) { return baracuda::kCudaBuildInfo; }

extern "C" const char* baracuda_last_error_message(void) { return baracuda::last_message(); }

extern "C" const char* baracuda_status_name(int32_t status) {
  switch (status) {
    case BARACUDA_OK:
      return "BARACUDA_OK";
    case BARACUDA_MISALIGNED_OPERAND:
      return "BARACUDA_MISALIGNED_OPERAND";
    case BARACUDA_INVALID_PROBLEM:
      return "BARACUDA_INVALID_PROBLEM";
    case BARACUDA_UNSUPPORTED:
      return "BARACUDA_UNSUPPORTED";
    case BARACUDA_WORKSPACE_TOO_SMALL:
      return "BARACUDA_WORKSPACE_TOO_SMALL";
    case BARACUDA_BUFFER_TOO_SMALL:
      return "BARACUDA_BUFFER_TOO_SMALL";
    default:
      return status >= BARACUDA_CUDA_ERROR_BASE ? baracuda::cuda_error_name(status - BARACUDA_CUDA_ERROR_BASE)
                                                : "unknown";
  }
}
