// Places that are said by tokens: a request's token by its page table, or a slot of the whole cache.
//
// What is read of a row is read first, all of it that does not wait for another read, and judged then: a GPU waits once
// for what it reads at once. Why a row has no place is worked out where it has none.
#ifndef BARACUDA_SRC_PLACE_TOKENS_H_
#define BARACUDA_SRC_PLACE_TOKENS_H_

#include <cstdint>
#include <type_traits>

#include "place/entry.h"
#include "place/placement.h"

namespace baracuda {

// Of numbers that are yet to be judged: what does not fit wraps. A number that is below another is compared as one
// without a sign, by which what is negative is above all.
template <typename Int>
BARACUDA_HOST_DEVICE inline Int sum(Int a, Int b) {
  using Unsigned = std::make_unsigned_t<Int>;
  return static_cast<Int>(static_cast<Unsigned>(a) + static_cast<Unsigned>(b));
}
template <typename Int>
BARACUDA_HOST_DEVICE inline Int difference(Int a, Int b) {
  using Unsigned = std::make_unsigned_t<Int>;
  return static_cast<Int>(static_cast<Unsigned>(a) - static_cast<Unsigned>(b));
}

template <typename Int>
BARACUDA_HOST_DEVICE inline Int product(Int a, Int b) {
  using Unsigned = std::make_unsigned_t<Int>;
  return static_cast<Int>(static_cast<Unsigned>(a) * static_cast<Unsigned>(b));
}

// Pages' worth of tokens before a position. Exact for any that is not negative.
BARACUDA_HOST_DEVICE inline int32_t pages_before(const Placement& placement, int32_t position) {
  return static_cast<int32_t>(placement.per_page.divide(static_cast<uint32_t>(position)));
}
BARACUDA_HOST_DEVICE inline int64_t pages_before(const Placement& placement, int64_t position) {
  constexpr int64_t kDivisible = int64_t{1} << 31;  // below it by multiplication
  if (position < kDivisible) return placement.per_page.divide(static_cast<uint32_t>(position));
#if defined(__CUDA_ARCH__)
  // A bit at a time: of a cache that a GPU has, no token is there, and each kernel would hold the instructions of a
  // division.
  int64_t pages = 0;
  int64_t rest = 0;
#pragma unroll 1
  for (int bit = 62; bit >= 0; --bit) {
    rest = rest << 1 | (position >> bit & 1);
    pages = pages << 1 | (rest >= placement.page_size() ? 1 : 0);
    if (rest >= placement.page_size()) rest -= placement.page_size();
  }
  return pages;
#else
  return position / placement.page_size();
#endif
}

// Reads which entries of the table are the request's.
template <bool kNarrow, typename Int, typename Read>
BARACUDA_HOST_DEVICE inline void read_part(const Placement& placement, Int request, SeenOf<Read>* seen) {
  const bool dense = placement.table == BARACUDA_TABLE_DENSE;
  if constexpr (std::is_same_v<Read, Entry>) {
    seen->begin = Entry(0);
    seen->end = Entry(placement.used_pages);
    const void* const data = placement.operands[kIndptr];
    read_entry_if(!dense, data, entry_bytes(placement, kIndptr), request, &seen->begin);
    read_entry_if(!dense, data, entry_bytes(placement, kIndptr), request + 1, &seen->end);
  } else {
    seen->begin = dense ? 0 : read_index<kNarrow>(placement, kIndptr, request);
    seen->end = dense ? placement.used_pages : read_index<kNarrow>(placement, kIndptr, static_cast<Int>(request + 1));
  }
}

template <typename Int>
BARACUDA_HOST_DEVICE inline bool is_part(const Placement& placement, const SeenOf<Int>& seen) {
  return all(all(seen.begin >= 0, seen.end >= seen.begin), seen.end <= placement.used_pages);
}

// And its length.
template <bool kNarrow, typename Int, typename Read>
BARACUDA_HOST_DEVICE inline void read_tokens(const Placement& placement, Int request, SeenOf<Read>* seen) {
  seen->request = static_cast<Read>(request);
  read_part<kNarrow>(placement, request, seen);
  seen->length = read_as<kNarrow, Read>(placement, kLengths, request);
}

// Tokens that the pages of a part have room for. Of what is no part, some number.
template <typename Int>
BARACUDA_HOST_DEVICE inline Int room_of(const Placement& placement, const SeenOf<Int>& seen) {
  return product(difference(seen.end, seen.begin), static_cast<Int>(placement.page_size()));
}

// Where the first page is listed of the request whose part was read.
template <typename Int>
BARACUDA_HOST_DEVICE inline Int first_entry(const Placement& placement, const SeenOf<Int>& seen) {
  return placement.table == BARACUDA_TABLE_DENSE ? product(seen.request, static_cast<Int>(placement.table_stride))
                                                 : seen.begin;
}

// Where the page of a token at that position is listed, by where the first one is, and its slot there. Of what is no
// position, some entry.
template <typename Int>
BARACUDA_HOST_DEVICE inline void locate_token(const Placement& placement, Int first, Int position, SeenOf<Int>* seen) {
  const Int nth = pages_before(placement, position);
  seen->entry = sum(first, nth);
  seen->slot = difference(position, product(nth, static_cast<Int>(placement.page_size())));
}

// Whether there is room for a token at that position; a negative one wraps.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool is_in_room(Int position, Int room) {
  using Unsigned = std::make_unsigned_t<Int>;
  return static_cast<Unsigned>(position) < static_cast<Unsigned>(room);
}

