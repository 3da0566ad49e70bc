// What is read of a row on the way to its place. The threads of a warp read together what the requests of its rows
// might be, before they know which these are: for RAGGED each thread all of one request, for POSITIONS where the part
// of one in the table begins. Where a row is of one of these, it waits for its request no longer than a decode for its
// page table.
//
// The order of what is done here is that of the machine code, by which loads that many threads wait for are asked for
// before those of rows, and those before anything is judged: a branch, or what is worked out behind one, is in the way.
// A page's id is asked for before what names it is judged, at an entry that is held within the table. What stands
// before that is kept there by a branch that is hardly ever taken: of a table without entries, or for what the warp did
// not read. Of ragged rows all that is mostly done stands in one piece, with the stores; these stand elsewhere again.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_READING_H_
#define BARACUDA_SRC_CUDA_BESPOKE_READING_H_

#include <cstdint>
#include <type_traits>

#include "base/hints.h"
#include "cuda/bespoke/search.h"
#include "cuda/device_code.h"
#include "place/entry.h"
#include "place/place.h"

namespace baracuda::cuda {

// Whether the threads of a warp work together then, those too that have no row.
BARACUDA_HOST_DEVICE constexpr bool reads_in_warp(Placing placing) {
  return placing == Placing::kRagged || placing == Placing::kPositions;
}

// The rows of a warp's first thread and of its last. Those between, if there are any, are of threads between.
template <typename Int>
struct WarpRows {
  Int first;
  Int last;
};

// A thread's part in it: what it knows of its request of requests_, and of its row. `kAtOnce`: asks for a page's id
// before it judges, by code of its own for a warp all of whose rows are of requests that were read together; of int32
// tables. `kRows`: of so many rows it looks there which request each is of; those between the first ones and the last
// one count as the first one's request's, and where they are not are found by other code.
template <bool kNarrow, typename Int, bool kAtOnce, int kRows = 2>
class Reading {
  static_assert(kNarrow || !kAtOnce, "what threads tell each other is int32");

 public:
  using Read = ReadAs<kNarrow, Int>;

  // Starts reading what has to be asked for before anything else; other reads may follow. `are_few`: threads in the
  // launch, kFewThreads at most.
  __device__ __forceinline__ void start(const Placement& placement, Placing placing, const WarpRows<Int>& rows, Int row,
                                        bool are_few) {
    if (placing == Placing::kNewest) start_token(placement, placing, row);
    if (placing == Placing::kPositions) read_positions(placement, rows, row);
    if (placing != Placing::kRagged) return;
    rows_ = rows;
    requests_.guess(placement, rows.first, kWarp);
    if constexpr (kAtOnce)
      read_in_order(placement);
    else
      start_request(placement);
    requests_.begin(placement, are_few);
  }

  // Finds the row's entry of the page table, reads which page it names, which is to be judged, and calls `then`, before
  // the page is there, with whether there is one: where there is none, it may not be called. Whether there is one.
  // Every thread of the warp calls it.
  template <typename Then>
  __device__ __forceinline__ bool find_page(const Placement& placement, Placing placing, Int row, SeenOf<Int>* seen,
                                            const Then& then) {
    if constexpr (kAtOnce) {
      if (placing == Placing::kLastPage || placing == Placing::kNewest)
        return find_page_of_decode(placement, placing, row, seen, then);
      if (placing != Placing::kSlots) {
        bool found = true;
        if (placing == Placing::kRagged && BARACUDA_LIKELY(find_row_at_once(placement, row, seen, then))) return true;
        const bool is_known = placing == Placing::kRagged ? find_row_by_search(placement, row, seen)
                                                          : find_position_at_once(placement, seen, &found);
        if (!is_known) {
          finish(placement, placing, row, seen);
          found = find_entry(placement, placing, row, seen);
          if (found) load_page<kNarrow>(placement, placing, seen);
        }
        then(found);
        if (!found) seen->page = -1;
        return found;
      }
    }
    finish(placement, placing, row, seen);
    if (!find_entry(placement, placing, row, seen)) return false;
    load_page<kNarrow>(placement, placing, seen);
    then(true);
    return true;
  }

  // What was read of the thread's row, all of it. Every thread of the warp calls it.
  __device__ __forceinline__ void finish(const Placement& placement, Placing placing, Int row, SeenOf<Int>* seen) {
    if (placing == Placing::kRagged) {
      find_request(placement, row);
    } else if (placing == Placing::kPositions) {
      find_part(placement);
    } else {
      take_decode(placement, placing, row);
    }
    *seen = seen_;
  }

