// Kernels that are made for one way to a place, and the choice among them.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_PLACING_H_
#define BARACUDA_SRC_CUDA_BESPOKE_PLACING_H_

#include <cstdint>
#include <type_traits>

#include "cuda/kernel.h"
#include "place/placement.h"

namespace baracuda::cuda::bespoke {

// Chosen where the kernel runs, by what the append has.
constexpr int kAnyPlacing = -1;

// Calls `visit` with an append's way to a place, as an integral constant.
template <typename Visitor>
int32_t with_placing(Placing placing, Visitor visit) {
  switch (placing) {
    case Placing::kLastPage:
      return visit(std::integral_constant<int, static_cast<int>(Placing::kLastPage)>{});
    case Placing::kNewest:
      return visit(std::integral_constant<int, static_cast<int>(Placing::kNewest)>{});
    case Placing::kRagged:
      return visit(std::integral_constant<int, static_cast<int>(Placing::kRagged)>{});
    case Placing::kPositions:
      return visit(std::integral_constant<int, static_cast<int>(Placing::kPositions)>{});
    case Placing::kSlots:
      return visit(std::integral_constant<int, static_cast<int>(Placing::kSlots)>{});
  }
  return no_kernel();
}

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_PLACING_H_
