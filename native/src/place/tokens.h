// Places that are said by tokens: a request's token by its page table, or a slot of the whole cache.
//
// What is read of a row is read first, all of it that does not wait for another read, and judged then: a GPU waits once for
// what it reads at once. Why a row has no place is worked out where it has none.
#ifndef BARACUDA_SRC_PLACE_TOKENS_H_
#define BARACUDA_SRC_PLACE_TOKENS_H_

#include <cstdint>

#include "place/placement.h"

namespace baracuda {

// Of numbers that are yet to be judged: a sum that does not fit wraps, and is not used.
BARACUDA_HOST_DEVICE inline int64_t sum(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
BARACUDA_HOST_DEVICE inline int64_t difference(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}

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
#if defined(__CUDA_ARCH__)
  // A bit at a time: of a cache that a GPU has, no token is there, and each kernel would hold the instructions of a division.
  int64_t pages = 0;
  int64_t rest = 0;
#pragma unroll 1
  for (int bit = 62; bit >= 0; --bit) {
    rest = rest << 1 | (position >> bit & 1);
    pages = pages << 1 | (rest >= placement.page_size ? 1 : 0);
    if (rest >= placement.page_size) rest -= placement.page_size;
  }
  return pages;
#else
  return position / placement.page_size;
#endif
}

// Reads which entries of the table are the request's.
template <bool kNarrow, typename Int>
BARACUDA_HOST_DEVICE inline void read_part(const Placement& placement, Int request, SeenOf<Int>* seen) {
  const bool dense = placement.table == BARACUDA_TABLE_DENSE;
  seen->begin = dense ? 0 : read_index<kNarrow>(placement, kIndptr, request);
  seen->end = dense ? placement.used_pages : read_index<kNarrow>(placement, kIndptr, static_cast<Int>(request + 1));
}

template <typename Int>
BARACUDA_HOST_DEVICE inline bool is_part(const Placement& placement, const SeenOf<Int>& seen) {
  return seen.begin >= 0 && seen.end >= seen.begin && seen.end <= placement.used_pages;
}

// Why entries of indptr are no part.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool refuse_part(const Placement& placement, SeenOf<Int>* seen) {
  constexpr int32_t kReason = BARACUDA_CORRUPT_INDPTR;
  constexpr int32_t kOperand = BARACUDA_OPERAND_INDPTR;
  if (seen->begin < 0) return refuse(seen, kReason, kOperand, seen->begin, 0);
  if (seen->end < seen->begin) return refuse(seen, kReason, kOperand, seen->end, seen->begin);
  return refuse(seen, kReason, kOperand, seen->end, int64_t{placement.used_pages} + 1);
}

// Tokens that the pages of a part have room for; of what is no part, none.
template <typename Int>
BARACUDA_HOST_DEVICE inline int64_t room_of(const Placement& placement, const SeenOf<Int>& seen) {
  return is_part(placement, seen) ? static_cast<int64_t>(seen.end - seen.begin) * placement.page_size : 0;
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

// Whether what says a request's length says one, and if so how many tokens it has, which may be any number: of these the new
// ones are the last, or they come after, by counts_new.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool is_total(const Placement& placement, const SeenOf<Int>& seen, int64_t length,
                                          int64_t* total) {
  if (placement.lengths == BARACUDA_LENGTHS_SEQ_LENS) {
    *total = length;
    return length >= placement.counts_new;
  }
  *total = sum(room_of(placement, seen) - placement.page_size, length);
  return seen.begin != seen.end && length >= 1 && length <= placement.page_size;
}

// Why it says none: padding, or what is corrupt.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool refuse_total(const Placement& placement, int64_t length, SeenOf<Int>* seen) {
  constexpr int32_t kReason = BARACUDA_CORRUPT_LAST_PAGE_LEN;
  if (placement.lengths == BARACUDA_LENGTHS_SEQ_LENS) {
    if (length == 0) return skip(seen);
    return refuse(seen, kReason, BARACUDA_OPERAND_SEQ_LENS, length, 0);
  }
  if (seen->begin == seen->end) return skip(seen);
  return refuse(seen, kReason, BARACUDA_OPERAND_LAST_PAGE_LEN, length,
                length < 1 ? 1 : int64_t{placement.page_size} + 1);
}

