// From described operands to an append that names them.
#ifndef BARACUDA_SRC_APPEND_BIND_H_
#define BARACUDA_SRC_APPEND_BIND_H_

#include <cstdint>

#include "append/append.h"
#include "append/operands.h"

namespace baracuda {

// baracuda_paged_kv_append_bind on a struct of this library's size, and the append that it then is. On a refusal both
// may be half filled.
int32_t bind_operands(Op* op, Operands operands, Append* append) noexcept;

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_BIND_H_
