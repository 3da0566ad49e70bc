// The claim of a caller's error record by one of many threads.
#ifndef BARACUDA_SRC_HOST_ERROR_RECORD_H_
#define BARACUDA_SRC_HOST_ERROR_RECORD_H_

#include "append/place.h"
#include "baracuda_ffi.h"

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
#endif

namespace baracuda::host {

// Of all that meet a corrupt request, over all appends since the record was zeroed, one describes it.
// C++17 has no atomic view of memory that somebody else owns; the compilers do.
inline void record_corruption(const GuardLimits& limits, baracuda_error_record* record,
                              const baracuda_error_record& seen) noexcept {
  const int32_t found = corruption_of(limits, seen);
  if (record == nullptr || found == BARACUDA_CORRUPT_NONE) return;
#if defined(_MSC_VER) && !defined(__clang__)
  static_assert(sizeof(long) == sizeof(record->reason));
  auto* reason = reinterpret_cast<volatile long*>(&record->reason);
  const bool claimed = _InterlockedCompareExchange(reason, found, BARACUDA_CORRUPT_NONE) == BARACUDA_CORRUPT_NONE;
#else
  int32_t unclaimed = BARACUDA_CORRUPT_NONE;
  const bool claimed =
      __atomic_compare_exchange_n(&record->reason, &unclaimed, found, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
#endif
  if (claimed) describe(record, seen);
}

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_ERROR_RECORD_H_
