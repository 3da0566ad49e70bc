// The one place that judges where an append's operands lie: NULL, alignment, and what is written sharing memory with
// anything else.
#ifndef BARACUDA_SRC_APPEND_MEMORY_H_
#define BARACUDA_SRC_APPEND_MEMORY_H_

#include <cstdint>

#include "append/append.h"

namespace baracuda {

// `append` is that of `op`, whose problem is checked.
int32_t check_memory(const Op& op, const Append& append) noexcept;

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_MEMORY_H_
