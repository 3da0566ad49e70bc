// The requests that the threads of a warp read together, before they know whose its rows are: those that its first row
// would be among if each had as many, and if its rows are of others, those that a search by the whole warp finds.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_SEARCH_H_
#define BARACUDA_SRC_CUDA_BESPOKE_SEARCH_H_

#include <cstdint>

#include "cuda/device_code.h"
#include "place/entry.h"
#include "place/placement.h"

namespace baracuda::cuda {

constexpr uint32_t kWholeWarp = 0xffffffffu;
constexpr int32_t kWarp = 32;

// Of so few threads in a launch a multiprocessor has a few warps, which wait for each other's loads hardly at all.
constexpr uint32_t kFewThreads = 32768;
// Entries of int32 that are so many apart cost a warp little more than such that lie side by side.
constexpr int32_t kNearby = 8;

__device__ __forceinline__ int32_t lane() { return static_cast<int32_t>(threadIdx.x % kWarp); }

// Of none, the warp's last.
__device__ __forceinline__ int32_t lowest(uint32_t threads) {
  return (__ffs(static_cast<int>(threads)) - 1) & (kWarp - 1);
}

// Of none -1.
__device__ __forceinline__ int32_t highest(uint32_t threads) { return kWarp - 1 - __clz(static_cast<int>(threads)); }

__device__ __forceinline__ uint32_t threads_with(bool condition) {
  return __ballot_sync(kWholeWarp, condition ? 1 : 0);
}

// Requests first() .. first() + count() - 1, a thread each; the last one is all further threads' too.
template <bool kNarrow, typename Int>
class Requests {
 public:
  using Read = ReadAs<kNarrow, Int>;

  __device__ __forceinline__ int32_t first() const { return first_; }
  __device__ __forceinline__ int32_t count() const { return count_; }
  __device__ __forceinline__ Int of(int32_t thread) const { return static_cast<Int>(first_ + min(thread, count_ - 1)); }

  // Of which nothing is known yet, at most so many.
  __device__ __forceinline__ void guess(const Placement& placement, Int row, int32_t most) {
    first_ = 0;
    count_ = min(placement.num_requests, most);
    const auto even = static_cast<int32_t>(__umulhi(static_cast<uint32_t>(row), placement.requests_a_row));
    first_ = max(min(even - most / 2, placement.num_requests - most), 0);
  }

  // Reads what a search looks at first, if there may be one and that is cheap. `are_few`: threads in the launch,
  // kFewThreads at most.
  __device__ __forceinline__ void begin(const Placement& placement, bool are_few) {
    const bool is_cheap = any(are_few, placement.num_requests <= kNearby * kWarp);
    is_begun_ = all(placement.num_requests > kWarp, is_cheap);
    const int32_t step = step_among(placement.num_requests);
    if (is_begun_) end_of_step_ = end_of_step(placement, 0, step, placement.num_requests);
  }

  // The first request whose rows end behind the one asked for is among these then; where there is none, the last one
  // is. Of more requests than a warp has threads; every thread of it calls this.
  __device__ __forceinline__ void search(const Placement& placement, Int asked) {
    int32_t among = placement.num_requests;
    int32_t step = step_among(among);
    Read end = end_of_step_;
    first_ = 0;
    if (!is_begun_) end = end_of_step(placement, first_, step, among);
#pragma unroll 1
    while (true) {
      const uint32_t behind = threads_with(bound_of(placement, end) > asked);
      const int32_t passed = behind != 0 ? lowest(behind) * step : among - step;
      first_ += passed;
      among = min(step, among - passed);
      if (among <= kWarp) break;
      step = step_among(among);
      end = end_of_step(placement, first_, step, among);
    }
    count_ = min(kWarp, placement.num_requests - first_);
  }

 private:
  __device__ __forceinline__ static int32_t step_among(int32_t requests) {
    return static_cast<int32_t>(static_cast<uint32_t>(requests + kWarp - 1) / kWarp);
  }

  // Each thread has a step of requests, of those from `first` on: which row the last of its ends behind.
  __device__ __forceinline__ static Read end_of_step(const Placement& placement, int32_t first, int32_t step,
                                                     int32_t among) {
    const int32_t behind = first + min((lane() + 1) * step, among);
    return read_as<kNarrow, Read>(placement, kOwners, static_cast<Int>(behind));
  }

  int32_t first_;
  int32_t count_;
  bool is_begun_;
  Read end_of_step_;
};

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_BESPOKE_SEARCH_H_