  // Reads which page the row's entry of the table names, where one was found.
  __device__ __forceinline__ void read_page(const Placement& placement, Placing placing, bool found,
                                            uint32_t entry_bytes, const SeenOf<Int>& seen) {
    page_ = static_cast<Read>(-1);
    if (placing == Placing::kSlots)
      page_ = static_cast<Read>(found ? seen.entry : Int{-1});
    else if constexpr (!kReadsNumbers)
      read_entry_if(found, placement.operands[kPages], entry_bytes, seen.entry, &page_);
    else if (found)
      page_ = read_index<kNarrow>(placement, kPages, seen.entry);
  }

  // When the page is wanted.
  __device__ __forceinline__ void take_page(const Placement& placement, SeenOf<Int>* seen) const {
    seen->page = number_of(placement, kPages, page_);
  }

  // All that was seen of a row that is not served, by a number that an int64 operand says too: such are read again.
  // `found`: what read_page() was told.
  __device__ __forceinline__ static Seen all_of(const Placement& placement, Placing placing, Int row, bool found,
                                                const SeenOf<Int>& seen) {
    Seen all = widened(seen);
    if constexpr (!kReadsNumbers) {
      read_token<false>(placement, placing, all.request, int64_t{row}, &all);
      if (found) load_page<false>(placement, placing, &all);
    }
    return all;
  }

  // Why there was no place for the row, of which that was seen.
  __device__ __forceinline__ Corruption corruption(const Placement& placement, Placing placing, Int row,
                                                   const SeenOf<Int>& seen) const {
    return corruption_of(placement, placing, static_cast<int64_t>(row), widened(seen), is_judged_);
  }

 private:
  static constexpr bool kReadsNumbers = std::is_same_v<Read, Int>;

  // Calls `reader` with where it reads to: numbers, or what numbers are made of once it is there.
  template <typename Reader>
  __device__ __forceinline__ void read(SeenOf<Int>* numbers, const Reader& reader) {
    if constexpr (kReadsNumbers)
      reader(numbers);
    else
      reader(&read_);
  }
  __device__ __forceinline__ void take(const Placement& placement, Placing placing, SeenOf<Int>* numbers) const {
    if constexpr (!kReadsNumbers) *numbers = numbers_of(placement, placing, read_);
  }

  __device__ __forceinline__ void start_token(const Placement& placement, Placing placing, Int row) {
    read(&seen_, [&](auto* to) { read_token<kNarrow>(placement, placing, Int{0}, row, to); });
  }
  __device__ __forceinline__ void start_request(const Placement& placement) {
    read(&its_, [&](auto* to) { read_request<kNarrow>(placement, requests_.of(lane()), to); });
  }

  // RAGGED: the thread's request. Without a branch for a dense table, which has no parts: the other loads would wait.
  __device__ __forceinline__ void read_in_order(const Placement& placement) {
    const Int request = requests_.of(lane());
    const bool dense = placement.table == BARACUDA_TABLE_DENSE;
    const auto entries = [&placement](PlaceOperand operand) {
      return static_cast<const int32_t*>(placement.operands[operand]);
    };
    its_.request = request;
    its_.first_row = read_now(entries(kOwners) + request);
    its_.end_row = read_now(entries(kOwners) + request + 1);
    its_.begin = read_now_if(!dense, entries(kIndptr) + request, Int{0});
    its_.end = read_now_if(!dense, entries(kIndptr) + request + 1, placement.used_pages);
    its_.length = read_now(entries(kLengths) + request);
  }

  // POSITIONS: the row's entries; and thread i where the i-th request's part of the table begins, which is where that
  // of the one before ends. A dense table has no such parts, and some number is read for it: a branch would make the
  // load wait for the row's entries.
  __device__ __forceinline__ void read_positions(const Placement& placement, const WarpRows<Int>& rows, Int row) {
    read(&seen_, [&](auto* to) { read_position<kNarrow>(placement, row, to); });
    if constexpr (kReadsNumbers) find_owner(placement, &seen_);
    requests_.guess(placement, rows.first, kWarp - 1);
    const bool dense = placement.table == BARACUDA_TABLE_DENSE;
    const Int bound = dense ? Int{0} : static_cast<Int>(requests_.first() + min(lane(), requests_.count()));
    if constexpr (kReadsNumbers) {
      begin_ = read_index<kNarrow>(placement, dense ? kOwners : kIndptr, bound);
    } else {
      begin_ = Entry(0);
      read_entry_if(!dense, placement.operands[kIndptr], entry_bytes(placement, kIndptr), bound, &begin_);
    }
  }

