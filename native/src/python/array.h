// Arrays whose objects say themselves where their memory lies, read without a call of Python's.
#ifndef BARACUDA_SRC_PYTHON_ARRAY_H_
#define BARACUDA_SRC_PYTHON_ARRAY_H_

#include <cstdint>

#include "memory/tensor.h"
#include "python/accelerator.h"
#include "python/object.h"

namespace baracuda::python {

// An array's extents and strides, by themselves: what the object has may be replaced when other Python code runs.
struct Steps {
  int64_t extents[kMaxRank];
  int64_t strides[kMaxRank];
};

// Whether the array is as the layout says, but for whose memory it is; described in `tensor` and `steps` then.
inline bool read_array(const baracuda_array_layout& layout, const void* array, Steps* steps, Tensor* tensor) noexcept {
  const auto flags = member_of<uint32_t>(array, layout.flags);
  const auto rank = member_of<int32_t>(array, layout.rank);
  if ((flags & (layout.wanted_flags | layout.unwanted_flags)) != layout.wanted_flags || rank > kMaxRank) return false;
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

}  // namespace baracuda::python

#endif  // BARACUDA_SRC_PYTHON_ARRAY_H_
