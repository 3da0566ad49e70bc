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

// Integers only: no rounding or denormal mode matters.
template <typename Fp8>
BARACUDA_HOST_DEVICE inline uint8_t to_fp8(float value) {
  constexpr uint32_t kDropped = 23 - Fp8::kMantissaBits;
  constexpr uint32_t kTopBits =
      (Fp8::kLargest << kDropped) + ((Fp8::kLeastExponent - 1) << 23);  // of the largest as a float
  const uint32_t magnitude = magnitude_bits(value);
  if (magnitude > kInfinityBits) return kFp8Nan;
  const auto sign = static_cast<uint8_t>(bits_of(value) >> 24 & 0x80u);
  if (magnitude >= kTopBits) return static_cast<uint8_t>(sign | Fp8::kLargest);

  // Shifted out of a normal number is the excess of mantissa bits, its exponent rebased; of a smaller one more, the leading
  // bit made visible. All of it goes from 25 bits on, which is where a float's subnormals are.
  const uint32_t exponent = magnitude >> 23;
  const bool normal = exponent >= Fp8::kLeastExponent;
  const uint32_t digits = normal ? magnitude - ((Fp8::kLeastExponent - 1) << 23) : (magnitude & 0x7fffffu) | 0x800000u;
  const uint32_t missing = normal ? 0 : Fp8::kLeastExponent - exponent;
  const uint32_t shift = kDropped + missing < 25 ? kDropped + missing : 25;
  const uint32_t is_odd = digits >> shift & 1u;
  return static_cast<uint8_t>(sign | (digits + (1u << (shift - 1)) - 1 + is_odd) >> shift);
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
