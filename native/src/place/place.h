// Which place a row goes to: one definition for the CPU and for the GPU. The header's WHICH PLACE and THE GUARD say
// what these functions do.
#ifndef BARACUDA_SRC_PLACE_PLACE_H_
#define BARACUDA_SRC_PLACE_PLACE_H_

#include <cstdint>
#include <type_traits>

#include "place/entry.h"
#include "place/last_page.h"
#include "place/placement.h"
#include "place/tokens.h"

namespace baracuda {

// Reads what says a row's place, but for the page's id: for RAGGED of the request that was found for the row. `placing`
// is the append's, or a constant that is the same.
template <bool kNarrow, typename Int, typename Read>
BARACUDA_HOST_DEVICE inline void read_token(const Placement& placement, Placing placing, Int request, Int row,
                                            SeenOf<Read>* seen) {
  switch (placing) {
    case Placing::kLastPage:
      return read_last_page<kNarrow>(placement, row, seen);
    case Placing::kNewest:
      return read_tokens<kNarrow>(placement, row, seen);
    case Placing::kRagged:
      return read_request<kNarrow>(placement, request, seen);
    case Placing::kPositions:
      read_position<kNarrow>(placement, row, seen);
      if constexpr (std::is_same_v<Int, Read>) {
        find_owner(placement, seen);
        if (seen->request >= 0) read_part<kNarrow>(placement, seen->request, seen);
      }
      return;
    case Placing::kSlots:
      seen->request = static_cast<Read>(-1);
      seen->target = read_as<kNarrow, Read>(placement, kTargets, row);
      return;
  }
}

// Whether the row of which that was read has a page to go to, and if so at which entry of the page table, and its slot
// there: all that there is to know before the page's id is read.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool find_entry(const Placement& placement, Placing placing, Int row, SeenOf<Int>* seen) {
  seen->page = -1;
  if (placing == Placing::kLastPage) return find_last_entry(placement, seen);
  if (placing == Placing::kSlots) return find_slot(placement, seen);
  Int position;
  const bool is_said = is_token(placement, placing, row, *seen, &position);
  return find_token(placement, position, seen) && is_said;
}

// Reads the page's id where find_entry found it.
template <bool kNarrow, typename Int>
BARACUDA_HOST_DEVICE inline void load_page(const Placement& placement, Placing placing, SeenOf<Int>* seen) {
  seen->page = placing == Placing::kSlots ? seen->entry : read_index<kNarrow>(placement, kPages, seen->entry);
}

// Whether the row is to be served, of which the page's id was read.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool is_place(const Placement& placement, const SeenOf<Int>& seen) {
  return is_below(seen.page, placement.num_pages) && is_below(seen.slot, placement.page_size());
}

// All of it, for a row of the request that was found, where the append is RAGGED. Whether it is to be served, and if so
// in which page and slot of `seen`.
template <bool kNarrow>
inline bool find_place_of(const Placement& placement, Placing placing, int64_t request, int64_t row, Seen* seen) {
  read_token<kNarrow>(placement, placing, request, row, seen);
  if (!find_entry(placement, placing, row, seen)) return false;
  load_page<kNarrow>(placement, placing, seen);
  return is_place(placement, *seen);
}

// Why there was no place for the row, by what was seen of it. `is_judged`: RAGGED, and there is nothing wrong with it
// but its page, if that; what else there is to see was not kept.
BARACUDA_HOST_DEVICE inline Corruption corruption_of(const Placement& placement, Placing placing, int64_t row,
                                                     const Seen& seen, bool is_judged = false) {
  if (is_judged) return page_corruption(placement, seen);
  if (placing == Placing::kLastPage) return last_page_corruption(placement, seen);
  if (placing == Placing::kSlots) return slot_corruption(placement, seen);
  return token_corruption(placement, placing, row, seen);
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
