// Operands as somebody else describes them.
#ifndef BARACUDA_SRC_TENSOR_H_
#define BARACUDA_SRC_TENSOR_H_

#include <cstdint>

#include "backend.h"

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

// What `op` has of an operand.
inline const void* pointer_in(const Append& op, int operand) noexcept {
  switch (operand) {
    case BARACUDA_OPERAND_KEY:
      return op.key;
    case BARACUDA_OPERAND_VALUE:
      return op.value;
    case BARACUDA_OPERAND_K_DATA:
      return op.k_data;
    case BARACUDA_OPERAND_V_DATA:
      return op.v_data;
    case BARACUDA_OPERAND_INDICES:
      return op.indices;
    case BARACUDA_OPERAND_INDPTR:
      return op.indptr;
    default:
      return op.last_page_len;
  }
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_TENSOR_H_
