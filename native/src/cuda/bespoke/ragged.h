// Whose a row of a RAGGED append is, found by the threads of a warp together. Each thread reads all of a request that the
// row might be of, at once: among 32 requests a row waits for its request no longer than a decode for its page table.
// Thirty-two times as many take one read more.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_RAGGED_H_
#define BARACUDA_SRC_CUDA_BESPOKE_RAGGED_H_

#include <cstdint>

#include "cuda/device_code.h"
#include "place/place.h"

namespace baracuda::cuda {

constexpr uint32_t kWholeWarp = 0xffffffffu;
constexpr int kWarp = 32;

// Requests first .. first + count - 1, at most a warp's, one of which ends behind the row that the whole warp asks for.
struct Candidates {
  int32_t first;
  int32_t count;
};

template <bool kNarrow>
__device__ __forceinline__ Candidates find_candidates(const Placement& placement, int64_t row, int lane) {
  Candidates found = {0, placement.num_requests};
#pragma unroll 1
  while (found.count > kWarp) {
    const int32_t step = (found.count + kWarp - 1) / kWarp;
    const int32_t behind = min((lane + 1) * step, found.count);
    const bool ends_behind = read_index<kNarrow>(placement, kOwners, int64_t{found.first} + behind) > row;
    const uint32_t ends = __ballot_sync(kWholeWarp, ends_behind);
    // Where the row is behind all: with the last ones.
    const int32_t passed = ends != 0 ? (__ffs(static_cast<int>(ends)) - 1) * step : (found.count - 1) / step * step;
    found.first += passed;
    found.count = min(step, found.count - passed);
  }
  return found;
}

// Finds the request of each thread's row, as find_request does, and reads it, as read_rows. Every thread of the warp calls
// it. Rows that follow each other are mostly of one request.
template <bool kNarrow, typename Int>
__device__ __forceinline__ void read_rows_in_warp(const Placement& placement, int64_t row, SeenOf<Int>* seen,
                                                  RowsOf<Int>* rows) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  uint32_t pending = kWholeWarp;
  do {
    const int64_t asked = __shfl_sync(kWholeWarp, row, __ffs(static_cast<int>(pending)) - 1);
    const Candidates candidates = find_candidates<kNarrow>(placement, asked, lane);
    SeenOf<Int> candidate;
    RowsOf<Int> its_rows;
    read_rows<kNarrow>(placement, static_cast<Int>(candidates.first + min(lane, candidates.count - 1)), &candidate,
                       &its_rows);
    const uint32_t ends = __ballot_sync(kWholeWarp, its_rows.end > asked);
    const int found = ends != 0 ? __ffs(static_cast<int>(ends)) - 1 : candidates.count - 1;
    const auto of_found = [found](Int value) { return __shfl_sync(kWholeWarp, value, found); };
    const Int request = of_found(candidate.request);
    const Int begin = of_found(candidate.begin);
    const Int end = of_found(candidate.end);
    const RowsOf<Int> found_rows = {of_found(its_rows.first), of_found(its_rows.end), of_found(its_rows.length)};
    const bool is_its = row == asked || (row >= found_rows.first && row < found_rows.end);
    if (is_its && (pending >> lane & 1u) != 0) {
      seen->request = request;
      seen->begin = begin;
      seen->end = end;
      *rows = found_rows;
    }
    pending &= ~__ballot_sync(kWholeWarp, is_its);
  } while (pending != 0);
}

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_BESPOKE_RAGGED_H_