  // LAST_PAGE, and SLOTS.
  __device__ __forceinline__ void take_decode(const Placement& placement, Placing placing, Int row) {
    if (placing != Placing::kNewest) start_token(placement, placing, row);
    take(placement, placing, &seen_);
  }

  // POSITIONS: whether the part of the row's request is known in the warp.
  __device__ __forceinline__ bool take_part(const Placement& placement) {
    const bool dense = placement.table == BARACUDA_TABLE_DENSE;
    if constexpr (!kReadsNumbers) {
      take(placement, Placing::kPositions, &seen_);
      find_owner(placement, &seen_);
    }
    const Int nth = seen_.request - requests_.first();
    const Int begin = dense ? Int{0} : number_of(placement, kIndptr, begin_);
    seen_.begin = __shfl_sync(kWholeWarp, begin, static_cast<int32_t>(nth));
    const Int end = __shfl_sync(kWholeWarp, begin, static_cast<int32_t>(nth) + 1);
    seen_.end = dense ? placement.used_pages : end;
    return any(dense, is_below(nth, requests_.count()));
  }

  __device__ __forceinline__ void find_part(const Placement& placement) {
    const bool is_known = !kAtOnce && take_part(placement);
    if (!is_known && seen_.request >= 0) {
      read(&seen_, [&](auto* to) { read_part<kNarrow>(placement, seen_.request, to); });
      if constexpr (!kReadsNumbers) {
        seen_.begin = number_of(placement, kIndptr, read_.begin);
        seen_.end = number_of(placement, kIndptr, read_.end);
      }
    }
  }

  // The address, worked out there and not where it is used.
  __device__ __forceinline__ static uintptr_t held(uintptr_t address) {
#if defined(__CUDA_ARCH__)
    asm volatile("" : "+l"(address));
#endif
    return address;
  }

  // Where the id is that is listed at an entry of the request's part of the table, or of its row of a dense one, of a
  // table that has entries. Held within the table, so that it may be read before the entry is judged: where that is
  // none, the id is some other.
  __device__ __forceinline__ static uintptr_t address_of_page(const Placement& placement, Placing placing, Int request,
                                                              Int entry) {
    const auto last = static_cast<uint32_t>(placement.used_pages) - 1u;
    const uint32_t within = static_cast<uint32_t>(entry) < last ? static_cast<uint32_t>(entry) : last;
    const auto* listed = static_cast<const int32_t*>(placement.operands[kPages]);
    if (placing != Placing::kLastPage) listed += product(request, static_cast<Int>(placement.table_stride));
    return held(held(reinterpret_cast<uintptr_t>(listed)) + uint64_t{within} * sizeof(int32_t));
  }

  __device__ __forceinline__ static Int page_at(uintptr_t address) {
    return baracuda::read_now(reinterpret_cast<const int32_t*>(address));  // NOLINT(performance-no-int-to-ptr)
  }

  // LAST_PAGE. Whether the row has a page, whose id was read then.
  template <typename Then>
  __device__ __forceinline__ bool find_page_of_decode(const Placement& placement, Placing placing, Int row,
                                                      SeenOf<Int>* seen, const Then& then) {
    take_decode(placement, placing, row);
    *seen = seen_;
    const Int position = newest_position(placement, *seen);
    if (placing == Placing::kLastPage)
      seen->entry = last_entry(*seen);
    else
      locate_token(placement, seen->begin, position, seen);
    const uintptr_t address = address_of_page(placement, placing, seen->request, seen->entry);
    seen->page = -1;
    if (placement.used_pages == 0) return false;
    const Int page = page_at(address);
    const bool found = placing == Placing::kLastPage
                           ? find_last_entry(placement, seen)
                           : all(has_newest(placement, *seen), has_token(placement, position, *seen));
    seen->page = page;
    then(found);
    if (!found) seen->page = -1;
    return found;
  }

  // POSITIONS: whether the part of the row's request is known in the warp. If so, whether the row has a page, whose id
  // was read then.
  __device__ __forceinline__ bool find_position_at_once(const Placement& placement, SeenOf<Int>* seen, bool* found) {
    const bool has_entries = all(placement.used_pages != 0, placement.num_requests != 0);
    const bool is_known = all(take_part(placement), has_entries);
    *seen = seen_;
    locate_token(placement, seen->begin, seen->target, seen);
    const uintptr_t address = address_of_page(placement, Placing::kPositions, max(seen->request, 0), seen->entry);
    if (!is_known) return false;
    seen->page = page_at(address);
    *found = all(seen->request >= 0, has_token(placement, seen->target, *seen));
    return true;
  }

