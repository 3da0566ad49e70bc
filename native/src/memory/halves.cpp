#include "memory/halves.h"

namespace baracuda {

bool take_half(const Tensor& whole, bool second, Steps* steps, Tensor* half) noexcept {
  constexpr int kLeastRank = 3;  // of a cache, without a head dimension
  const int rank = whole.ndim - 1;
  if (rank < kLeastRank || rank > kMaxRank || whole.shape == nullptr || whole.shape[1] != 2 || whole.type_bits % 8 != 0)
    return false;
  // Sums and products wrap, as they do for strides that are nonsense anywhere else: places are checked later.
  uint64_t between = 1;  // from one half to the other, in elements
  if (whole.strides != nullptr) {
    between = static_cast<uint64_t>(whole.strides[1]);
    steps->strides[0] = whole.strides[0];
    for (int i = 1; i < rank; ++i) steps->strides[i] = whole.strides[i + 1];
  } else {
    for (int i = rank - 1; i > 0; --i) {
      steps->strides[i] = static_cast<int64_t>(between);
      between *= static_cast<uint64_t>(whole.shape[i + 1]);
    }
    steps->strides[0] = static_cast<int64_t>(2 * between);
  }
  steps->extents[0] = whole.shape[0];
  for (int i = 1; i < rank; ++i) steps->extents[i] = whole.shape[i + 1];
  *half = whole;
  half->ndim = rank;
  half->shape = steps->extents;
  half->strides = steps->strides;
  if (second) half->byte_offset += between * (whole.type_bits / 8);
  return true;
}

}  // namespace baracuda
