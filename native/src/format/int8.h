// float to int8: half away from zero, -127 .. 127; what is not a number is 0.
#ifndef BARACUDA_SRC_FORMAT_INT8_H_
#define BARACUDA_SRC_FORMAT_INT8_H_

#include <cstdint>

#include "format/arithmetic.h"

namespace baracuda {

constexpr float kInt8Top = 127.0f;

BARACUDA_HOST_DEVICE inline int8_t to_int8(float value) {
  const uint32_t sign = bits_of(value) & kSignBit;
  const uint32_t magnitude = magnitude_bits(value);
  if (magnitude > kInfinityBits) return 0;
  const float clamped = magnitude < bits_of(kInt8Top) ? value : float_of(bits_of(kInt8Top) | sign);
  return static_cast<int8_t>(static_cast<int32_t>(add(clamped, float_of(bits_of(0.5f) | sign))));
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_FORMAT_INT8_H_
