#include "pages/run.h"

#include "base/cancellation.h"
#include "base/status.h"
#include "pages/backend.h"
#include "pages/memory.h"
#include "pages/problem.h"

namespace baracuda {
namespace {

int32_t make_checked(const CopyOp& op, PageCopy* copy) noexcept {
  BARACUDA_TRY(check_copy_problem(op));
  make_copy(op, copy);
  return check_copy_memory(op, *copy);
}

}  // namespace

int32_t check_copy(const CopyOp& op) {
  PageCopy copy;
  BARACUDA_TRY(make_checked(op, &copy));
  return copy.num_copies == 0 ? BARACUDA_OK : copy.backend->check_lists(copy);
}

int32_t run_copy(const CopyOp& op) {
  PageCopy copy;
  BARACUDA_TRY(make_checked(op, &copy));
  return launch_checked(copy);
}

int32_t launch_checked(const PageCopy& copy) {
  if (copy.num_copies == 0) return BARACUDA_OK;
  // The host backend waits for nobody but threads of its own, and holds it there.
  if (copy.backend->is_host) return copy.backend->launch(copy);
  const CancellationHeld held;
  return copy.backend->launch(copy);
}

}  // namespace baracuda
