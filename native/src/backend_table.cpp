// Which backends there are: the one place that knows them all.
#include "append/backend.h"
#include "cuda/backends.h"
#include "cuda/flashinfer/limits.h"
#include "host/backend.h"
#include "host/pages/backend.h"
#include "pages/backend.h"

namespace baracuda {
namespace {

int32_t no_limits(const Op&) { return BARACUDA_OK; }

int32_t nothing_to_check(const Append&) { return BARACUDA_OK; }

constexpr Backend kFlashInfer = {
    "flashinfer",
    Guarding::kNever,
    /*is_host=*/false,
    /*may_not_state_pages=*/true,
    flashinfer::check_limits,
    flashinfer::check_operands,
    nothing_to_check,
    cuda::launch_flashinfer,
    cuda::preload_flashinfer,
    cuda::check_reachable,
};

constexpr Backend kHost = {
    "host",
    Guarding::kOptional,
    /*is_host=*/true,
    /*may_not_state_pages=*/false,
    no_limits,
    nothing_to_check,
    host::check_page_table,
    host::launch,
    host::preload,
    host::check_reachable,
};

constexpr Backend kBespoke = {
    "bespoke",
    Guarding::kAlways,
    /*is_host=*/false,
    /*may_not_state_pages=*/false,
    no_limits,
    nothing_to_check,
    nothing_to_check,
    cuda::launch_bespoke,
    cuda::preload_bespoke,
    cuda::check_reachable,
};

int32_t no_lists_to_check(const PageCopy&) { return BARACUDA_OK; }

constexpr PageBackend kHostPages = {
    "host",
    /*is_always_guarded=*/false,
    /*is_host=*/true,
    host::check_page_lists,
    host::launch_pages,
    host::preload_pages,
    host::check_pages_reachable,
};

constexpr PageBackend kBespokePages = {
    "bespoke",
    /*is_always_guarded=*/true,
    /*is_host=*/false,
    no_lists_to_check,
    cuda::launch_pages,
    cuda::preload_pages,
    cuda::check_pages_reachable,
};

}  // namespace

const Backend* find_backend(int32_t backend) noexcept {
  switch (backend) {
    case BARACUDA_BACKEND_FLASHINFER:
      return &kFlashInfer;
    case BARACUDA_BACKEND_HOST:
      return &kHost;
    case BARACUDA_BACKEND_BESPOKE:
      return &kBespoke;
    default:
      return nullptr;
  }
}

const PageBackend* find_page_backend(int32_t backend) noexcept {
  switch (backend) {
    case BARACUDA_BACKEND_HOST:
      return &kHostPages;
    case BARACUDA_BACKEND_BESPOKE:
      return &kBespokePages;
    default:
      return nullptr;
  }
}

}  // namespace baracuda
