// Division by a number that is known before: a multiplication and a shift, where GPUs have no divider.
#ifndef BARACUDA_SRC_PLACE_DIVISOR_H_
#define BARACUDA_SRC_PLACE_DIVISOR_H_

#include <cstdint>

#include "base/host_device.h"

namespace baracuda {

// Round-up method: with 2^(s-1) < d <= 2^s and m = floor(2^w * (2^s - d) / d) + 1 for words of w bits, n / d is
// (n + mulhi(m, n)) >> s. Exact, and without overflow, for n below 2^(w-1).
template <typename Index>
struct Quotient;

template <>
struct Quotient<uint32_t> {
  uint32_t multiplier;
  uint32_t shift;

  Quotient() = default;
  explicit Quotient(uint64_t by) : shift(0) {
    while ((uint64_t{1} << shift) < by) ++shift;
    const uint64_t rest = (uint64_t{1} << shift) - by;
    // By a power of two, as of most pages, without the division, which takes as long as much of a small append.
    multiplier =  // NOLINTNEXTLINE(clang-analyzer-core.DivideZero): by nothing nobody divides
        rest == 0 ? 1 : static_cast<uint32_t>((rest << 32) / by + 1);
  }
  BARACUDA_HOST_DEVICE uint32_t divide(uint32_t n) const {
#if defined(__CUDA_ARCH__)
    const uint32_t high = __umulhi(multiplier, n);
#else
    const auto high = static_cast<uint32_t>((uint64_t{multiplier} * n) >> 32);
#endif
    return (n + high) >> shift;
  }
};

template <>
struct Quotient<uint64_t> {
  uint64_t multiplier;
  uint32_t shift;

  Quotient() = default;
  explicit Quotient(uint64_t by) : multiplier(0), shift(0) {
    while (shift < 63 && (uint64_t{1} << shift) < by) ++shift;
    uint64_t rest = (uint64_t{1} << shift) - by;  // digit by digit: no compiler's 128 bits
    for (int bit = 0; bit < 64; ++bit) {
      rest *= 2;
      multiplier = multiplier * 2 + (rest >= by ? 1 : 0);
      if (rest >= by) rest -= by;
    }
    ++multiplier;
  }
  BARACUDA_HOST_DEVICE uint64_t divide(uint64_t n) const {
#if defined(__CUDA_ARCH__)
    return (n + __umul64hi(multiplier, n)) >> shift;
#else
    // Of halves: the sums of what they make do not overflow.
    constexpr uint64_t kLow = UINT32_MAX;
    const uint64_t low = (multiplier & kLow) * (n & kLow);
    const uint64_t middle = (multiplier >> 32) * (n & kLow) + (low >> 32);
    const uint64_t other = (multiplier & kLow) * (n >> 32) + (middle & kLow);
    const uint64_t high = (multiplier >> 32) * (n >> 32) + (middle >> 32) + (other >> 32);
    return (n + high) >> shift;
#endif
  }
};

// And the number itself.
template <typename Index>
struct Divisor : Quotient<Index> {
  Index divisor;

  Divisor() = default;
  explicit Divisor(uint64_t by) : Quotient<Index>(by), divisor(static_cast<Index>(by)) {}
};

}  // namespace baracuda

#endif  // BARACUDA_SRC_PLACE_DIVISOR_H_
