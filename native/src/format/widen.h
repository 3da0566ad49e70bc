// What a source element is as a float: exact.
#ifndef BARACUDA_SRC_FORMAT_WIDEN_H_
#define BARACUDA_SRC_FORMAT_WIDEN_H_

#include <cstdint>

#include "format/arithmetic.h"

namespace baracuda {

BARACUDA_HOST_DEVICE inline float widen_bf16(uint16_t bits) { return float_of(uint32_t{bits} << 16); }

BARACUDA_HOST_DEVICE inline float widen_f16(uint16_t bits) {
  constexpr uint32_t kExponent = 0x7c00u;
  constexpr uint32_t kRebias = (127u - 15u) << 23;
  const uint32_t sign = (bits & 0x8000u) << 16;
  const uint32_t magnitude = bits & 0x7fffu;
  if (magnitude >= kExponent) return float_of(sign | kInfinityBits | (magnitude & 0x3ffu) << 13);
  if (magnitude >= 0x400u) return float_of(sign | ((magnitude << 13) + kRebias));
  // A subnormal is so many 2^-24, and as a float normal, or 0.
  return float_of(sign | bits_of(static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-24f));
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_FORMAT_WIDEN_H_
