// Which place a row goes to: one definition for the CPU and for the GPU. The header's WHICH PLACE and THE GUARD say what
// these functions do.
#ifndef BARACUDA_SRC_APPEND_PLACE_H_
#define BARACUDA_SRC_APPEND_PLACE_H_

#include <cstdint>

#include "append/last_page.h"
#include "append/placement.h"
#include "append/tokens.h"

namespace baracuda {

BARACUDA_HOST_DEVICE inline bool is_by_last_page_len(const Placement& placement) {
  return (placement.addressing | placement.lengths) == 0;  // LAST_PAGE, LAST_PAGE_LEN
}

// What find_place wants to know of a row before: whose it is, for RAGGED.
template <bool kNarrow>
BARACUDA_HOST_DEVICE inline int64_t request_of(const Placement& placement, int64_t row) {
  return placement.addressing == BARACUDA_ADDRESSING_RAGGED ? find_request<kNarrow>(placement, row) : -1;
}

// Whether the row is to be served, and if so in which page and slot of `seen`. `request` is what request_of, or a search of
// the caller's own, found.
template <bool kNarrow, typename Int>
BARACUDA_HOST_DEVICE inline bool find_place(const Placement& placement, int64_t row, int64_t request,
                                            SeenOf<Int>* seen) {
  if (is_by_last_page_len(placement)) return find_last_place<kNarrow>(placement, static_cast<Int>(row), seen);
  seen->request = -1;
  seen->page = -1;
  seen->slot = 0;
  switch (placement.addressing) {
    case BARACUDA_ADDRESSING_LAST_PAGE:
      return find_newest<kNarrow>(placement, static_cast<Int>(row), seen);
    case BARACUDA_ADDRESSING_RAGGED:
      return find_row<kNarrow>(placement, row, static_cast<Int>(request), seen);
    case BARACUDA_ADDRESSING_POSITIONS:
      return find_position<kNarrow>(placement, row, seen);
    case BARACUDA_ADDRESSING_SLOTS:
      return find_slot<kNarrow>(placement, row, seen);
    default:
      return skip(seen);
  }
}

// Why find_place refused what it saw.
template <typename Int>
BARACUDA_HOST_DEVICE inline Corruption corruption_of(const Placement& placement, const SeenOf<Int>& seen) {
  return is_by_last_page_len(placement) ? last_page_corruption(placement, seen) : seen.corruption;
}

// What is wrong with a RAGGED append as a whole: rows that append_indptr says and key does not have, for which there is
// no row to look at.
template <bool kNarrow>
BARACUDA_HOST_DEVICE inline Corruption lost_rows_of(const Placement& placement) {
  if (placement.addressing != BARACUDA_ADDRESSING_RAGGED || placement.num_requests == 0)
    return {BARACUDA_CORRUPT_NONE, 0, 0, 0};
  const int64_t end = read_index<kNarrow>(placement, kOwners, int64_t{placement.num_requests});
  return {end > placement.num_rows ? BARACUDA_CORRUPT_APPEND_INDPTR : BARACUDA_CORRUPT_NONE,
          BARACUDA_OPERAND_APPEND_INDPTR, end, int64_t{placement.num_rows} + 1};
}

// What is written once the record's reason is claimed: everything else.
BARACUDA_HOST_DEVICE inline void describe(baracuda_error_record* record, int64_t row, int64_t request, int64_t page,
                                          const Corruption& corruption) {
  record->operand = corruption.operand;
  record->row = row;
  record->request = request;
  record->seen = corruption.seen;
  record->limit = corruption.limit;
  record->page = page;
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_PLACE_H_
