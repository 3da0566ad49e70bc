// The CUDA part of a library that was built without CUDA: it judges a problem as usual and refuses to launch.
#include "backend.h"
#include "status.h"

namespace baracuda {
namespace {

int32_t refuse() noexcept {
  return fail(BARACUDA_UNSUPPORTED,
              "this library was built without CUDA: the flashinfer backend can check an append but not launch it; "
              "build with the CUDA compiler (BARACUDA_FFI_CUDA=ON, or BARACUDA_FFI_PYPI_CUDA=1 where there is no "
              "toolkit), or use the host backend");
}

}  // namespace

const Backend kFlashInferBackend = {
    "flashinfer",
    /*has_flashinfer_limits=*/true,
    /*is_host=*/false,
    [](const Append&) -> int32_t { return BARACUDA_OK; },
    [](const Append&) -> int32_t { return refuse(); },
    [](const Append&, int32_t*) -> int32_t { return refuse(); },
    [](const Append&, const Tensor* const[]) -> int32_t { return refuse(); },
};

const char* const kCudaBuildInfo = "flashinfer=none;cuda=none;archs=;ptx=;backends=host";

const char* cuda_error_name(int32_t) noexcept { return "unknown"; }

MemoryKind cuda_memory_kind(const void*) noexcept { return MemoryKind::kUnknown; }

}  // namespace baracuda