// Whether the part that was read has room for a token at that position.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool has_token(const Placement& placement, Int position, const SeenOf<Int>& seen) {
  return all(is_in_room(position, room_of(placement, seen)), is_part(placement, seen));
}

// The same, and where the token's page is listed, and its slot there.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool find_token(const Placement& placement, Int position, SeenOf<Int>* seen) {
  // Of what is no position, a division by bits.
  if (sizeof(Int) == sizeof(int64_t) && !is_in_room(position, room_of(placement, *seen))) return false;
  locate_token(placement, first_entry(placement, *seen), position, seen);
  return has_token(placement, position, *seen);
}

// Whether what says a request's length says one, and how many tokens it has then: of these the new ones are the last,
// or they come after, by counts_new. Where there are no pages, last_page_len says a number for which there is no room.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool is_total(const Placement& placement, const SeenOf<Int>& seen, Int* total) {
  const bool by_last_page = placement.lengths == BARACUDA_LENGTHS_LAST_PAGE_LEN;
  const Int before = difference(room_of(placement, seen), static_cast<Int>(placement.page_size()));
  *total = sum(by_last_page ? before : Int{0}, seen.length);
  const Int most = by_last_page ? static_cast<Int>(placement.page_size()) : seen.length;
  return all(seen.length >= placement.counts_new, seen.length <= most);
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

// Reads all of a request that a row of a RAGGED append asks for.
template <bool kNarrow, typename Int, typename Read>
BARACUDA_HOST_DEVICE inline void read_request(const Placement& placement, Int request, SeenOf<Read>* seen) {
  seen->first_row = read_as<kNarrow, Read>(placement, kOwners, request);
  seen->end_row = read_as<kNarrow, Read>(placement, kOwners, static_cast<Int>(request + 1));
  read_tokens<kNarrow>(placement, request, seen);
}

// Whether the rows of the request that was read are some of key's. The first request's begin at 0.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool are_rows(const Placement& placement, const SeenOf<Int>& seen) {
  return all(all(seen.first_row >= 0, any(seen.request != 0, seen.first_row == 0)), seen.end_row <= placement.num_rows);
}

// Whether the row is one of them.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool is_among(Int row, const SeenOf<Int>& seen) {
  return all(row >= seen.first_row, row < seen.end_row);
}

template <typename Int>
BARACUDA_HOST_DEVICE inline bool is_row(const Placement& placement, Int row, const SeenOf<Int>& seen) {
  return are_rows(placement, seen) && is_among(row, seen);
}

// What has to be added to a request's tokens for the position of its row.
template <typename Int>
BARACUDA_HOST_DEVICE inline Int from_total(const Placement& placement, Int row, const SeenOf<Int>& seen) {
  return difference(row, placement.counts_new != 0 ? seen.end_row : seen.first_row);
}

// LAST_PAGE by seq_lens: whether the request has a newest token, and where it is then.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool has_newest(const Placement& placement, const SeenOf<Int>& seen) {
  return seen.length >= placement.counts_new;
}
template <typename Int>
BARACUDA_HOST_DEVICE inline Int newest_position(const Placement& placement, const SeenOf<Int>& seen) {
  return difference(seen.length, static_cast<Int>(placement.counts_new));
}

