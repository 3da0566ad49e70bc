// Whose a row of a RAGGED append is, found by the threads of a warp together: among 32 requests with one load each, among
// 1024 with two.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_RAGGED_H_
#define BARACUDA_SRC_CUDA_BESPOKE_RAGGED_H_

#include <cstdint>

#include "append/place.h"

namespace baracuda::cuda {

constexpr uint32_t kWholeWarp = 0xffffffffu;
constexpr int kWarp = 32;

// As find_request, for a row that the whole warp asks for.
template <bool kNarrow>
__device__ __forceinline__ int32_t find_request_of(const Placement& placement, int64_t row, int lane) {
  int32_t first = 0;
  int32_t left = placement.num_requests;
  while (left > 1) {
    const int32_t step = (left + kWarp - 1) / kWarp;
    const int32_t behind = min((lane + 1) * step, left);
    const bool ends_behind = read_index<kNarrow>(placement, kOwners, int64_t{first} + behind) > row;
    const uint32_t ends = __ballot_sync(kWholeWarp, ends_behind);
    // Behind all: with the last one.
    const int32_t passed = ends != 0 ? (__ffs(static_cast<int>(ends)) - 1) * step : (left - 1) / step * step;
    first += passed;
    left = min(step, left - passed);
  }
  return first;
}

// As find_request, for a row a thread. Every thread of the warp calls it; rows that follow each other are mostly of one
// request.
template <bool kNarrow>
__device__ __forceinline__ int64_t find_request_in_warp(const Placement& placement, int64_t row) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  int32_t request = 0;
  uint32_t pending = kWholeWarp;
  do {
    const int64_t asked = __shfl_sync(kWholeWarp, row, __ffs(static_cast<int>(pending)) - 1);
    const int32_t found = find_request_of<kNarrow>(placement, asked, lane);
    const bool is_its = row == asked || (row >= read_index<kNarrow>(placement, kOwners, int64_t{found}) &&
                                         row < read_index<kNarrow>(placement, kOwners, int64_t{found} + 1));
    const bool was_pending = (pending >> lane & 1u) != 0;
    if (is_its && was_pending) request = found;
    pending &= ~__ballot_sync(kWholeWarp, is_its);
  } while (pending != 0);
  return request;
}

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_BESPOKE_RAGGED_H_
