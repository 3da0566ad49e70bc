// The CUDA part of a library that was built without CUDA: it judges a problem as usual and refuses to launch.
#include "append/backend.h"
#include "append/status.h"

namespace baracuda {
namespace {

int32_t refuse() noexcept {
  return fail(BARACUDA_UNSUPPORTED,
              "this library was built without CUDA: the CUDA backends can check an append but not launch it; "
              "build with the CUDA compiler (BARACUDA_FFI_CUDA=ON, or BARACUDA_FFI_PYPI_CUDA=1 where there is no "
              "toolkit), or use the host backend");
}

int32_t check_page_table(const Append&) { return BARACUDA_OK; }
int32_t launch(const Append&) { return refuse(); }
int32_t preload(const Append&, int32_t*) { return refuse(); }
int32_t check_reachable(const Append&, const Tensor* const[]) { return refuse(); }

}  // namespace

const Backend kFlashInferBackend = {
    "flashinfer",
    Guarding::kNever,
    /*has_flashinfer_limits=*/true,
    /*is_host=*/false,
    check_page_table,
    launch,
    preload,
    check_reachable,
};

const Backend kBespokeBackend = {
    "bespoke",
    Guarding::kAlways,
    /*has_flashinfer_limits=*/false,
    /*is_host=*/false,
    check_page_table,
    launch,
    preload,
    check_reachable,
};

const char* const kCudaBuildInfo = "flashinfer=none;cuda=none;archs=;ptx=;backends=host";

const char* cuda_error_name(int32_t) noexcept { return "unknown"; }

MemoryKind cuda_memory_kind(const void*) noexcept { return MemoryKind::kUnknown; }

}  // namespace baracuda
