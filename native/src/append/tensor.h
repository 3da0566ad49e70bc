// What described tensors are, and refusals that say what they should be.
#ifndef BARACUDA_SRC_APPEND_TENSOR_H_
#define BARACUDA_SRC_APPEND_TENSOR_H_

#include <cstdint>

#include "append/element.h"
#include "append/operands.h"

namespace baracuda {

inline constexpr int kMaxRank = 4;

// An expected shape. The first extent may be a least one.
struct Extents {
  int rank;
  bool or_more;
  int64_t extents[kMaxRank];
};

// Whether the tensor has a shape at all.
int32_t check_described(int operand, const Tensor& tensor) noexcept;

int32_t check_rank(int operand, const Tensor& tensor, int rank) noexcept;

// `hint` goes to the end of a refusal.
int32_t check_shape(int operand, const Tensor& tensor, const Extents& expected, const char* hint) noexcept;

bool is_contiguous(const Tensor& tensor) noexcept;

int32_t refuse_strides(int operand, const Tensor& tensor, const char* wanted) noexcept;

int32_t refuse_type(int operand, const Tensor& tensor, const char* wanted) noexcept;

inline bool has_type(const Tensor& tensor, const Element& element) noexcept {
  return tensor.type_code == element.dlpack_code && tensor.type_bits == element.bits && tensor.type_lanes == 1;
}

// nullptr for a type that is none of an append's elements.
inline const Element* element_of(const Tensor& tensor) noexcept {
  return tensor.type_lanes == 1 ? find_element(tensor.type_code, tensor.type_bits) : nullptr;
}

// In elements; of a tensor without strides those of a contiguous one.
int64_t stride_of(const Tensor& tensor, int dimension) noexcept;

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_TENSOR_H_
