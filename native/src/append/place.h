// Which place: what a row is held against, and the page and slot that it goes to. One definition for the CPU and for the
// GPU. The header's WHICH PLACE and THE GUARD say what these functions do.
#ifndef BARACUDA_SRC_APPEND_PLACE_H_
#define BARACUDA_SRC_APPEND_PLACE_H_

#include <cstdint>

#include "baracuda_ffi.h"

#if defined(__CUDACC__)
#define BARACUDA_HOST_DEVICE __host__ __device__
#else
#define BARACUDA_HOST_DEVICE
#endif

namespace baracuda {

// The operands that say places, by what they say. Bits of Placement::wide.
enum PlaceOperand : uint32_t {
  kPages = 0,    // indices, or block_table
  kIndptr = 1,   // indptr
  kLengths = 2,  // last_page_len, or seq_lens
  kOwners = 3,   // append_indptr, or batch_indices
  kTargets = 4,  // positions, or slot_mapping
  kNumPlaceOperands = 5
};

// Which place, for all rows of an append. Plain data: a kernel's argument too.
struct Placement {
  const void* operands[kNumPlaceOperands];  // nullptr where the addressing has none
  uint32_t wide;                            // bit i: operands[i] is int64, else int32
  int32_t addressing;                       // baracuda_addressing
  int32_t table;                            // baracuda_table
  int32_t lengths;                          // baracuda_lengths
  int32_t counts_new;                       // lengths count the new tokens too (AFTER_APPEND): 1, else 0
  int32_t num_requests;
  int32_t num_rows;    // rows that the operands say; for RAGGED as many as key has
  int32_t used_pages;  // entries of indices; of a row of block_table
  int32_t num_pages;   // in the caches
  int32_t page_size;
  int64_t table_stride;  // of block_table, in entries
  int64_t skip_slot;     // a slot that is padding; -1 where none is set
};

// What was read of a row on the way to its place. Read once: what is judged is what is used.
struct Seen {
  int64_t request;  // -1 for SLOTS
  int64_t begin;    // the request's part of the table: entries begin .. end - 1
  int64_t end;
  int64_t length;    // last_page_len, or seq_lens
  int64_t position;  // of the row among the request's tokens
  int64_t target;    // positions, or slot_mapping
  int64_t page;      // the place; -1 where none was read
  int64_t slot;
};

// What is wrong with a row; reason BARACUDA_CORRUPT_NONE for padding.
struct Corruption {
  int32_t reason;
  int32_t operand;
  int64_t seen;
  int64_t limit;
};

// One read, whoever writes to the table meanwhile: what is judged must be what is used.
template <typename Index>
BARACUDA_HOST_DEVICE inline Index read_once(const Index* entry) {
#if defined(__CUDA_ARCH__)
  return *entry;
#elif defined(__GNUC__)
  return __atomic_load_n(entry, __ATOMIC_RELAXED);
#else
  return *static_cast<const volatile Index*>(entry);
#endif
}

// `kNarrow` says at compile time that every operand is int32.
template <bool kNarrow>
BARACUDA_HOST_DEVICE inline int64_t read_index(const Placement& placement, PlaceOperand operand, int64_t entry) {
  const void* const data = placement.operands[operand];
  if (!kNarrow && (placement.wide >> operand & 1u) != 0) return read_once(static_cast<const int64_t*>(data) + entry);
  return read_once(static_cast<const int32_t*>(data) + entry);
}

BARACUDA_HOST_DEVICE inline bool has_part(const Placement& placement, int64_t begin, int64_t end) {
  return begin >= 0 && end > begin && end <= placement.used_pages;
}

// A decode's row by its page table and the length of its last page: the way of every decode step.
template <bool kNarrow>
BARACUDA_HOST_DEVICE inline bool find_last_place(const Placement& placement, int64_t request, Seen* seen) {
  seen->request = request;
  seen->begin = read_index<kNarrow>(placement, kIndptr, request);
  seen->end = read_index<kNarrow>(placement, kIndptr, request + 1);
  seen->length = read_index<kNarrow>(placement, kLengths, request);
  const bool listed = has_part(placement, seen->begin, seen->end);
  // Without a branch, so that a GPU's other loads are not held up: where there is no page, a harmless entry is read.
  int64_t page;
  if (kNarrow) {
    const auto* const pages = static_cast<const int32_t*>(placement.operands[kPages]);
    const auto* const harmless = static_cast<const int32_t*>(placement.operands[kLengths]);
    page = read_once(listed ? pages + (seen->end - 1) : harmless + request);
  } else {
    page = listed ? read_index<false>(placement, kPages, seen->end - 1) : -1;
  }
  seen->page = listed ? page : -1;
  seen->slot = static_cast<int64_t>(static_cast<uint64_t>(seen->length) - static_cast<uint64_t>(placement.counts_new));
  return static_cast<uint64_t>(seen->page) < static_cast<uint64_t>(placement.num_pages) &&
         static_cast<uint64_t>(seen->slot) < static_cast<uint64_t>(placement.page_size);
}

// Whether the row is to be served, and if so in which page and slot of `seen`.
template <bool kNarrow>
BARACUDA_HOST_DEVICE inline bool find_place(const Placement& placement, int64_t row, Seen* seen) {
  return find_last_place<kNarrow>(placement, row, seen);
}

// Why find_place refused what it saw. The order is the header's.
BARACUDA_HOST_DEVICE inline Corruption corruption_of(const Placement& placement, const Seen& seen) {
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
          seen.length < least ? least : placement.page_size + least};
}

// What is written once the record's reason is claimed: everything else.
BARACUDA_HOST_DEVICE inline void describe(baracuda_error_record* record, int64_t row, const Seen& seen,
                                          const Corruption& corruption) {
  record->operand = corruption.operand;
  record->row = row;
  record->request = seen.request;
  record->seen = corruption.seen;
  record->limit = corruption.limit;
  record->page = seen.page;
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_PLACE_H_
