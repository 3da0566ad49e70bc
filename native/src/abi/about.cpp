// What the library says about itself.
#include "append/backend.h"
#include "baracuda_ffi.h"

extern "C" const char* baracuda_ffi_version(void) { return BARACUDA_FFI_VERSION; }

extern "C" int32_t baracuda_ffi_abi_version(void) { return BARACUDA_FFI_ABI_VERSION; }

extern "C" const char* baracuda_ffi_build_info(void) { return baracuda::kCudaBuildInfo; }
