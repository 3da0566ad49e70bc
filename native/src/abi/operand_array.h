// The caller's array of operands, of whatever length, into one of this library's.
#ifndef BARACUDA_SRC_ABI_OPERAND_ARRAY_H_
#define BARACUDA_SRC_ABI_OPERAND_ARRAY_H_

#include <cstdint>

#include "baracuda_ffi.h"

namespace baracuda {

// `known` gets `num_known` of them, nullptr for those that the caller does not know. Refused where one beyond is there.
int32_t read_operands(const baracuda_tensor* const* operands, int32_t num_operands, int32_t num_known,
                      const baracuda_tensor** known) noexcept;

}  // namespace baracuda

#endif  // BARACUDA_SRC_ABI_OPERAND_ARRAY_H_
