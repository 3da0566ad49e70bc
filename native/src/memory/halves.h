// Both caches in one tensor, [pages, 2, ...], and each as a tensor by itself.
#ifndef BARACUDA_SRC_MEMORY_HALVES_H_
#define BARACUDA_SRC_MEMORY_HALVES_H_

#include <cstdint>

#include "memory/tensor.h"

namespace baracuda {

inline constexpr int kMaxWholeRank = kMaxRank + 1;

// What a tensor points to.
struct Steps {
  int64_t extents[kMaxWholeRank];
  int64_t strides[kMaxWholeRank];
};

// Describes the first or the second half in `half`, which may be `whole`, and `steps`, which may be what that points
// to. False where `whole` is not of that shape.
bool take_half(const Tensor& whole, bool second, Steps* steps, Tensor* half) noexcept;

}  // namespace baracuda

#endif  // BARACUDA_SRC_MEMORY_HALVES_H_
