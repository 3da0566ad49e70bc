// How wide the arithmetic of offsets is. A small one adds in 32 bits, divides by multiplying, and extends at the end;
// the product of page and page stride has 64 bits always.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_WIDTH_H_
#define BARACUDA_SRC_CUDA_BESPOKE_WIDTH_H_

#include <cstdint>

namespace baracuda::cuda::bespoke {

struct Small {
  using Index = uint32_t;
  using Offset = int32_t;
};
struct Large {
  using Index = uint64_t;
  using Offset = int64_t;
};

// 32-bit arithmetic, division too, ends here.
constexpr int64_t kSmallEnd = int64_t{1} << 31;

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_WIDTH_H_
