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
  // Whether a divisor is near enough as it is: no other than 0, infinities and what is not a number, where it was
  // brought nearer.
  static __device__ __forceinline__ bool is_near(float divisor) {
    return magnitude_bits(divisor) - bits_of(kLeast) <= bits_of(kMost) - bits_of(kLeast);
  }

  Nearer() = default;
  __device__ __forceinline__ explicit Nearer(float divisor) : factor_(1.0f) {
    const float magnitude = fabsf(divisor);
    if (magnitude < kLeast) factor_ = 0x1p100f;
    if (magnitude > kMost) factor_ = 0x1p-100f;
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
  static constexpr float kLeast = 0x1p-60f;
  static constexpr float kMost = 0x1p60f;

  float factor_;
  float divisor_;
};

// `kFewBits`: the numbers have 11 bits or fewer.
template <bool kFewBits>
class Quotients;

// By the reciprocal in two floats, each nearer to 0 than it: they have one sign, so that what becomes of zeros and
// infinities is as with a division. Before it is rounded the quotient is off by 2^-40 of itself at most. That could
// move it across the middle between a tie of two fp8 and a float beside it. But a quotient of a number of so few bits
// is not that near to one, by 2^-35 of it, with one exception: the divisor's digits are all ones and the tie is a power
// of two. It is above the middle then, by 2^-48, and so the second float is somewhat larger than what is left over.
template <>
class Quotients<true> {
 public:
  Quotients() = default;
  __device__ __forceinline__ explicit Quotients(float divisor)
      : divisor_(divisor), is_near_(Nearer::is_near(divisor)), by_(divisor) {}

  template <int kNumbers>
  __device__ __forceinline__ void divide(float (&numbers)[kNumbers]) {
    if (!is_near_) {
      const Nearer nearer(divisor_);
      nearer.bring(numbers);
      by_ = Reciprocal(nearer.divisor());
      if (!Nearer::is_near(nearer.divisor())) by_.high = by_.low = by_.guess;
    }
#pragma unroll
    for (float& number : numbers) number = __fmaf_rn(number, by_.high, __fmul_rn(number, by_.low));
  }

 private:
  // What is guessed is off by one step at most: two steps below it something is left over.
  struct Reciprocal {
    float guess;
    float high;
    float low;

    Reciprocal() = default;
    __device__ __forceinline__ explicit Reciprocal(float divisor)
        : guess(guessed_reciprocal(divisor)),
          high(float_of(bits_of(guess) - 2u)),
          low(__fmul_rn(__fmaf_rn(-high, divisor, 1.0f), float_of(bits_of(guess) + 16u))) {}
  };

  float divisor_;
  bool is_near_;
  Reciprocal by_;
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
  __device__ __forceinline__ void divide(float (&numbers)[kNumbers]) {
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
