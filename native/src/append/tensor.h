// An append's described tensors, by their operands.
#ifndef BARACUDA_SRC_APPEND_TENSOR_H_
#define BARACUDA_SRC_APPEND_TENSOR_H_

#include <cstdint>

#include "append/operands.h"
#include "memory/tensor.h"

namespace baracuda {

inline int32_t check_rank(int operand, const Tensor& tensor, int rank) noexcept {
  return check_rank(name_of(operand), tensor, rank);
}

inline int32_t refuse_shape(int operand, const Tensor& tensor, const Extents& expected, const char* hint) noexcept {
  return refuse_shape(name_of(operand), tensor, expected, hint);
}

inline int32_t refuse_strides(int operand, const Tensor& tensor, const char* wanted) noexcept {
  return refuse_strides(name_of(operand), tensor, wanted);
}

inline int32_t refuse_type(int operand, const Tensor& tensor, const char* wanted) noexcept {
  return refuse_type(name_of(operand), tensor, wanted);
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_TENSOR_H_
