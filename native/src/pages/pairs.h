// Which page each copy of a call reads, and which it writes: one definition for the CPU and for the GPU.
#ifndef BARACUDA_SRC_PAGES_PAIRS_H_
#define BARACUDA_SRC_PAGES_PAIRS_H_

#include <cstdint>

#include "place/placement.h"

namespace baracuda {

// Page ids, or the rows of a buffer, which need no list.
struct PageList {
  const void* ids;  // nullptr: entry i is i
  bool is_wide;     // int64, else int32
};

// The pairs of a call. Plain data, and a kernel's argument too.
struct Pairs {
  PageList source;
  PageList destination;
  int32_t num_pages;  // in the caches: what ids are below
  bool in_place;      // both are pages of the same caches
};

struct Pair {
  int64_t from;
  int64_t to;
};

// Read once, whoever writes to the list meanwhile: what is judged is what is used. The GPU's reads are its kernels'.
inline int64_t read_entry(const PageList& list, int64_t i) {
  if (list.ids == nullptr) return i;
  return list.is_wide ? read_once(static_cast<const int64_t*>(list.ids) + i)
                      : read_once(static_cast<const int32_t*>(list.ids) + i);
}

inline Pair read_pair(const Pairs& pairs, int64_t i) {
  return {read_entry(pairs.source, i), read_entry(pairs.destination, i)};
}

// Both are looked at, and no branch is made of it, which would keep a GPU from loading meanwhile.
BARACUDA_HOST_DEVICE constexpr bool both(bool one, bool other) {
  return (static_cast<unsigned>(one) & static_cast<unsigned>(other)) != 0;
}
BARACUDA_HOST_DEVICE constexpr bool either(bool one, bool other) {
  return (static_cast<unsigned>(one) | static_cast<unsigned>(other)) != 0;
}

// Whether an entry is a page, or a row: rows are there by the checks.
BARACUDA_HOST_DEVICE inline bool is_there(const Pairs& pairs, const PageList& list, int64_t id) {
  return either(list.ids == nullptr, is_below(id, pairs.num_pages));
}

// Whether there is a copy to make.
BARACUDA_HOST_DEVICE inline bool is_served(const Pairs& pairs, const Pair& pair) {
  const bool stays = both(pairs.in_place, pair.from == pair.to);
  return both(both(is_there(pairs, pairs.source, pair.from), is_there(pairs, pairs.destination, pair.to)), !stays);
}

// Why there is none; reason BARACUDA_CORRUPT_NONE for padding, and for a page that would be copied to itself.
BARACUDA_HOST_DEVICE inline Corruption corruption_of(const Pairs& pairs, const Pair& pair) {
  const int64_t limit = pairs.num_pages;
  if (pair.from >= 0 && pair.to >= 0) {
    if (!is_there(pairs, pairs.source, pair.from))
      return {BARACUDA_CORRUPT_SOURCE, BARACUDA_COPY_OPERAND_SOURCE, pair.from, limit};
    if (!is_there(pairs, pairs.destination, pair.to))
      return {BARACUDA_CORRUPT_DESTINATION, BARACUDA_COPY_OPERAND_DESTINATION, pair.to, limit};
  }
  return {BARACUDA_CORRUPT_NONE, 0, 0, 0};
}

// The id that is wrong.
BARACUDA_HOST_DEVICE inline int64_t page_of(const Corruption& corruption) { return corruption.seen; }

}  // namespace baracuda

#endif  // BARACUDA_SRC_PAGES_PAIRS_H_
