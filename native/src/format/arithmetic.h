// One operation on float, rounded to nearest even, alike on the CPU and on the GPU: no product is fused with the sum
// that takes it, no quotient is approximated, no subnormal is flushed. On the CPU they are that in the default rounding
// and denormal mode, which is the caller's of these functions to see to.
#ifndef BARACUDA_SRC_FORMAT_ARITHMETIC_H_
#define BARACUDA_SRC_FORMAT_ARITHMETIC_H_

#include <cstdint>
#include <cstring>

#include "base/host_device.h"

namespace baracuda {

BARACUDA_HOST_DEVICE inline uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

BARACUDA_HOST_DEVICE inline float float_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

constexpr uint32_t kSignBit = 0x80000000u;
constexpr uint32_t kInfinityBits = 0x7f800000u;

// Without the sign: magnitudes compare as their bits do, and above kInfinityBits is what is not a number.
BARACUDA_HOST_DEVICE inline uint32_t magnitude_bits(float value) { return bits_of(value) & ~kSignBit; }

BARACUDA_HOST_DEVICE inline bool is_nan(float value) { return magnitude_bits(value) > kInfinityBits; }

BARACUDA_HOST_DEVICE inline float multiply(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fmul_rn(a, b);
#else
  return a * b;
#endif
}

BARACUDA_HOST_DEVICE inline float divide(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fdiv_rn(a, b);
#else
  return a / b;
#endif
}

BARACUDA_HOST_DEVICE inline float reciprocal(float value) {
#if defined(__CUDA_ARCH__)
  return __frcp_rn(value);
#else
  return 1.0f / value;
#endif
}

// The same, or a float beside it, of a magnitude from 2^-125 to 2^125, and of 0, infinities and what is not a number.
BARACUDA_HOST_DEVICE inline float guessed_reciprocal(float value) {
#if defined(__CUDA_ARCH__)
  float guess;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(guess) : "f"(value));
  return guess;
#else
  return reciprocal(value);
#endif
}

// The reciprocal of a magnitude from 2^-125 to 2^125, which is far from the ends of a float's range as its reciprocal
// is. For a GPU, without the function behind a branch that sees to those ends.
BARACUDA_HOST_DEVICE inline float near_reciprocal(float value) {
#if defined(__CUDA_ARCH__)
  const float guess = guessed_reciprocal(value);
  return __fmaf_rn(guess, -__fmaf_rn(value, guess, -1.0f), guess);
#else
  return reciprocal(value);
#endif
}

// And of 0, infinities and what is not a number.
BARACUDA_HOST_DEVICE inline float usual_reciprocal(float value) {
#if defined(__CUDA_ARCH__)
  const float better = near_reciprocal(value);
  return better == better ? better : guessed_reciprocal(value);  // 0 times infinity is not a number
#else
  return reciprocal(value);
#endif
}

// Of a power of two from 2^-126 to 2^126, and of infinity.
BARACUDA_HOST_DEVICE inline float power_reciprocal(float value) {
  constexpr uint32_t kTwiceBias = 254u << 23;
  return float_of(bits_of(value) < kTwiceBias ? kTwiceBias - bits_of(value) : 0u);
}

BARACUDA_HOST_DEVICE inline float add(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fadd_rn(a, b);
#else
  return a + b;
#endif
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_FORMAT_ARITHMETIC_H_
