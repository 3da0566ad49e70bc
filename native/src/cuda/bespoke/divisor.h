// Division by a number that is known at the launch: a multiply and a shift, where the hardware has no divider.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_DIVISOR_H_
#define BARACUDA_SRC_CUDA_BESPOKE_DIVISOR_H_

#include <cuda_runtime_api.h>

#include <cstdint>

namespace baracuda::cuda {

// The 64-bit one divides: it serves appends so large that nobody sees the difference.
template <typename Index>
struct Divisor {
  Index divisor;

  explicit Divisor(uint64_t by) : divisor(static_cast<Index>(by)) {}
  __host__ __device__ Index divide(Index n) const { return n / divisor; }
};

// Round-up method: with 2^(s-1) < d <= 2^s and m = floor(2^32 * (2^s - d) / d) + 1, n / d is
// (n + mulhi(m, n)) >> s. Exact, and without overflow, for n below 2^31.
template <>
struct Divisor<uint32_t> {
  uint32_t divisor;
  uint32_t multiplier;
  uint32_t shift;

  explicit Divisor(uint64_t by) : divisor(static_cast<uint32_t>(by)), shift(0) {
    while ((uint64_t{1} << shift) < by) ++shift;
    multiplier = static_cast<uint32_t>((((uint64_t{1} << shift) - by) << 32) / by + 1);
  }
  __host__ __device__ uint32_t divide(uint32_t n) const {
#if defined(__CUDA_ARCH__)
    const uint32_t high = __umulhi(multiplier, n);
#else
    const uint32_t high = static_cast<uint32_t>((uint64_t{multiplier} * n) >> 32);
#endif
    return (n + high) >> shift;
  }
};

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_BESPOKE_DIVISOR_H_
