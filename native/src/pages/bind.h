// From described operands to a copy of pages that names them.
#ifndef BARACUDA_SRC_PAGES_BIND_H_
#define BARACUDA_SRC_PAGES_BIND_H_

#include <cstdint>

#include "pages/copy.h"
#include "pages/operands.h"

namespace baracuda {

// baracuda_paged_kv_copy_bind on a struct of this library's size, and the copy that it then is. On a refusal both may
// be half filled.
int32_t bind_copy(CopyOp* op, CopyOperands operands, PageCopy* copy) noexcept;

}  // namespace baracuda

#endif  // BARACUDA_SRC_PAGES_BIND_H_
