// Division by a number that is known before: a multiplication and a shift, where GPUs have no divider.
#ifndef BARACUDA_SRC_PLACE_DIVISOR_H_
#define BARACUDA_SRC_PLACE_DIVISOR_H_

#include <cstdint>

#include "base/host_device.h"

namespace baracuda {

// The 64-bit one divides: it serves appends so large that nobody sees the difference.
template <typename Index>
struct Divisor {
  Index divisor;

  Divisor() = default;
  explicit Divisor(uint64_t by) : divisor(static_cast<Index>(by)) {}
  BARACUDA_HOST_DEVICE Index divide(Index n) const { return n / divisor; }
};

// Round-up method: with 2^(s-1) < d <= 2^s and m = floor(2^32 * (2^s - d) / d) + 1, n / d is
// (n + mulhi(m, n)) >> s. Exact, and without overflow, for n below 2^31.
template <>
struct Divisor<uint32_t> {
  uint32_t divisor;
  uint32_t multiplier;
  uint32_t shift;

  Divisor() = default;
  explicit Divisor(uint64_t by) : divisor(static_cast<uint32_t>(by)), shift(0) {
    while ((uint64_t{1} << shift) < by) ++shift;
    multiplier = static_cast<uint32_t>((((uint64_t{1} << shift) - by) << 32) / by + 1);
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

}  // namespace baracuda

#endif  // BARACUDA_SRC_PLACE_DIVISOR_H_
