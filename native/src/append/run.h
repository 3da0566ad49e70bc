// The general append behind every entry point, mirrored symbols included.
#ifndef BARACUDA_SRC_APPEND_RUN_H_
#define BARACUDA_SRC_APPEND_RUN_H_

#include <cstdint>

#include "append/backend.h"

namespace baracuda {

// Every check, the page table's included. `op` has this library's size.
int32_t check_append(const Append& op);

// check_append, then the launch.
int32_t run_append(const Append& op);

// The same for an append whose problem and operands are checked, as bind_operands does.
int32_t run_bound_append(const Append& op);

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_RUN_H_
