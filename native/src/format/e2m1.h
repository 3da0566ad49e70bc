// NVFP4: blocks of 16 elements, an e4m3 scale each, under a global scale; an element is an e2m1, two of them a byte.
// The rules are FlashInfer's, of release 0.7.2.
#ifndef BARACUDA_SRC_FORMAT_E2M1_H_
#define BARACUDA_SRC_FORMAT_E2M1_H_

#include <cstdint>

#include "format/arithmetic.h"
#include "format/fp8.h"

namespace baracuda {

constexpr int kNvfp4Block = 16;  // elements

BARACUDA_HOST_DEVICE inline int one_if(bool condition) { return condition ? 1 : 0; }

// To nearest even among 0, 0.5, 1, 1.5, 2, 3, 4 and 6, saturating, the sign kept in bit 3; what is not a number is 0.
BARACUDA_HOST_DEVICE inline uint8_t to_e2m1(float value) {
  if (is_nan(value)) return 0;
  const float magnitude = float_of(magnitude_bits(value));
  const int steps = one_if(magnitude > 0.25f) + one_if(magnitude >= 0.75f) + one_if(magnitude > 1.25f) +
                    one_if(magnitude >= 1.75f) + one_if(magnitude > 2.5f) + one_if(magnitude >= 3.5f) +
                    one_if(magnitude > 5.0f);
  return static_cast<uint8_t>(steps | static_cast<int>(bits_of(value) >> 28 & 8u));
}

// A block's scale. `amax` is the largest magnitude of its elements that are numbers, infinity included; `global` may be
// anything: without one that is positive, all of a block is 0.
BARACUDA_HOST_DEVICE inline uint8_t nvfp4_block_scale(float amax, float global) {
  if (!(amax > 0.0f && global > 0.0f)) return 0;
  return to_fp8<E4m3>(divide(amax, multiply(6.0f, global)));
}

// What the elements of a block are multiplied by before to_e2m1.
BARACUDA_HOST_DEVICE inline float nvfp4_multiplier(uint8_t block_scale, float global) {
  if (block_scale == 0 || block_scale == kFp8Nan) return 0.0f;
  return reciprocal(multiply(widen_e4m3(block_scale), global));
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_FORMAT_E2M1_H_
