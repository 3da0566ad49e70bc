// Which place a row goes to: one definition for the CPU and for the GPU. The header's WHICH PLACE and THE GUARD say what
// these functions do.
#ifndef BARACUDA_SRC_PLACE_PLACE_H_
#define BARACUDA_SRC_PLACE_PLACE_H_

#include <cstdint>

#include "place/last_page.h"
#include "place/placement.h"
#include "place/tokens.h"

namespace baracuda {

// Whether a row has a page to go to, and if so at which entry of the page table, and its slot there: all that there is to
// know before the page's id is read. `placing` is the append's, or a constant that is the same. For RAGGED `rows` and
// `seen` are what read_rows made of the request that was found; for the others they are not looked at.
template <bool kNarrow, typename Int>
BARACUDA_HOST_DEVICE inline bool find_entry(const Placement& placement, Placing placing, int64_t row,
                                            const RowsOf<Int>& rows, SeenOf<Int>* seen) {
  seen->page = -1;
  switch (placing) {
    case Placing::kLastPage:
      return find_last_entry<kNarrow>(placement, static_cast<Int>(row), seen);
    case Placing::kNewest:
      return find_newest<kNarrow>(placement, static_cast<Int>(row), seen);
    case Placing::kRagged:
      return find_row(placement, row, rows, seen);
    case Placing::kPositions:
      return find_position<kNarrow>(placement, row, seen);
    case Placing::kSlots:
      return find_slot<kNarrow>(placement, row, seen);
  }
  return false;
}

// Reads the page's id where find_entry found it.
template <bool kNarrow, typename Int>
BARACUDA_HOST_DEVICE inline void load_page(const Placement& placement, Placing placing, SeenOf<Int>* seen) {
  seen->page = placing == Placing::kSlots ? seen->entry : read_index<kNarrow>(placement, kPages, seen->entry);
}

// Whether the row is to be served, of which the page's id was read.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool is_place(const Placement& placement, const SeenOf<Int>& seen) {
  return is_below(seen.page, placement.num_pages) && is_below(seen.slot, placement.page_size);
}

template <bool kNarrow, typename Int>
BARACUDA_HOST_DEVICE inline bool read_page(const Placement& placement, Placing placing, SeenOf<Int>* seen) {
  load_page<kNarrow>(placement, placing, seen);
  return is_place(placement, *seen);
}

// Both, for a row of the request that was found, where the append is RAGGED. Whether it is to be served, and if so in which
// page and slot of `seen`.
template <bool kNarrow>
inline bool find_place_of(const Placement& placement, int64_t request, int64_t row, Seen* seen) {
  RowsOf<int64_t> rows = {};
  if (placement.placing == Placing::kRagged) read_rows<kNarrow>(placement, request, seen, &rows);
  return find_entry<kNarrow>(placement, placement.placing, row, rows, seen) &&
         read_page<kNarrow>(placement, placement.placing, seen);
}

// The same for a row by itself.
template <bool kNarrow>
inline bool find_place(const Placement& placement, int64_t row, Seen* seen) {
  const int64_t request = placement.placing == Placing::kRagged ? find_request<kNarrow>(placement, row) : 0;
  return find_place_of<kNarrow>(placement, request, row, seen);
}

// Why there was no place for the row.
template <typename Int>
BARACUDA_HOST_DEVICE inline Corruption corruption_of(const Placement& placement, Placing placing,
                                                     const SeenOf<Int>& seen) {
  if (placing == Placing::kLastPage) return last_page_corruption(placement, seen);
  if (seen.entry < 0) return seen.corruption;
  return {seen.page < 0 ? BARACUDA_CORRUPT_NONE : BARACUDA_CORRUPT_PAGE,
          placement.table == BARACUDA_TABLE_DENSE ? BARACUDA_OPERAND_BLOCK_TABLE : BARACUDA_OPERAND_INDICES, seen.page,
          placement.num_pages};
}

// What is wrong with a RAGGED append as a whole: rows that append_indptr says and key does not have, for which there is
// no row to look at.
template <bool kNarrow>
BARACUDA_HOST_DEVICE inline Corruption lost_rows_of(const Placement& placement) {
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

#endif  // BARACUDA_SRC_PLACE_PLACE_H_
