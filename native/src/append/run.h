// From the caller's struct to its backend: every check in its order, then the launch.
#ifndef BARACUDA_SRC_APPEND_RUN_H_
#define BARACUDA_SRC_APPEND_RUN_H_

#include <cstdint>

#include "append/append.h"

namespace baracuda {

// Every check, the page table's included.
int32_t check_append(const Op& op);

// The checks, then the launch, which judges the page table where the backend reads it.
int32_t run_append(const Op& op);

// The launch of an append whose problem and operands are checked, as bind_operands does.
int32_t launch_checked(const Append& append);

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_RUN_H_
