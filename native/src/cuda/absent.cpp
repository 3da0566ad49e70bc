// The CUDA part of a library that was built without CUDA: the checks are as usual, and what would launch refuses.
#include "append/backend.h"
#include "base/status.h"
#include "cuda/backends.h"
#include "cuda/stream_context.h"

namespace baracuda {
namespace {

int32_t refuse_cuda() noexcept {
  return fail(BARACUDA_UNSUPPORTED,
              "this library was built without CUDA; build it with the CUDA compiler (BARACUDA_FFI_CUDA=ON, or "
              "BARACUDA_FFI_PYPI_CUDA=1 where there is no toolkit), or use the host backend (in Python stream=None)");
}

}  // namespace

namespace cuda {

int32_t launch_flashinfer(const Append&) { return refuse_cuda(); }
int32_t preload_flashinfer(const Append&, int32_t*) { return refuse_cuda(); }
int32_t launch_bespoke(const Append&) { return refuse_cuda(); }
int32_t preload_bespoke(const Append&, int32_t*) { return refuse_cuda(); }
int32_t check_reachable(const Op&, Operands) { return refuse_cuda(); }
int32_t launch_pages(const PageCopy&) { return refuse_cuda(); }
int32_t preload_pages(const PageCopy&, int32_t*) { return refuse_cuda(); }
int32_t check_pages_reachable(const CopyOp&, CopyOperands) { return refuse_cuda(); }

}  // namespace cuda

const char* const kCudaBuildInfo = "flashinfer=none;cuda=none;archs=;ptx=;drivers=;backends=host";

const char* cuda_error_name(int32_t) noexcept { return "unknown"; }

MemoryKind cuda_memory_kind(const void*) noexcept { return MemoryKind::kUnknown; }

}  // namespace baracuda

extern "C" int32_t baracuda_private_stream_context(void*, const void*, void**, int32_t*) {
  return baracuda::refuse_cuda();
}
