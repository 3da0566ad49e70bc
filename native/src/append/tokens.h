// Places that are said by tokens: a request's token by its page table, or a slot of the whole cache.
#ifndef BARACUDA_SRC_APPEND_TOKENS_H_
#define BARACUDA_SRC_APPEND_TOKENS_H_

#include <cstdint>

#include "append/placement.h"

namespace baracuda {

// Marks a row as padding, or as corrupt, and says that it is not to be served.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool skip(SeenOf<Int>* seen) {
  seen->entry = -1;
  seen->corruption.reason = BARACUDA_CORRUPT_NONE;
  return false;
}
template <typename Int>
BARACUDA_HOST_DEVICE inline bool refuse(SeenOf<Int>* seen, int32_t reason, int32_t operand, int64_t value,
                                        int64_t limit) {
  seen->entry = -1;
  seen->corruption = {reason, operand, value, limit};
  return false;
}

// Pages' worth of tokens before a position. Exact for any that is not negative.
BARACUDA_HOST_DEVICE inline int64_t pages_before(const Placement& placement, int64_t position) {
  constexpr int64_t kDivisible = int64_t{1} << 31;  // below it by multiplication
  if (position < kDivisible) return placement.per_page.divide(static_cast<uint32_t>(position));
  return position / placement.page_size;
}

// Reads which entries of the table are the request's. False where indptr is corrupt, which is marked.
template <bool kNarrow, typename Int>
BARACUDA_HOST_DEVICE inline bool read_part(const Placement& placement, Int request, SeenOf<Int>* seen) {
  seen->request = request;
  if (placement.table == BARACUDA_TABLE_DENSE) {
    seen->begin = 0;
    seen->end = placement.used_pages;
    return true;
  }
  seen->begin = read_index<kNarrow>(placement, kIndptr, request);
  seen->end = read_index<kNarrow>(placement, kIndptr, static_cast<Int>(request + 1));
  if (seen->begin < 0) return refuse(seen, BARACUDA_CORRUPT_INDPTR, BARACUDA_OPERAND_INDPTR, seen->begin, 0);
  if (seen->end < seen->begin)
    return refuse(seen, BARACUDA_CORRUPT_INDPTR, BARACUDA_OPERAND_INDPTR, seen->end, seen->begin);
  if (seen->end > placement.used_pages)
    return refuse(seen, BARACUDA_CORRUPT_INDPTR, BARACUDA_OPERAND_INDPTR, seen->end, int64_t{placement.used_pages} + 1);
  return true;
}

// Tokens that the pages of the part that was read have room for.
template <typename Int>
BARACUDA_HOST_DEVICE inline int64_t room_of(const Placement& placement, const SeenOf<Int>& seen) {
  return static_cast<int64_t>(seen.end - seen.begin) * placement.page_size;
}

// Where the page is listed of a token of the request whose part was read, and its slot there. The position is one of those
// that the part has room for.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool find_token(const Placement& placement, int64_t position, SeenOf<Int>* seen) {
  const int64_t nth = pages_before(placement, position);
  const int64_t first = placement.table == BARACUDA_TABLE_DENSE
                            ? static_cast<int64_t>(seen->request) * placement.table_stride
                            : static_cast<int64_t>(seen->begin);
  seen->entry = static_cast<Int>(first + nth);
  seen->slot = static_cast<Int>(position - nth * placement.page_size);
  return true;
}

// Reads how many tokens the request whose part was read has, by whichever operand says it: `*total` of them, of which the
// new ones are the last `counts_new` or come after. False for padding and what is corrupt.
template <bool kNarrow, typename Int>
BARACUDA_HOST_DEVICE inline bool read_total(const Placement& placement, SeenOf<Int>* seen, int64_t* total) {
  const int64_t length = read_index<kNarrow>(placement, kLengths, static_cast<int64_t>(seen->request));
  if (placement.lengths == BARACUDA_LENGTHS_SEQ_LENS) {
    if (length == 0 && placement.counts_new != 0) return skip(seen);
    if (length < 0) return refuse(seen, BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_SEQ_LENS, length, 0);
    *total = length;
    return true;
  }
  if (seen->begin == seen->end) return skip(seen);
  if (length < 1 || length > placement.page_size)
    return refuse(seen, BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_LAST_PAGE_LEN, length,
                  length < 1 ? 1 : int64_t{placement.page_size} + 1);
  *total = room_of(placement, *seen) - placement.page_size + length;
  return true;
}

