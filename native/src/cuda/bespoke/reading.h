// What is read of a row on the way to its place. The threads of a warp read together what the requests of its rows
// might be, before they know which these are: for RAGGED each thread all of one request, for POSITIONS where the part
// of one in the table begins. Where a row is of one of these, it waits for its request no longer than a decode for its
// page table. Of more requests than a warp reads, it reads those that its first row would be among if each had as many.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_READING_H_
#define BARACUDA_SRC_CUDA_BESPOKE_READING_H_

#include <cstdint>

#include "base/hints.h"
#include "cuda/device_code.h"
#include "place/place.h"

namespace baracuda::cuda {

constexpr uint32_t kWholeWarp = 0xffffffffu;
constexpr int32_t kWarp = 32;

// Whether the threads of a warp work together then, those too that have no row.
BARACUDA_HOST_DEVICE constexpr bool reads_in_warp(Placing placing) {
  return placing == Placing::kRagged || placing == Placing::kPositions;
}

// Of none, the warp's last.
__device__ __forceinline__ int32_t lowest(uint32_t threads) {
  return (__ffs(static_cast<int>(threads)) - 1) & (kWarp - 1);
}

__device__ __forceinline__ uint32_t threads_with(bool condition) {
  return __ballot_sync(kWholeWarp, condition ? 1 : 0);
}

// The rows of a warp's first thread and of its last. Those between, if there are any, are of threads between.
template <typename Int>
struct WarpRows {
  Int first;
  Int last;
};

// A thread's part in it: what it knows of a request, of requests first_ .. first_ + count_ - 1, and of its row. The
// last request is known to all threads for which there is none.
template <bool kNarrow, typename Int>
class Reading {
 public:
  // Starts reading what has to be asked for before anything else; other reads may follow.
  __device__ __forceinline__ void start(const Placement& placement, Placing placing, const WarpRows<Int>& rows,
                                        Int row) {
    if (placing == Placing::kNewest) read_token<kNarrow>(placement, placing, Int{0}, row, &seen_);
    if (placing == Placing::kPositions) read_positions(placement, rows, row);
    if (placing != Placing::kRagged) return;
    rows_ = rows;
    guess(placement, rows, kWarp);
    const bool are_many = placement.num_requests > kWarp;
    read_request<kNarrow>(placement, mine(), &its_);
    if (are_many) {
      step_ = (placement.num_requests + kWarp - 1) / kWarp;
      end_of_step_ = end_of(placement, min((lane() + 1) * step_, placement.num_requests));
    }
  }

  // What was read of the thread's row. Every thread of the warp calls it.
  __device__ __forceinline__ void finish(const Placement& placement, Placing placing, Int row, SeenOf<Int>* seen) {
    if (placing == Placing::kRagged)
      find_request(placement, row);
    else if (placing == Placing::kPositions)
      find_part(placement);
    else if (placing != Placing::kNewest)
      read_token<kNarrow>(placement, placing, Int{0}, row, &seen_);
    *seen = seen_;
  }

 private:
  // Requests of which nothing is known yet, at most so many: first_ .. first_ + count_ - 1.
  __device__ __forceinline__ void guess(const Placement& placement, const WarpRows<Int>& rows, int32_t most) {
    first_ = 0;
    count_ = min(placement.num_requests, most);
    if (placement.num_requests <= most) return;
    const auto even = static_cast<int32_t>(__umulhi(static_cast<uint32_t>(rows.first), placement.requests_a_row));
    first_ = max(min(even - most / 2, placement.num_requests - most), 0);
  }

  // POSITIONS: the row's entries; and thread i where the i-th request's part of the table begins, which is where that
  // of the one before ends. A dense table has no such parts, and some number is read for it: a branch would make the
  // load wait for the row's entries.
  __device__ __forceinline__ void read_positions(const Placement& placement, const WarpRows<Int>& rows, Int row) {
    read_position<kNarrow>(placement, row, &seen_);
    guess(placement, rows, kWarp - 1);
    const bool dense = placement.table == BARACUDA_TABLE_DENSE;
    const Int bound = dense ? Int{0} : static_cast<Int>(first_ + min(lane(), count_));
    begin_ = read_index<kNarrow>(placement, dense ? kOwners : kIndptr, bound);
  }

