#include "append/run.h"

#include "append/backend.h"
#include "append/memory.h"
#include "append/problem.h"
#include "base/cancellation.h"
#include "base/status.h"

namespace baracuda {

int32_t launch_checked(const Append& append) {
  if (rows_of(append) == 0) return BARACUDA_OK;
  // The host backend waits for nobody but threads of its own, and holds it there.
  if (append.backend->is_host) return append.backend->launch(append);
  const CancellationHeld held;
  return append.backend->launch(append);
}

int32_t check_append(const Op& op) {
  BARACUDA_TRY(check_problem(op));
  Append append;
  make_append(op, &append);
  BARACUDA_TRY(check_memory(op, append));
  return rows_of(append) == 0 ? BARACUDA_OK : append.backend->check_page_table(append);
}

int32_t run_append(const Op& op) {
  BARACUDA_TRY(check_problem(op));
  Append append;
  make_append(op, &append);
  BARACUDA_TRY(check_memory(op, append));
  return launch_checked(append);
}

}  // namespace baracuda
