// The scales that an append works out itself, of the largest magnitude among elements that share one.
#ifndef BARACUDA_SRC_FORMAT_SCALES_H_
#define BARACUDA_SRC_FORMAT_SCALES_H_

#include <cstdint>

#include "format/arithmetic.h"
#include "format/fp8.h"

namespace baracuda {

// The bits of an element's magnitude if it is finite, else 0: the largest of them is amax.
BARACUDA_HOST_DEVICE inline uint32_t finite_magnitude_bits(float value) {
  const uint32_t magnitude = magnitude_bits(value);
  return magnitude < kInfinityBits ? magnitude : 0;
}

// The same where an infinity counts: 0 for what is not a number.
BARACUDA_HOST_DEVICE inline uint32_t number_magnitude_bits(float value) {
  const uint32_t magnitude = magnitude_bits(value);
  return magnitude <= kInfinityBits ? magnitude : 0;
}

// amax over the largest value of a type. For a GPU, in a fraction of a division's time, what is the same wherever it is
// not below the least scale: the product with the reciprocal in two floats. The quotient by so small a number is
// never as near to the middle of two floats as that is off.
BARACUDA_HOST_DEVICE inline float over_top(float amax, float top) {
#if defined(__CUDA_ARCH__)
  const double reciprocal = 1.0 / double{top};
  const auto high = static_cast<float>(reciprocal - reciprocal * 0x1p-23);  // below it: infinity stays infinity
  const auto low = static_cast<float>(reciprocal - double{high});
  return __fmaf_rn(amax, high, __fmul_rn(amax, low));
#else
  return amax / top;
#endif
}

// Of a token's head. `top` is the largest value of the cache's element; rows are multiplied by the reciprocal.
BARACUDA_HOST_DEVICE inline float token_head_scale(float amax, float top) {
  constexpr float kLeast = 1e-6f;
  const float scale = over_top(amax, top);
  return scale > kLeast ? scale : kLeast;
}

// FP8_DS_MLA: a power of two, one for each tile of 128 elements. Of an infinite amax it is infinite.
constexpr int kDsMlaTile = 128;  // elements

BARACUDA_HOST_DEVICE inline float ds_mla_scale(float amax) {
  constexpr float kLeast = 1e-4f;
  constexpr uint32_t kMantissa = 0x7fffffu;
  const float scale = over_top(amax, E4m3::kTop);
  // A power of two has no mantissa, and any other number lies below the next one.
  return float_of((bits_of(scale > kLeast ? scale : kLeast) + kMantissa) & ~kMantissa);
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_FORMAT_SCALES_H_
