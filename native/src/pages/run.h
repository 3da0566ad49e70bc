// From the caller's struct to its backend: every check in its order, then the launch.
#ifndef BARACUDA_SRC_PAGES_RUN_H_
#define BARACUDA_SRC_PAGES_RUN_H_

#include <cstdint>

#include "pages/copy.h"

namespace baracuda {

// Every check, the lists' included.
int32_t check_copy(const CopyOp& op);

// The checks, then the launch, which judges the lists where the backend reads them.
int32_t run_copy(const CopyOp& op);

// The launch of a copy whose problem and operands are checked, as bind_copy does.
int32_t launch_checked(const PageCopy& copy);

}  // namespace baracuda

#endif  // BARACUDA_SRC_PAGES_RUN_H_
