// What says which place every row of an append goes to, and what is seen of a row on the way there. Plain data, for the
// CPU and for the GPU.
#ifndef BARACUDA_SRC_PLACE_PLACEMENT_H_
#define BARACUDA_SRC_PLACE_PLACEMENT_H_

#include <cstdint>
#include <type_traits>

#include "baracuda_ffi.h"
#include "base/host_device.h"
#include "place/divisor.h"

namespace baracuda {

// The operands that say places, by what they say. Bits of Placement::wide.
enum PlaceOperand : uint32_t {
  kIndptr = 0,          // indptr
  kLengths = 1,         // last_page_len, or seq_lens
  kTargets = kLengths,  // positions, or slot_mapping: no append has both
  kOwners = 2,          // append_indptr, or batch_indices
  kPages = 3,           // indices, or block_table
  kNumPlaceOperands = 4
};

// The ways to a place. An append has one for all of its rows, and a kernel may be made for one: choosing for each row
// costs a GPU a tenth of a small append.
enum class Placing : int16_t {
  kLastPage,   // LAST_PAGE by last_page_len
  kNewest,     // LAST_PAGE by seq_lens
  kRagged,     // RAGGED
  kPositions,  // POSITIONS
  kSlots       // SLOTS
};

// Which place, for all rows of an append. A kernel's argument too: a thread waits for every 64 bytes of it that it is
// the first to look at. So the first 64 of these are what a way needs until it asks for a page's id.
struct Placement {
  int32_t num_requests;
  uint32_t requests_a_row;  // RAGGED, POSITIONS: of evenly many rows each, in 2^-32; at most 2^32 - 1 of these
  int32_t table;            // baracuda_table
  int32_t used_pages;       // entries of indices; of a row of block_table
  const void* operands[kNumPlaceOperands];  // nullptr where the addressing has none
  union {                                   // no append has both
    int64_t table_stride;                   // of block_table, in entries; else 0
    int64_t skip_slot;                      // SLOTS: a slot that is padding; -1 where none is set
  };
  Divisor<uint32_t> per_page;  // by page_size; its divisor alone for decodes, which divide nothing
  int32_t num_rows;            // rows that the operands say; for RAGGED as many as key has
  int32_t lengths;             // baracuda_lengths
  int32_t counts_new;          // lengths count the new tokens too (AFTER_APPEND): 1, else 0
  int32_t num_pages;           // in the caches
  uint16_t wide;               // bit i: operands[i] is int64, else int32
  Placing placing;

