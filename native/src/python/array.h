// Arrays and tensors whose objects say themselves where their memory lies, read without a call of anybody's.
#ifndef BARACUDA_SRC_PYTHON_ARRAY_H_
#define BARACUDA_SRC_PYTHON_ARRAY_H_

#include <cstdint>

#include "memory/halves.h"
#include "memory/tensor.h"
#include "python/accelerator.h"
#include "python/object.h"

namespace baracuda::python {

// Whether the array is as the layout says, but for whose memory it is; described in `tensor` and `steps` then:
// what the object has of these may be replaced when other Python code runs.
inline bool read_array(const baracuda_array_layout& layout, const void* array, Steps* steps, Tensor* tensor) noexcept {
  const auto flags = member_of<uint32_t>(array, layout.flags);
  const auto rank = member_of<int32_t>(array, layout.rank);
  if ((flags & (layout.wanted_flags | layout.unwanted_flags)) != layout.wanted_flags || rank > kMaxWholeRank)
    return false;
  const auto* const type = member_of<const void*>(array, layout.type);
  const baracuda_array_type* found = layout.types;
  while (found->type != type && found->type != nullptr) ++found;
  if (found->type == nullptr) return false;
  const int doublings = found->doublings;
  const int64_t within = (int64_t{1} << doublings) - 1;
  const auto* const extents = member_of<const int64_t*>(array, layout.extents);
  const auto* const strides = member_of<const int64_t*>(array, layout.strides);
  for (int32_t d = 0; d < rank; ++d) {
    if ((strides[d] & within) != 0) return false;
    steps->extents[d] = extents[d];
    steps->strides[d] = strides[d] >> doublings;
  }
  tensor->data = member_of<void*>(array, layout.data);
  tensor->device_type = kDeviceHost;
  tensor->device_id = 0;
  tensor->ndim = rank;
  tensor->type_code = found->code;
  tensor->type_bits = static_cast<uint8_t>(8u << doublings);
  tensor->type_lanes = 1;
  tensor->shape = steps->extents;
  tensor->strides = steps->strides;
  tensor->byte_offset = 0;
  return true;
}

// Whether a tensor, of those that may be read, is as the layout says; described in `described` then. Its shape is its
// own.
inline bool read_tensor(const baracuda_tensor_layout& layout, const void* tensor, Tensor* described) noexcept {
  if (layout.num_types == 0) return false;
  const auto rank = member_of<int64_t>(tensor, layout.rank);
  const auto* const storage = member_of<const void*>(tensor, layout.storage);
  if ((member_of<uint64_t>(tensor, layout.keys) & ~layout.plain) != 0 || rank > kMaxWholeRank || storage == nullptr ||
      member_of<uint8_t>(storage, layout.shared) != 0)
    return false;
  const auto type = member_of<uint16_t>(tensor, layout.type);
  uint32_t i = 0;
  while (i < layout.num_types && layout.types[i].type != type) ++i;
  if (i == layout.num_types) return false;
  constexpr int8_t kHost = 0;
  constexpr int8_t kCuda = 1;
  const auto device = member_of<int8_t>(tensor, layout.device);
  if (device != kHost && !(device == kCuda && layout.on_cuda != 0)) return false;
  const int doublings = layout.types[i].doublings;
  const auto data = member_of<uintptr_t>(storage, layout.data);
  const bool has_memory = data != 0 && member_of<int64_t>(tensor, layout.elements) != 0;
  const auto first = member_of<uint64_t>(tensor, layout.first);
  described->data = has_memory ? reinterpret_cast<void*>(data + (first << doublings)) : nullptr;
  described->device_type = device == kHost ? kDeviceHost : kDeviceCuda;
  described->device_id = device == kHost ? 0 : member_of<int8_t>(tensor, layout.device + 1);
  described->ndim = static_cast<int32_t>(rank);
  described->type_code = layout.types[i].code;
  described->type_bits = static_cast<uint8_t>(8u << doublings);
  described->type_lanes = 1;
  described->shape = reinterpret_cast<int64_t*>(reinterpret_cast<uintptr_t>(tensor) + layout.extents);
  described->strides = reinterpret_cast<int64_t*>(reinterpret_cast<uintptr_t>(tensor) + layout.strides);
  described->byte_offset = 0;
  return true;
}

}  // namespace baracuda::python

#endif  // BARACUDA_SRC_PYTHON_ARRAY_H_