// LAST_PAGE by seq_lens: the request's newest token.
template <bool kNarrow, typename Int>
BARACUDA_HOST_DEVICE inline bool find_newest(const Placement& placement, Int request, SeenOf<Int>* seen) {
  seen->request = request;
  read_part<kNarrow>(placement, request, seen);
  const int64_t length = read_index<kNarrow>(placement, kLengths, request);
  int64_t total;
  const bool counted = is_total(placement, *seen, length, &total);
  const int64_t limit = room_of(placement, *seen) + placement.counts_new;
  if (is_part(placement, *seen) && counted && total < limit)
    return find_token(placement, total - placement.counts_new, seen);
  if (!is_part(placement, *seen)) return refuse_part(placement, seen);
  if (!counted) return refuse_total(placement, length, seen);
  return refuse(seen, BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_SEQ_LENS, total, limit);
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

// What is read of a request for a row of a RAGGED append, besides its part of the table.
template <typename Int>
struct RowsOf {
  Int first;  // rows first .. end - 1 are the request's
  Int end;
  Int length;  // last_page_len, or seq_lens
};

template <bool kNarrow, typename Int>
BARACUDA_HOST_DEVICE inline void read_rows(const Placement& placement, Int request, SeenOf<Int>* seen,
                                           RowsOf<Int>* rows) {
  seen->request = request;
  rows->first = read_index<kNarrow>(placement, kOwners, request);
  rows->end = read_index<kNarrow>(placement, kOwners, static_cast<Int>(request + 1));
  read_part<kNarrow>(placement, request, seen);
  rows->length = read_index<kNarrow>(placement, kLengths, request);
}

// Why the rows of the request are none of which this is one; padding for those behind all.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool refuse_rows(const Placement& placement, int64_t row, int64_t first, int64_t end,
                                             SeenOf<Int>* seen) {
  constexpr int32_t kReason = BARACUDA_CORRUPT_APPEND_INDPTR;
  constexpr int32_t kOperand = BARACUDA_OPERAND_APPEND_INDPTR;
  const bool is_first = seen->request == 0;
  if (row >= end && seen->request == placement.num_requests - 1)
    return end < first ? refuse(seen, kReason, kOperand, end, first) : skip(seen);
  if (first < 0) return refuse(seen, kReason, kOperand, first, int64_t{0});
  if (row < first || (is_first && first != 0))
    return refuse(seen, kReason, kOperand, first, is_first ? int64_t{1} : row + 1);
  return refuse(seen, kReason, kOperand, end, end > placement.num_rows ? int64_t{placement.num_rows} + 1 : row + 1);
}

// RAGGED: the row of the request that was found and read for it.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool find_row(const Placement& placement, int64_t row, const RowsOf<Int>& rows,
                                          SeenOf<Int>* seen) {
  const int64_t first = rows.first;
  const int64_t end = rows.end;
  const int64_t length = rows.length;
  const bool is_its =
      first >= 0 && row >= first && row < end && end <= placement.num_rows && (seen->request != 0 || first == 0);
  int64_t total;
  const bool counted = is_total(placement, *seen, length, &total);
  // Held against the total before anything is added to it, which may be any number.
  const int64_t from_total = placement.counts_new != 0 ? difference(row, end) : difference(row, first);
  const int64_t limit = difference(room_of(placement, *seen), from_total);
  const int64_t position = sum(total, from_total);
  if (is_its && is_part(placement, *seen) && counted && total < limit && position >= 0)
    return find_token(placement, position, seen);
  if (!is_its) return refuse_rows(placement, row, first, end, seen);
  if (!is_part(placement, *seen)) return refuse_part(placement, seen);
  if (!counted) return refuse_total(placement, length, seen);
  if (total >= limit) return refuse(seen, BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_SEQ_LENS, total, limit);
  return refuse(seen, BARACUDA_CORRUPT_APPEND_INDPTR, BARACUDA_OPERAND_APPEND_INDPTR, end, first + total + 1);
}

// POSITIONS: the token that the row's two entries name.
template <bool kNarrow, typename Int>
BARACUDA_HOST_DEVICE inline bool find_position(const Placement& placement, int64_t row, SeenOf<Int>* seen) {
  const Int owner = read_index<kNarrow>(placement, kOwners, static_cast<Int>(row));
  const int64_t position = read_index<kNarrow>(placement, kTargets, static_cast<Int>(row));
  seen->begin = 0;
  seen->end = 0;
  if (is_below(owner, placement.num_requests)) {
    seen->request = owner;
    read_part<kNarrow>(placement, owner, seen);
    if (is_part(placement, *seen) && position >= 0 && position < room_of(placement, *seen))
      return find_token(placement, position, seen);
    if (!is_part(placement, *seen)) return refuse_part(placement, seen);
    return refuse(seen, BARACUDA_CORRUPT_POSITION, BARACUDA_OPERAND_POSITIONS, position,
                  position < 0 ? 0 : room_of(placement, *seen));
  }
  seen->request = -1;
  if (owner < 0) return skip(seen);
  return refuse(seen, BARACUDA_CORRUPT_BATCH_INDEX, BARACUDA_OPERAND_BATCH_INDICES, owner, placement.num_requests);
}

// SLOTS: the slot of the whole cache that the row's entry names.
template <bool kNarrow, typename Int>
BARACUDA_HOST_DEVICE inline bool find_slot(const Placement& placement, int64_t row, SeenOf<Int>* seen) {
  seen->request = -1;
  const int64_t slot = read_index<kNarrow>(placement, kTargets, static_cast<Int>(row));
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

#endif  // BARACUDA_SRC_PLACE_TOKENS_H_