  BARACUDA_HOST_DEVICE int32_t page_size() const { return static_cast<int32_t>(per_page.divisor); }
};

// What is wrong with a row; reason BARACUDA_CORRUPT_NONE for padding.
struct Corruption {
  int32_t reason;
  int32_t operand;
  int64_t seen;
  int64_t limit;
};

// What was read of a row on the way to its place. Read once: what is judged is what is used. `Int` holds any entry of
// the operands and any number of one of the table's: int32_t suffices where is_narrow(), and is half of a GPU thread's
// registers.
template <typename Int>
struct SeenOf {
  Int request;    // -1 for SLOTS, and where batch_indices names none
  Int first_row;  // RAGGED: rows first_row .. end_row - 1 are the request's
  Int end_row;
  Int begin;  // the request's part of the table: entries begin .. end - 1
  Int end;
  Int length;  // last_page_len, or seq_lens
  Int owner;   // POSITIONS: what batch_indices says
  Int target;  // a position, or a slot of the whole cache
  Int entry;   // of the table, that names the page; SLOTS: the page
  Int page;    // the place; -1 where none was read
  Int slot;
};

using Seen = SeenOf<int64_t>;

// Of a row of which nothing was read yet. One by one: to clear all at once compilers take an instruction that is slow
// to start, for each row.
inline Seen nothing_seen() {
  Seen seen;
  seen.request = 0;
  seen.first_row = 0;
  seen.end_row = 0;
  seen.begin = 0;
  seen.end = 0;
  seen.length = 0;
  seen.owner = 0;
  seen.target = 0;
  seen.entry = 0;
  seen.page = 0;
  seen.slot = 0;
  return seen;
}

template <typename Int>
BARACUDA_HOST_DEVICE inline Seen widened(const SeenOf<Int>& seen) {
  return {seen.request, seen.first_row, seen.end_row, seen.begin, seen.end, seen.length,
          seen.owner,   seen.target,    seen.entry,   seen.page,  seen.slot};
}

// Of what was worked out before: no branch is made of it, which would keep a GPU from loading meanwhile, and no number.
BARACUDA_HOST_DEVICE constexpr bool all(bool one, bool other) { return one && other; }
BARACUDA_HOST_DEVICE constexpr bool any(bool one, bool other) { return one || other; }

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

// The same, and before what follows, whatever is done with it.
template <typename Index>
BARACUDA_HOST_DEVICE inline Index read_now(const Index* entry) {
#if defined(__CUDA_ARCH__)
  Index value;
  if constexpr (sizeof(Index) == sizeof(int64_t))
    asm volatile("ld.global.s64 %0, [%1];" : "=l"(value) : "l"(entry));
  else
    asm volatile("ld.global.s32 %0, [%1];" : "=r"(value) : "l"(entry));
  return value;
#else
  return read_once(entry);
#endif
}

// The same of an int32 where there is one, else `otherwise`.
BARACUDA_HOST_DEVICE inline int32_t read_now_if(bool condition, const int32_t* entry, int32_t otherwise) {
#if defined(__CUDA_ARCH__)
  asm volatile("{\n\t.reg .pred p;\n\tsetp.ne.u32 p, %2, 0;\n\t@p ld.global.s32 %0, [%1];\n\t}"
               : "+r"(otherwise)
               : "l"(entry), "r"(static_cast<uint32_t>(condition)));
  return otherwise;
#else
  return condition ? read_once(entry) : otherwise;
#endif
}

// Whether an operand is int64.
BARACUDA_HOST_DEVICE inline bool is_wide(const Placement& placement, PlaceOperand operand) {
  return (placement.wide >> operand & 1u) != 0;
}

// `kNarrow` says at compile time that every operand is int32. What is read is of the type that says which entry.
template <bool kNarrow, typename Int>
BARACUDA_HOST_DEVICE inline Int read_index(const Placement& placement, PlaceOperand operand, Int entry) {
  static_assert(kNarrow || sizeof(Int) == sizeof(int64_t), "an int64 entry would be cut off");
  const void* const data = placement.operands[operand];
  if (!kNarrow && is_wide(placement, operand))
    return static_cast<Int>(read_once(static_cast<const int64_t*>(data) + entry));
  return read_once(static_cast<const int32_t*>(data) + entry);
}

// Whether an int32 holds every number of an entry of a page table, every slot and row, and every token that a request's
// pages have room for: what an operand says beyond that is refused.
inline bool suffices_int32(const Placement& placement) {
  if (placement.num_rows == INT32_MAX) return false;
  if (placement.placing == Placing::kLastPage) return true;
  if (placement.placing == Placing::kSlots) return int64_t{placement.num_pages} * placement.page_size() <= INT32_MAX;
  if (int64_t{placement.used_pages} * placement.page_size() > INT32_MAX) return false;
  if (placement.table == BARACUDA_TABLE_CSR) return true;
  return (int64_t{placement.num_requests} - 1) * placement.table_stride + placement.used_pages <= INT32_MAX;
}

// Whether every entry of the operands that say places is one too.
inline bool is_narrow(const Placement& placement) {
  return placement.wide == 0 && (placement.placing == Placing::kSlots || suffices_int32(placement));
}

// Whether a number is among 0 .. limit - 1.
template <typename Int>
BARACUDA_HOST_DEVICE inline bool is_below(Int number, int32_t limit) {
  using Unsigned = std::make_unsigned_t<Int>;
  return static_cast<Unsigned>(number) < static_cast<Unsigned>(limit);
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_PLACE_PLACEMENT_H_
