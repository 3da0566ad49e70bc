// Operands as somebody else describes them.
#ifndef BARACUDA_SRC_APPEND_OPERANDS_H_
#define BARACUDA_SRC_APPEND_OPERANDS_H_

#include <cstdint>

#include "append/backend.h"

namespace baracuda {

// Indexed by baracuda_operand.
inline constexpr const char* kOperandNames[BARACUDA_NUM_OPERANDS] = {"key",     "value",  "k_data",       "v_data",
                                                                     "indices", "indptr", "last_page_len"};

// DLPack's device types, as far as an operand can live there.
enum DeviceType : int32_t { kDeviceHost = 1, kDeviceCuda = 2, kDevicePinned = 3, kDeviceManaged = 13 };

inline void* address_of(const Tensor& tensor) noexcept {
  return tensor.data == nullptr
             ? nullptr
             : reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(tensor.data) + tensor.byte_offset);
}

// Calls `visit` with the member of `op`, constant or not, that points to an operand.
template <typename Op, typename Visit>
auto visit_pointer(Op& op, int operand, Visit&& visit) noexcept {
  switch (operand) {
    case BARACUDA_OPERAND_KEY:
      return visit(op.key);
    case BARACUDA_OPERAND_VALUE:
      return visit(op.value);
    case BARACUDA_OPERAND_K_DATA:
      return visit(op.k_data);
    case BARACUDA_OPERAND_V_DATA:
      return visit(op.v_data);
    case BARACUDA_OPERAND_INDICES:
      return visit(op.indices);
    case BARACUDA_OPERAND_INDPTR:
      return visit(op.indptr);
    default:
      return visit(op.last_page_len);
  }
}

// What `op` has of an operand.
inline const void* pointer_in(const Append& op, int operand) noexcept {
  return visit_pointer(op, operand, [](const void* pointer) { return pointer; });
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_OPERANDS_H_
