// Where a decode's row goes by its page table and the length of its last page: the way of every decode step, and so one
// without a division.
#ifndef BARACUDA_SRC_PLACE_LAST_PAGE_H_
#define BARACUDA_SRC_PLACE_LAST_PAGE_H_

#include <cstdint>
#include <type_traits>

#include "place/entry.h"
#include "place/placement.h"

namespace baracuda {

template <typename Int>
BARACUDA_HOST_DEVICE inline bool has_part(const Placement& placement, Int begin, Int end) {
  return begin >= 0 && end > begin && end <= placement.used_pages;
}

template <bool kNarrow, typename Int, typename Read>
BARACUDA_HOST_DEVICE inline void read_last_page(const Placement& placement, Int request, SeenOf<Read>* seen) {
  seen->request = static_cast<Read>(request);
  if constexpr (std::is_same_v<Read, Entry>) {
    // As loads that none of the others waits for.
    seen->begin = seen->end = seen->length = Entry(0);
    read_entry_if(true, placement.operands[kIndptr], entry_bytes(placement, kIndptr), request, &seen->begin);
    read_entry_if(true, placement.operands[kIndptr], entry_bytes(placement, kIndptr), request + 1, &seen->end);
    read_entry_if(true, placement.operands[kLengths], entry_bytes(placement, kLengths), request, &seen->length);
  } else {
    seen->begin = read_index<kNarrow>(placement, kIndptr, request);
    seen->end = read_index<kNarrow>(placement, kIndptr, static_cast<Int>(request + 1));
    seen->length = read_index<kNarrow>(placement, kLengths, request);
  }
}

// The last entry of a part. Of the least number there is the largest.
template <typename Int>
BARACUDA_HOST_DEVICE inline Int last_entry(const SeenOf<Int>& seen) {
  using Unsigned = std::make_unsigned_t<Int>;
  return static_cast<Int>(static_cast<Unsigned>(seen.end) - 1u);
}

// Where the row's page is listed: at the end of its request's part. Its slot is what the last page holds.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool find_last_entry(const Placement& placement, SeenOf<Int>* seen) {
  using Unsigned = std::make_unsigned_t<Int>;
  // Wraps: of the least number there is it makes the largest, which is no slot.
  seen->slot = static_cast<Int>(static_cast<Unsigned>(seen->length) - static_cast<Unsigned>(placement.counts_new));
  seen->entry = last_entry(*seen);
  return has_part(placement, seen->begin, seen->end);
}

// Why there was no place. The order is the header's.
BARACUDA_HOST_DEVICE inline Corruption last_page_corruption(const Placement& placement, const Seen& seen) {
  if (seen.begin == seen.end) return {BARACUDA_CORRUPT_NONE, BARACUDA_OPERAND_INDPTR, seen.end, 0};
  if (seen.begin < 0) return {BARACUDA_CORRUPT_INDPTR, BARACUDA_OPERAND_INDPTR, seen.begin, 0};
  if (seen.end < seen.begin) return {BARACUDA_CORRUPT_INDPTR, BARACUDA_OPERAND_INDPTR, seen.end, seen.begin};
  if (seen.end > placement.used_pages)
    return {BARACUDA_CORRUPT_INDPTR, BARACUDA_OPERAND_INDPTR, seen.end, int64_t{placement.used_pages} + 1};
  if (seen.page < 0) return {BARACUDA_CORRUPT_NONE, BARACUDA_OPERAND_INDICES, seen.page, 0};
  if (seen.page >= placement.num_pages)
    return {BARACUDA_CORRUPT_PAGE, BARACUDA_OPERAND_INDICES, seen.page, placement.num_pages};
  const int64_t least = placement.counts_new;
  return {BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_LAST_PAGE_LEN, seen.length,
          seen.length < least ? least : placement.page_size() + least};
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_PLACE_LAST_PAGE_H_
