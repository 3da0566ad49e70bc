// Copies of pages, enqueued in the stream's context.
#include "base/status.h"
#include "cuda/backends.h"
#include "cuda/context.h"
#include "cuda/driver.h"
#include "cuda/enqueue.h"
#include "cuda/pages/kernels.h"
#include "cuda/reachable.h"
#include "pages/backend.h"

namespace baracuda::cuda {
namespace {

bool needs_context(const Driver& driver, const CopyOp& op, CopyOperands operands) noexcept {
  if (driver.device_count > 1 || op.error_record != nullptr) return true;
  for (int i = 0; i < BARACUDA_NUM_COPY_OPERANDS; ++i)
    if (operands[i] != nullptr && is_unplaced(*operands[i])) return true;
  return false;
}

}  // namespace

int32_t launch_pages(const PageCopy& copy) {
  return enqueue(copy.stream, copy.k_data, [&] { return pages::launch(copy); });
}

int32_t preload_pages(const PageCopy& copy, int32_t* arch) {
  return load_kernels(copy.stream, copy.k_data, pages::load, arch);
}

int32_t check_pages_reachable(const CopyOp& op, CopyOperands operands) {
  const Driver* driver = nullptr;
  BARACUDA_TRY(find_driver(&driver));
  CurrentContext context(*driver);
  CUdevice device = 0;
  if (needs_context(*driver, op, operands)) {
    BARACUDA_TRY(context.enter(op.stream, op.k_data));
    BARACUDA_TRY(context.device(&device));
  }
  const char* const backend = find_page_backend(op.backend)->name;
  for (int i = 0; i < BARACUDA_NUM_COPY_OPERANDS; ++i)
    if (operands[i] != nullptr) BARACUDA_TRY(check_reaches(backend, copy_name_of(i), *operands[i], device));
  return op.error_record != nullptr ? check_unplaced("error_record", op.error_record, device) : BARACUDA_OK;
}

}  // namespace baracuda::cuda