// Whether there is a token for the row by what was read of it, and at which position of its request: where that has no
// pages it may be any. For LAST_PAGE by seq_lens the request's newest.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool is_token(const Placement& placement, Placing placing, Int row, const SeenOf<Int>& seen,
                                          Int* position) {
  if (placing == Placing::kPositions) {
    *position = seen.target;
    return seen.request >= 0;
  }
  if (placing == Placing::kNewest) {
    *position = newest_position(placement, seen);
    return has_newest(placement, seen);
  }
  Int total;
  const bool counted = is_total(placement, seen, &total);
  *position = sum(total, from_total(placement, row, seen));
  return all(is_row(placement, row, seen), counted);
}

// What has to be added to a row of a RAGGED request for its position, where the request has a length.
template <typename Int>
BARACUDA_HOST_DEVICE inline Int before_row(const Placement& placement, const SeenOf<Int>& seen) {
  Int total;
  is_total(placement, seen, &total);
  return sum(total, from_total(placement, Int{0}, seen));
}

// Before which position the rows of a RAGGED request have to be: as many as there are, and room for; none where no row
// of it is to be served. As numbers without a sign, by which what is beyond an int32 is beyond any room.
template <typename Int>
BARACUDA_HOST_DEVICE inline Int sound_end_of(const Placement& placement, const SeenOf<Int>& seen) {
  using Unsigned = std::make_unsigned_t<Int>;
  Int total;
  const bool counted = is_total(placement, seen, &total);
  const bool is_in_order = seen.first_row <= seen.end_row;
  const bool is_sound = all(all(counted, is_in_order), all(is_part(placement, seen), are_rows(placement, seen)));
  const Int room = room_of(placement, seen);
  const Int end = sum(total, from_total(placement, seen.end_row, seen));
  const Int nearer = static_cast<Unsigned>(room) < static_cast<Unsigned>(end) ? room : end;
  return is_sound ? nearer : Int{0};
}

// Reads the row's two entries of POSITIONS.
template <bool kNarrow, typename Int, typename Read>
BARACUDA_HOST_DEVICE inline void read_position(const Placement& placement, Int row, SeenOf<Read>* seen) {
  seen->owner = read_as<kNarrow, Read>(placement, kOwners, row);
  seen->target = read_as<kNarrow, Read>(placement, kTargets, row);
}

// And which request that is.
template <typename Int>
BARACUDA_HOST_DEVICE inline void find_owner(const Placement& placement, SeenOf<Int>* seen) {
  seen->request = is_below(seen->owner, placement.num_requests) ? seen->owner : -1;
}

// SLOTS, by the slot of the whole cache that was read: whether it is one, and where that would be.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool is_slot(const Placement& placement, const SeenOf<Int>& seen) {
  return seen.target >= 0 && seen.target != placement.skip_slot;
}
template <typename Int>
BARACUDA_HOST_DEVICE inline void locate_slot(const Placement& placement, SeenOf<Int>* seen) {
  seen->entry = pages_before(placement, seen->target);
  seen->slot = difference(seen->target, product(seen->entry, static_cast<Int>(placement.page_size())));
}
template <typename Int>
BARACUDA_HOST_DEVICE inline bool find_slot(const Placement& placement, SeenOf<Int>* seen) {
  if (!is_slot(placement, *seen)) return false;
  locate_slot(placement, seen);
  return seen->entry < placement.num_pages;
}

// Why a row has no place: padding, or what is corrupt, in the header's order. The last of all is the page's id.

BARACUDA_HOST_DEVICE inline Corruption padding() { return {BARACUDA_CORRUPT_NONE, 0, 0, 0}; }

BARACUDA_HOST_DEVICE inline Corruption page_corruption(const Placement& placement, const Seen& seen) {
  if (seen.page < 0) return padding();
  return {BARACUDA_CORRUPT_PAGE,
          placement.table == BARACUDA_TABLE_DENSE ? BARACUDA_OPERAND_BLOCK_TABLE : BARACUDA_OPERAND_INDICES, seen.page,
          placement.num_pages};
}

BARACUDA_HOST_DEVICE inline Corruption part_corruption(const Placement& placement, const Seen& seen) {
  constexpr int32_t kReason = BARACUDA_CORRUPT_INDPTR;
  constexpr int32_t kOperand = BARACUDA_OPERAND_INDPTR;
  if (seen.begin < 0) return {kReason, kOperand, seen.begin, 0};
  if (seen.end < seen.begin) return {kReason, kOperand, seen.end, seen.begin};
  return {kReason, kOperand, seen.end, int64_t{placement.used_pages} + 1};
}

