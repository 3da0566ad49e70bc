// Many numbers divided by one, for the sake of the fp8 that they become: that of the quotient rounded to nearest, to
// the bit.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_QUOTIENT_H_
#define BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_QUOTIENT_H_

#include "cuda/bespoke/quantise/source.h"
#include "cuda/device_code.h"
#include "format/arithmetic.h"

namespace baracuda::cuda::bespoke {

// Divisors far from 1 are brought nearer, with the numbers: nothing that matters leaves a float's range then. What
// overflows by that is saturated anyhow, and what underflows is 0.
class Nearer {
 public:
  Nearer() = default;
  __device__ __forceinline__ explicit Nearer(float divisor) : factor_(1.0f) {
    const float magnitude = fabsf(divisor);
    if (magnitude < 0x1p-60f) factor_ = 0x1p100f;
    if (magnitude > 0x1p60f) factor_ = 0x1p-100f;
    divisor_ = __fmul_rn(divisor, factor_);
  }

  __device__ __forceinline__ float divisor() const { return divisor_; }

  template <int kNumbers>
  __device__ __forceinline__ void bring(float (&numbers)[kNumbers]) const {
    if (factor_ == 1.0f) return;
#pragma unroll
    for (float& number : numbers) number = __fmul_rn(number, factor_);
  }

 private:
  float factor_;
  float divisor_;
};

// `kFewBits`: the numbers have 11 bits or fewer.
template <bool kFewBits>
class Quotients;

// By the reciprocal in two floats, of one sign so that what becomes of zeros and infinities is as with a division.
// Before it is rounded the quotient is off by 2^-46 of itself at most. That could move it across the middle between a
// tie of two fp8 and a float beside it; but a quotient of a number of so few bits is that near to one only if the
// divisor's digits are all ones and the tie is a power of two, and then by 2^-48: what is added to the smaller float
// sees to that.
template <>
class Quotients<true> {
 public:
  Quotients() = default;
  __device__ __forceinline__ explicit Quotients(float divisor) : nearer_(divisor) {
    const float by = nearer_.divisor();
    high_ = usual_reciprocal(by);
    float rest = __fmaf_rn(-high_, by, 1.0f);
    if (rest < 0.0f) {
      high_ = float_of(bits_of(high_) - 1u);
      rest = __fmaf_rn(-high_, by, 1.0f);
    }
    constexpr float kTiny = 0x1p-47f;  // also, where nothing is left over, no infinity is multiplied by 0
    const bool is_finite = magnitude_bits(high_) - 1u < kInfinityBits - 1u;
    low_ = is_finite ? __fmaf_rn(rest, high_, __fmul_rn(high_, kTiny)) : high_;
  }

  template <int kNumbers>
  __device__ __forceinline__ void divide(float (&numbers)[kNumbers]) const {
    nearer_.bring(numbers);
#pragma unroll
    for (float& number : numbers) number = __fmaf_rn(number, high_, __fmul_rn(number, low_));
  }

 private:
  Nearer nearer_;
  float high_;
  float low_;
};

// Markstein's: what the reciprocal, rounded to nearest, makes of a number is twice corrected by what is left over, and
// is the quotient rounded to nearest then.
template <>
class Quotients<false> {
 public:
  Quotients() = default;
  __device__ __forceinline__ explicit Quotients(float divisor) : nearer_(divisor) {
    reciprocal_ = usual_reciprocal(nearer_.divisor());
    divisor_ =
        reciprocal_ != 0.0f ? nearer_.divisor() : 0.0f;  // not infinite: what is left over is the number, times 0
  }

  template <int kNumbers>
  __device__ __forceinline__ void divide(float (&numbers)[kNumbers]) const {
    nearer_.bring(numbers);
#pragma unroll
    for (float& number : numbers) number = quotient_of(number);
  }

 private:
  __device__ __forceinline__ float quotient_of(float number) const {
    constexpr float kSaturated = 0x1p17f;  // by every fp8
    const float guess = __fmul_rn(number, reciprocal_);
    float quotient = guess;
#pragma unroll
    for (int i = 0; i < 2; ++i) quotient = __fmaf_rn(__fmaf_rn(-quotient, divisor_, number), reciprocal_, quotient);
    // The sign of a zero is lost on the way, and so are infinities.
    return fabsf(guess) < kSaturated ? copysignf(quotient, guess) : guess;
  }

  Nearer nearer_;
  float divisor_;
  float reciprocal_;
};

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_QUOTIENT_H_
