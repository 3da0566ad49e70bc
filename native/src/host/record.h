// The claim of a caller's error record by one of many threads.
#ifndef BARACUDA_SRC_HOST_RECORD_H_
#define BARACUDA_SRC_HOST_RECORD_H_

#include "baracuda_ffi.h"
#include "place/place.h"

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

namespace baracuda::host {

// Of all that meet what is corrupt, over all appends since the record was zeroed, one describes it. Padding is not
// recorded. C++17 has no atomic view of memory that somebody else owns; the compilers do.
inline void record_corruption(baracuda_error_record* record, int64_t row, int64_t request, int64_t page,
                              const Corruption& found) noexcept {
  if (record == nullptr || found.reason == BARACUDA_CORRUPT_NONE) return;
#if defined(_MSC_VER) && !defined(__clang__)
  static_assert(sizeof(long) == sizeof(record->reason));
  auto* reason = reinterpret_cast<volatile long*>(&record->reason);
  const bool claimed =
      _InterlockedCompareExchange(reason, found.reason, BARACUDA_CORRUPT_NONE) == BARACUDA_CORRUPT_NONE;
#else
  int32_t unclaimed = BARACUDA_CORRUPT_NONE;
  const bool claimed =
      __atomic_compare_exchange_n(&record->reason, &unclaimed, found.reason, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
#endif
  if (claimed) describe(record, row, request, page, found);
}

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_RECORD_H_
