// float to the two fp8 types: to nearest even, saturating, infinities too; what is not a number is 0x7f in both.
#ifndef BARACUDA_SRC_FORMAT_FP8_H_
#define BARACUDA_SRC_FORMAT_FP8_H_

#include <cstdint>

#include "format/arithmetic.h"

namespace baracuda {

// 1 sign, 4 exponent and 3 mantissa bits, no infinities: up to 448.
struct E4m3 {
  static constexpr uint32_t kMantissaBits = 3;
  static constexpr uint32_t kLeastExponent = 127 - 6;  // of a normal number, biased as a float's
  static constexpr uint32_t kLargest = 0x7e;
  static constexpr float kTop = 448.0f;
};

// 1 sign, 5 exponent and 2 mantissa bits: up to 57344.
struct E5m2 {
  static constexpr uint32_t kMantissaBits = 2;
  static constexpr uint32_t kLeastExponent = 127 - 14;
  static constexpr uint32_t kLargest = 0x7b;
  static constexpr float kTop = 57344.0f;
};

constexpr uint8_t kFp8Nan = 0x7f;

// To a magnitude is added what has a last place of the type's step there: the sum's last bits count the steps, and its
// exponent, moved in behind them, those of the smaller exponents.
template <typename Fp8>
BARACUDA_HOST_DEVICE inline uint8_t to_fp8(float value) {
  constexpr uint32_t kDropped = 23 - Fp8::kMantissaBits;
  constexpr uint32_t kTopBits =
      (Fp8::kLargest << kDropped) + ((Fp8::kLeastExponent - 1) << 23);  // of the largest as a float
  // What the least exponent would count, the other way. Even, so that it leaves alone which of two steps is the even
  // one.
  constexpr uint32_t kBack = (0u - ((Fp8::kLeastExponent + kDropped) << Fp8::kMantissaBits)) & 0xffu;
  static_assert(kBack % 2 == 0, "ties go to even");
  const uint32_t magnitude = magnitude_bits(value) < kTopBits ? magnitude_bits(value) : kTopBits;
  const uint32_t least = Fp8::kLeastExponent << 23;
  const uint32_t exponent = (magnitude & kInfinityBits) > least ? magnitude & kInfinityBits : least;
  const uint32_t sum = bits_of(add(float_of(magnitude), float_of(exponent + (kDropped << 23 | kBack))));
  const uint32_t code = (sum + (sum >> kDropped)) & 0x7fu;
  return static_cast<uint8_t>(is_nan(value) ? kFp8Nan : code | (bits_of(value) >> 24 & 0x80u));
}

// Of a finite e4m3: exact.
BARACUDA_HOST_DEVICE inline float widen_e4m3(uint8_t bits) {
  constexpr uint32_t kLeastNormal = 1u << E4m3::kMantissaBits;
  const uint32_t sign = (bits & 0x80u) << 24;
  const uint32_t magnitude = bits & 0x7fu;
  if (magnitude >= kLeastNormal)
    return float_of(sign | ((magnitude << (23 - E4m3::kMantissaBits)) + ((E4m3::kLeastExponent - 1) << 23)));
  return float_of(sign | bits_of(static_cast<float>(static_cast<int32_t>(magnitude)) * 0x1p-9f));
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_FORMAT_FP8_H_