  __device__ __forceinline__ void find_part(const Placement& placement) {
    const Int nth = seen_.request - first_;
    seen_.begin = __shfl_sync(kWholeWarp, begin_, static_cast<int32_t>(nth));
    seen_.end = __shfl_sync(kWholeWarp, begin_, static_cast<int32_t>(nth) + 1);
    const bool is_known = is_below(nth, count_) && placement.table != BARACUDA_TABLE_DENSE;
    if (!is_known && seen_.request >= 0) read_part<kNarrow>(placement, seen_.request, &seen_);
  }

  __device__ __forceinline__ static int32_t lane() { return static_cast<int32_t>(threadIdx.x % kWarp); }
  __device__ __forceinline__ Int mine() const { return static_cast<Int>(first_ + min(lane(), count_ - 1)); }

  __device__ __forceinline__ static Int end_of(const Placement& placement, int32_t behind) {
    return read_index<kNarrow>(placement, kOwners, static_cast<Int>(behind));
  }

  // Mostly the warp has one row, or two, and their requests are among those that were read.
  __device__ __forceinline__ void find_request(const Placement& placement, Int row) {
    const uint32_t behind_first = threads_with(its_.end_row > rows_.first);
    const uint32_t behind_last = threads_with(its_.end_row > rows_.last);
    take_from(lowest(row == rows_.first ? behind_first : behind_last));
    const bool is_asked = row == rows_.first || row == rows_.last;
    const bool is_its = (is_asked && placement.num_requests <= kWarp) || is_of(row);
    if (!BARACUDA_LIKELY(threads_with(is_its) == kWholeWarp)) find_each(placement, row, is_its);
  }

  // Rows that follow each other are mostly of one request.
  __device__ __forceinline__ void find_each(const Placement& placement, Int row, bool is_found) {
#pragma unroll 1
    for (uint32_t pending; (pending = threads_with(!is_found)) != 0;) {
      const Int asked = __shfl_sync(kWholeWarp, row, lowest(pending));
      if (placement.num_requests > kWarp) {
        search(placement, asked);
        read_request<kNarrow>(placement, mine(), &its_);
      }
      const SeenOf<Int> before = seen_;
      take_from(lowest(threads_with(its_.end_row > asked)));
      const bool is_its = row == asked || is_of(row);
      if (is_found || !is_its) seen_ = before;
      is_found = is_found || is_its;
    }
  }

  // What another thread knows of its request.
  __device__ __forceinline__ void take_from(int32_t thread) {
    const auto its = [thread](Int value) { return __shfl_sync(kWholeWarp, value, thread); };
    seen_.request = static_cast<Int>(first_ + min(thread, count_ - 1));
    seen_.first_row = its(its_.first_row);
    seen_.end_row = its(its_.end_row);
    seen_.begin = its(its_.begin);
    seen_.end = its(its_.end);
    seen_.length = its(its_.length);
  }

  __device__ __forceinline__ bool is_of(Int row) const { return row >= seen_.first_row && row < seen_.end_row; }

  // The first request whose rows end behind the one asked for is among first_ .. first_ + count_ - 1 then; where there
  // is none, the last one is.
  __device__ __forceinline__ void search(const Placement& placement, Int asked) {
    int32_t among = placement.num_requests;
    int32_t step = step_;
    Int end = end_of_step_;
    first_ = 0;
#pragma unroll 1
    while (true) {
      const uint32_t behind = threads_with(end > asked);
      const int32_t passed = behind != 0 ? lowest(behind) * step : among - step;
      first_ += passed;
      among = min(step, among - passed);
      if (among <= kWarp) break;
      step = (among + kWarp - 1) / kWarp;
      end = end_of(placement, first_ + min((lane() + 1) * step, among));
    }
    count_ = among;
  }

  WarpRows<Int> rows_;
  int32_t first_;
  int32_t count_;
  Int begin_;
  int32_t step_;  // where there are more requests than threads
  Int end_of_step_;
  SeenOf<Int> its_;
  SeenOf<Int> seen_;
};

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_BESPOKE_READING_H_
