// What described tensors are, and refusals that say what they should be. `name` is the operand's, for messages.
#ifndef BARACUDA_SRC_MEMORY_TENSOR_H_
#define BARACUDA_SRC_MEMORY_TENSOR_H_

#include <cstdint>

#include "base/element.h"
#include "base/hints.h"

namespace baracuda {

using Tensor = baracuda_tensor;

// DLPack's device types, as far as an operand can live there.
enum DeviceType : int32_t { kDeviceHost = 1, kDeviceCuda = 2, kDevicePinned = 3, kDeviceManaged = 13 };

inline void* address_of(const Tensor& tensor) noexcept {
  return tensor.data == nullptr
             ? nullptr
             : reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(tensor.data) + tensor.byte_offset);
}

// Nothing of an empty tensor is read, and its address may be anything.
inline bool is_empty(const Tensor& tensor) noexcept {
  for (int i = 0; i < tensor.ndim; ++i)
    if (tensor.shape[i] == 0) return true;
  return false;
}

inline constexpr int kMaxRank = 4;

// An expected shape, of rank 1 or more. The first extent may be a least one.
struct Extents {
  int rank;
  bool or_more;
  int64_t extents[kMaxRank];
};

// Whether the tensor has a shape at all.
int32_t check_described(const char* name, const Tensor& tensor) noexcept;

// `dimensions` says which they are; "" where the name does.
int32_t refuse_rank(const char* name, const Tensor& tensor, int rank, const char* dimensions) noexcept;

// `rank` is 1 or more.
inline int32_t check_rank(const char* name, const Tensor& tensor, int rank) noexcept {
  return tensor.ndim == rank && tensor.shape != nullptr ? BARACUDA_OK : refuse_rank(name, tensor, rank, "");
}

inline bool has_shape(const Tensor& tensor, const Extents& expected) noexcept {
  if (tensor.ndim != expected.rank || tensor.shape == nullptr) return false;
  const int64_t first = tensor.shape[0];
  if (expected.or_more ? first < expected.extents[0] : first != expected.extents[0]) return false;
  for (int i = 1; i < expected.rank; ++i)
    if (tensor.shape[i] != expected.extents[i]) return false;
  return true;
}

// `hint` goes to the end.
int32_t refuse_shape(const char* name, const Tensor& tensor, const Extents& expected, const char* hint) noexcept;

// What was expected follows from another operand's shape, and that may be the wrong one.
int32_t refuse_shape_beside(const char* name, const Tensor& tensor, const Extents& expected, const char* other,
                            const Tensor& other_tensor) noexcept;

// A dimension of extent 1 is never stepped over, so its stride may be anything; and a tensor without elements has
// nothing to step to.
inline bool is_contiguous(const Tensor& tensor) noexcept {
  if (tensor.strides == nullptr) return true;
  uint64_t step = 1;
  for (int i = tensor.ndim - 1; i >= 0; --i) {
    if (tensor.shape[i] != 1 && static_cast<uint64_t>(tensor.strides[i]) != step) return is_empty(tensor);
    step *= static_cast<uint64_t>(tensor.shape[i]);
  }
  return true;
}

int32_t refuse_strides(const char* name, const Tensor& tensor, const char* wanted) noexcept;

int32_t refuse_type(const char* name, const Tensor& tensor, const char* wanted) noexcept;

inline bool has_type(const Tensor& tensor, const Element& element) noexcept {
  return tensor.type_code == element.dlpack_code && tensor.type_bits == element.bits && tensor.type_lanes == 1;
}

// nullptr for a type that is none of an append's elements.
inline const Element* element_of(const Tensor& tensor) noexcept {
  return tensor.type_lanes == 1 ? find_element(tensor.type_code, tensor.type_bits) : nullptr;
}

// In elements; of a tensor without strides those of a contiguous one.
inline int64_t stride_of(const Tensor& tensor, int dimension) noexcept {
  if (tensor.strides != nullptr) return tensor.strides[dimension];
  uint64_t step = 1;
  for (int i = tensor.ndim - 1; i > dimension; --i) step *= static_cast<uint64_t>(tensor.shape[i]);
  return static_cast<int64_t>(step);
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_MEMORY_TENSOR_H_