  // RAGGED: the same where the warp's rows are of requests beyond those that it read. `then` is not called.
  __device__ __forceinline__ bool find_row_by_search(const Placement& placement, Int row, SeenOf<Int>* seen) {
    if (placement.num_requests <= kWarp) return false;
    requests_.search(placement, __shfl_sync(kWholeWarp, row, 0));
    read_in_order(placement);
    return find_row_at_once(placement, row, seen, [](bool) {});
  }

  // RAGGED. Mostly the requests of the warp's rows are among those that were read: a row's is the last whose rows begin
  // at it or before it, if they do not end there. What a request's rows have in common is worked out by the thread that
  // knows it. Whether all rows of the warp have pages, whose ids were read then, and `then` called.
  template <typename Then>
  __device__ __forceinline__ bool find_row_at_once(const Placement& placement, Int row, SeenOf<Int>* seen,
                                                   const Then& then) {
    uint32_t begun = threads_with(its_.first_row <= rows_.first);
#pragma unroll
    for (int32_t nth = 1; nth < kRows - 1; ++nth) {
      const Int between = rows_.first + nth;
      const uint32_t begun_between = threads_with(its_.first_row <= between);
      if (row == between) begun = begun_between;
    }
    const uint32_t begun_last = threads_with(its_.first_row <= rows_.last);
    if (row == rows_.last) begun = begun_last;
    const int32_t thread = highest(begun);
    const auto told = [thread](Int value) { return __shfl_sync(kWholeWarp, value, thread); };
    const Int position = sum(row, told(before_row(placement, its_)));
    seen->request = requests_.of(thread & (kWarp - 1));
    locate_token(placement, told(its_.begin), position, seen);
    const uintptr_t address = address_of_page(placement, Placing::kRagged, seen->request, seen->entry);
    if (placement.used_pages == 0) return false;
    seen->page = page_at(address);
    const bool found = all(begun != 0, is_in_room(position, told(sound_end_of(placement, its_))));
    if (!BARACUDA_LIKELY(__any_sync(kWholeWarp, found ? 0 : 1) == 0)) return false;
    is_judged_ = true;
    then(true);
    return true;
  }

  // Mostly the warp has one row, or two, and their requests are among those that were read.
  __device__ __forceinline__ void find_request(const Placement& placement, Int row) {
    bool is_its = false;
    if constexpr (!kAtOnce) {
      take(placement, Placing::kRagged, &its_);
      const uint32_t behind_first = threads_with(its_.end_row > rows_.first);
      const uint32_t behind_last = threads_with(its_.end_row > rows_.last);
      take_from(lowest(row == rows_.first ? behind_first : behind_last));
      const bool is_asked = row == rows_.first || row == rows_.last;
      is_its = (is_asked && placement.num_requests <= kWarp) || is_among(row, seen_);
      if (BARACUDA_LIKELY(threads_with(is_its) == kWholeWarp)) return;
    }
    find_each(placement, row, is_its);
  }

  // Rows that follow each other are mostly of one request, or of requests that are read together.
  __device__ __forceinline__ void find_each(const Placement& placement, Int row, bool is_found) {
#pragma unroll 1
    for (uint32_t pending = threads_with(!is_found); pending != 0; pending = threads_with(!is_found)) {
      const Int asked = __shfl_sync(kWholeWarp, row, lowest(pending));
      if (placement.num_requests > kWarp) {
        requests_.search(placement, asked);
        start_request(placement);
        take(placement, Placing::kRagged, &its_);
      }
      const SeenOf<Int> before = seen_;
      const uint32_t behind_asked = threads_with(its_.end_row > asked);
      const uint32_t behind_last = threads_with(its_.end_row > rows_.last);
      take_from(lowest(row == rows_.last ? behind_last : behind_asked));
      const bool is_its = row == asked || is_among(row, seen_);
      if (is_found || !is_its) seen_ = before;
      is_found = is_found || is_its;
    }
  }

  // What another thread knows of its request.
  __device__ __forceinline__ void take_from(int32_t thread) {
    const auto its = [thread](Int value) { return __shfl_sync(kWholeWarp, value, thread); };
    seen_.request = requests_.of(thread);
    seen_.first_row = its(its_.first_row);
    seen_.end_row = its(its_.end_row);
    seen_.begin = its(its_.begin);
    seen_.end = its(its_.end);
    seen_.length = its(its_.length);
  }

  bool is_judged_ = false;  // RAGGED: nothing is wrong with the row but its page, if that
  WarpRows<Int> rows_;
  Requests<kNarrow, Int> requests_;
  Read begin_;
  SeenOf<Read> read_;
  Read page_;
  SeenOf<Int> its_;
  SeenOf<Int> seen_;
};

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_BESPOKE_READING_H_