// Of what says no length.
BARACUDA_HOST_DEVICE inline Corruption length_corruption(const Placement& placement, const Seen& seen) {
  constexpr int32_t kReason = BARACUDA_CORRUPT_LAST_PAGE_LEN;
  if (placement.lengths == BARACUDA_LENGTHS_SEQ_LENS) {
    if (seen.length == 0) return padding();
    return {kReason, BARACUDA_OPERAND_SEQ_LENS, seen.length, 0};
  }
  return {kReason, BARACUDA_OPERAND_LAST_PAGE_LEN, seen.length,
          seen.length < 1 ? int64_t{1} : int64_t{placement.page_size()} + 1};
}

// Of a row that is none of the request's; those behind all are padding.
BARACUDA_HOST_DEVICE inline Corruption rows_corruption(const Placement& placement, int64_t row, const Seen& seen) {
  constexpr int32_t kReason = BARACUDA_CORRUPT_APPEND_INDPTR;
  constexpr int32_t kOperand = BARACUDA_OPERAND_APPEND_INDPTR;
  const int64_t first = seen.first_row;
  const int64_t end = seen.end_row;
  const bool is_first = seen.request == 0;
  if (row >= end && seen.request == placement.num_requests - 1)
    return end < first ? Corruption{kReason, kOperand, end, first} : padding();
  if (first < 0) return {kReason, kOperand, first, 0};
  if (row < first || (is_first && first != 0)) return {kReason, kOperand, first, is_first ? int64_t{1} : row + 1};
  return {kReason, kOperand, end, end > placement.num_rows ? int64_t{placement.num_rows} + 1 : row + 1};
}

// Of a row that is a token of the request whose part was read.
BARACUDA_HOST_DEVICE inline Corruption total_corruption(const Placement& placement, Placing placing, int64_t row,
                                                        const Seen& seen) {
  const bool is_newest = placing == Placing::kNewest;
  if (!is_newest && placement.lengths == BARACUDA_LENGTHS_LAST_PAGE_LEN && seen.begin == seen.end) return padding();
  int64_t total = seen.length;
  if (is_newest ? total < placement.counts_new : !is_total(placement, seen, &total))
    return length_corruption(placement, seen);
  // Held against the total before anything is added to it, which may be any number.
  const int64_t added = is_newest ? -int64_t{placement.counts_new} : from_total(placement, row, seen);
  const int64_t limit = room_of(placement, seen) - added;
  if (total >= limit) return {BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_SEQ_LENS, total, limit};
  if (is_newest || total + added >= 0) return page_corruption(placement, seen);
  return {BARACUDA_CORRUPT_APPEND_INDPTR, BARACUDA_OPERAND_APPEND_INDPTR, seen.end_row, seen.first_row + total + 1};
}

BARACUDA_HOST_DEVICE inline Corruption token_corruption(const Placement& placement, Placing placing, int64_t row,
                                                        const Seen& seen) {
  if (placing == Placing::kPositions && seen.owner < 0) return padding();
  if (placing == Placing::kPositions && seen.request < 0)
    return {BARACUDA_CORRUPT_BATCH_INDEX, BARACUDA_OPERAND_BATCH_INDICES, seen.owner, placement.num_requests};
  if (placing == Placing::kRagged && !is_row(placement, row, seen)) return rows_corruption(placement, row, seen);
  if (!is_part(placement, seen)) return part_corruption(placement, seen);
  if (placing != Placing::kPositions) return total_corruption(placement, placing, row, seen);
  const int64_t room = room_of(placement, seen);
  if (seen.target >= 0 && seen.target < room) return page_corruption(placement, seen);
  return {BARACUDA_CORRUPT_POSITION, BARACUDA_OPERAND_POSITIONS, seen.target, seen.target < 0 ? 0 : room};
}

BARACUDA_HOST_DEVICE inline Corruption slot_corruption(const Placement& placement, const Seen& seen) {
  if (seen.target < 0 || seen.target == placement.skip_slot) return padding();
  return {BARACUDA_CORRUPT_SLOT, BARACUDA_OPERAND_SLOT_MAPPING, seen.target,
          int64_t{placement.num_pages} * placement.page_size()};
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_PLACE_TOKENS_H_
