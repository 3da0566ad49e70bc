// Copies of pages, enqueued in the stream's context.
#include "pages/backend.h"

#include "base/status.h"
#include "cuda/backends.h"
#include "cuda/enqueue.h"
#include "cuda/pages/kernels.h"
#include "cuda/reachable.h"

namespace baracuda::cuda {

int32_t launch_pages(const PageCopy& copy) {
  return enqueue(copy.stream, copy.k_data, [&](const Driver& driver) { return pages::launch(driver, copy); });
}

int32_t preload_pages(const PageCopy& copy, int32_t* arch) {
  return load_kernels(copy.stream, copy.k_data, pages::load, arch);
}

int32_t check_pages_reachable(const CopyOp& op, CopyOperands operands) {
  const auto check = [&](const Driver&, CUdevice device) {
    const char* const backend = find_page_backend(op.backend)->name;
    for (int i = 0; i < BARACUDA_NUM_COPY_OPERANDS; ++i)
      if (operands[i] != nullptr) BARACUDA_TRY(check_reaches(backend, copy_name_of(i), *operands[i], device));
    return int32_t{BARACUDA_OK};
  };
  return check_in_context(op.stream, op.k_data, operands, BARACUDA_NUM_COPY_OPERANDS, op.error_record, check);
}

}  // namespace baracuda::cuda
