// The one place that judges where the operands of a copy of pages lie.
#ifndef BARACUDA_SRC_PAGES_MEMORY_H_
#define BARACUDA_SRC_PAGES_MEMORY_H_

#include <cstdint>

#include "pages/copy.h"

namespace baracuda {

// `copy` is that of `op`, whose problem is checked.
int32_t check_copy_memory(const CopyOp& op, const PageCopy& copy) noexcept;

}  // namespace baracuda

#endif  // BARACUDA_SRC_PAGES_MEMORY_H_
