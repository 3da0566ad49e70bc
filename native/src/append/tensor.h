// An append's described tensors, by their operands.
#ifndef BARACUDA_SRC_APPEND_TENSOR_H_
#define BARACUDA_SRC_APPEND_TENSOR_H_

#include <cstdint>

#include "append/operands.h"
#include "memory/tensor.h"

namespace baracuda {

inline constexpr const char* kElementNames = "f16, bf16, f32, fp8_e4m3, fp8_e5m2, int8 or uint8";

// `dimensions` says which they are.
inline int32_t refuse_rank(int operand, const Tensor& tensor, int rank, const char* dimensions) noexcept {
  return refuse_rank(name_of(operand), tensor, rank, dimensions);
}

inline int32_t refuse_shape(int operand, const Tensor& tensor, const Extents& expected, const char* hint) noexcept {
  return refuse_shape(name_of(operand), tensor, expected, hint);
}

// Held against what another operand's shape said.
inline int32_t refuse_shape_beside(int operand, const Tensor& tensor, const Extents& expected, int other,
                                   const Tensor& other_tensor) noexcept {
  return refuse_shape_beside(name_of(operand), tensor, expected, name_of(other), other_tensor);
}

inline int32_t refuse_strides(int operand, const Tensor& tensor, const char* wanted) noexcept {
  return refuse_strides(name_of(operand), tensor, wanted);
}

inline int32_t refuse_type(int operand, const Tensor& tensor, const char* wanted) noexcept {
  return refuse_type(name_of(operand), tensor, wanted);
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_TENSOR_H_