// LAST_PAGE by seq_lens: the request's newest token.
template <bool kNarrow, typename Int>
BARACUDA_HOST_DEVICE inline bool find_newest(const Placement& placement, Int request, SeenOf<Int>* seen) {
  int64_t total;
  if (!read_part<kNarrow>(placement, request, seen) || !read_total<kNarrow>(placement, seen, &total)) return false;
  const int64_t limit = room_of(placement, *seen) + placement.counts_new;
  if (total >= limit) return refuse(seen, BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_SEQ_LENS, total, limit);
  return find_token(placement, total - placement.counts_new, seen);
}

// Which request the row of a RAGGED append is of: the first whose rows end behind it. The last one for rows behind all.
// Where append_indptr is out of order, some request.
template <bool kNarrow>
BARACUDA_HOST_DEVICE inline int64_t find_request(const Placement& placement, int64_t row) {
  int64_t first = 0;
  int64_t last = placement.num_requests - 1;
  while (first < last) {
    const int64_t middle = first + (last - first) / 2;
    if (read_index<kNarrow>(placement, kOwners, middle + 1) > row)
      last = middle;
    else
      first = middle + 1;
  }
  return first;
}

// RAGGED: the row of the request that was found for it.
template <bool kNarrow, typename Int>
BARACUDA_HOST_DEVICE inline bool find_row(const Placement& placement, int64_t row, Int request, SeenOf<Int>* seen) {
  seen->request = request;
  const int64_t first = read_index<kNarrow>(placement, kOwners, static_cast<int64_t>(request));
  const int64_t end = read_index<kNarrow>(placement, kOwners, static_cast<int64_t>(request) + 1);
  constexpr int32_t kReason = BARACUDA_CORRUPT_APPEND_INDPTR;
  constexpr int32_t kOperand = BARACUDA_OPERAND_APPEND_INDPTR;
  if (row >= end && request == placement.num_requests - 1)
    return end < first ? refuse(seen, kReason, kOperand, end, first) : skip(seen);
  if (first < 0 || row < first || (request == 0 && first != 0))
    return refuse(seen, kReason, kOperand, first, first < 0 ? 0 : request == 0 ? 1 : row + 1);
  if (end > placement.num_rows) return refuse(seen, kReason, kOperand, end, int64_t{placement.num_rows} + 1);
  if (row >= end) return refuse(seen, kReason, kOperand, end, row + 1);
  int64_t total;
  if (!read_part<kNarrow>(placement, request, seen) || !read_total<kNarrow>(placement, seen, &total)) return false;
  // Held against the total before anything is added to it, which may be any number.
  const int64_t from_total = placement.counts_new != 0 ? row - end : row - first;
  const int64_t limit = room_of(placement, *seen) - from_total;
  if (total >= limit) return refuse(seen, BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_SEQ_LENS, total, limit);
  const int64_t position = total + from_total;
  if (position < 0) return refuse(seen, kReason, kOperand, end, first + total + 1);
  return find_token(placement, position, seen);
}

// POSITIONS: the token that the row's two entries name.
template <bool kNarrow, typename Int>
BARACUDA_HOST_DEVICE inline bool find_position(const Placement& placement, int64_t row, SeenOf<Int>* seen) {
  seen->request = -1;
  const int64_t owner = read_index<kNarrow>(placement, kOwners, row);
  if (owner < 0) return skip(seen);
  if (owner >= placement.num_requests)
    return refuse(seen, BARACUDA_CORRUPT_BATCH_INDEX, BARACUDA_OPERAND_BATCH_INDICES, owner, placement.num_requests);
  if (!read_part<kNarrow>(placement, static_cast<Int>(owner), seen)) return false;
  const int64_t position = read_index<kNarrow>(placement, kTargets, row);
  if (position < 0 || position >= room_of(placement, *seen))
    return refuse(seen, BARACUDA_CORRUPT_POSITION, BARACUDA_OPERAND_POSITIONS, position,
                  position < 0 ? 0 : room_of(placement, *seen));
  return find_token(placement, position, seen);
}

// SLOTS: the slot of the whole cache that the row's entry names.
template <bool kNarrow, typename Int>
BARACUDA_HOST_DEVICE inline bool find_slot(const Placement& placement, int64_t row, SeenOf<Int>* seen) {
  seen->request = -1;
  const int64_t slot = read_index<kNarrow>(placement, kTargets, row);
  if (slot < 0 || slot == placement.skip_slot) return skip(seen);
  const int64_t page = pages_before(placement, slot);
  if (page >= placement.num_pages)
    return refuse(seen, BARACUDA_CORRUPT_SLOT, BARACUDA_OPERAND_SLOT_MAPPING, slot,
                  int64_t{placement.num_pages} * placement.page_size);
  seen->entry = static_cast<Int>(page);
  seen->slot = static_cast<Int>(slot - page * placement.page_size);
  return true;
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_TOKENS_H_
