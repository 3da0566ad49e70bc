// What operands of either type say, worked out in int32: half of a GPU thread's registers and instructions, for int64
// tables too, where these say nothing larger.
#ifndef BARACUDA_SRC_PLACE_ENTRY_H_
#define BARACUDA_SRC_PLACE_ENTRY_H_

#include <cstdint>
#include <type_traits>

#include "place/placement.h"

namespace baracuda {

// What was read of an operand of either type, of which numbers of int32 are to be made: the one there is, or the lower
// half of an int64, and its upper half, which is nothing where the operand is int32. To make a number of it is to wait
// for it, and a GPU's thread reads all that it can before it waits.
struct Entry {
  int32_t low;
  int32_t high;

  Entry() = default;
  BARACUDA_HOST_DEVICE explicit Entry(int32_t number) : low(number), high(0) {}
};

// What an entry is read as where numbers are worked out in `Int`.
template <bool kNarrow, typename Int>
using ReadAs = std::conditional_t<!kNarrow && sizeof(Int) == sizeof(int32_t), Entry, Int>;

// The number that was read. Of what no int32 holds it is some negative one, and refused as that would be.
template <typename Int>
BARACUDA_HOST_DEVICE inline Int number_of(const Placement&, PlaceOperand, Int entry) {
  return entry;
}
BARACUDA_HOST_DEVICE inline int32_t number_of(const Placement& placement, PlaceOperand operand, const Entry& entry) {
  return any(entry.high == 0, !is_wide(placement, operand)) ? entry.low : -1;
}

// The same of append_indptr, which is searched: of what no int32 holds it is the least there is, or the largest.
template <typename Int>
BARACUDA_HOST_DEVICE inline Int bound_of(const Placement&, Int entry) {
  return entry;
}
BARACUDA_HOST_DEVICE inline int32_t bound_of(const Placement& placement, const Entry& entry) {
  const bool fits = any(entry.high == entry.low >> 31, !is_wide(placement, kOwners));
  return fits ? entry.low : entry.high >> 31 ^ INT32_MAX;
}

// Of all that is read of a row, by the way to its place.
template <typename Int>
BARACUDA_HOST_DEVICE inline SeenOf<Int> numbers_of(const Placement&, Placing, const SeenOf<Int>& read) {
  return read;
}
BARACUDA_HOST_DEVICE inline SeenOf<int32_t> numbers_of(const Placement& placement, Placing placing,
                                                       const SeenOf<Entry>& read) {
  SeenOf<int32_t> seen;
  seen.request = read.request.low;
  if (placing == Placing::kPositions || placing == Placing::kSlots) {
    seen.target = number_of(placement, kTargets, read.target);
    if (placing == Placing::kPositions) seen.owner = number_of(placement, kOwners, read.owner);
    return seen;
  }
  seen.begin = number_of(placement, kIndptr, read.begin);
  seen.end = number_of(placement, kIndptr, read.end);
  seen.length = number_of(placement, kLengths, read.length);
  if (placing != Placing::kRagged) return seen;
  seen.first_row = bound_of(placement, read.first_row);
  seen.end_row = bound_of(placement, read.end_row);
  return seen;
}

// Of an operand.
BARACUDA_HOST_DEVICE inline uint32_t entry_bytes(const Placement& placement, PlaceOperand operand) {
  return is_wide(placement, operand) ? sizeof(int64_t) : sizeof(int32_t);
}

// Reads one where a condition holds; else it stays as it is. By a load of each half: without a branch, there is no
// other way that ptxas knows to be of one or the other.
BARACUDA_HOST_DEVICE inline void read_entry_if(bool condition, const void* data, uint32_t bytes, int32_t nth,
                                               Entry* read) {
#if defined(__CUDA_ARCH__)
  asm volatile(
      "{\n\t.reg .pred p, q;\n\t.reg .b64 at;\n\tsetp.ne.u32 p, %5, 0;\n\tsetp.eq.and.u32 q, %3, 8, p;\n\t"
      "mad.wide.s32 at, %2, %3, %4;\n\t@p ld.global.s32 %0, [at];\n\t@q ld.global.s32 %1, [at+4];\n\t}"
      : "+r"(read->low), "+r"(read->high)
      : "r"(nth), "r"(bytes), "l"(data), "r"(static_cast<uint32_t>(condition)));
#else
  const auto* const at = reinterpret_cast<const int32_t*>(static_cast<const char*>(data) + int64_t{nth} * bytes);
  if (condition) read->low = read_once(at);
  if (condition && bytes == sizeof(int64_t)) read->high = read_once(at + 1);
#endif
}

// By one load.
BARACUDA_HOST_DEVICE inline Entry read_entry(const Placement& placement, PlaceOperand operand, int32_t nth) {
  const void* const data = placement.operands[operand];
  const uint32_t bytes = entry_bytes(placement, operand);
  Entry read;
#if defined(__CUDA_ARCH__)
  asm volatile(
      "{\n\t.reg .pred p;\n\t.reg .b64 at;\n\tsetp.eq.u32 p, %3, 8;\n\tmad.wide.s32 at, %2, %3, %4;\n\t"
      "@p ld.global.v2.s32 {%0, %1}, [at];\n\t@!p ld.global.s32 %0, [at];\n\t}"
      : "=r"(read.low), "=r"(read.high)
      : "r"(nth), "r"(bytes), "l"(data));
#else
  read = Entry(0);
  read_entry_if(true, data, bytes, nth, &read);
#endif
  return read;
}

// As read_index() reads, or as an Entry.
template <bool kNarrow, typename Read, typename Int>
BARACUDA_HOST_DEVICE inline Read read_as(const Placement& placement, PlaceOperand operand, Int entry) {
  if constexpr (std::is_same_v<Read, Entry>) {
    return read_entry(placement, operand, entry);
  } else {
    return read_index<kNarrow>(placement, operand, entry);
  }
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_PLACE_ENTRY_H_
