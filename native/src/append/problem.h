// The one place that judges a problem: everything of an append but its pointers and what they point to. The header's
// list of refusals is in the order of these functions.
#ifndef BARACUDA_SRC_APPEND_PROBLEM_H_
#define BARACUDA_SRC_APPEND_PROBLEM_H_

#include <cstdint>

#include "append/append.h"

namespace baracuda {

inline bool has_flag(const Op& op, uint32_t flag) noexcept { return (op.flags & flag) != 0; }
inline bool is_guarded(const Op& op) noexcept { return has_flag(op, BARACUDA_FLAG_GUARDED); }

// Whether rows go to the ends of last pages, by indices, indptr and last_page_len.
inline bool is_decode(const Op& op) noexcept { return (op.addressing | op.table | op.lengths) == 0; }

// Flags and enumerators: what has to be known before anything else of an append can be told.
int32_t check_choices(const Op& op) noexcept;

// Extents, elements, and the limits of the backend, of an append whose choices are checked.
int32_t check_extents(const Op& op) noexcept;

// Both. No pointer is looked at.
int32_t check_problem(const Op& op) noexcept;

// Elements of a row of value.
inline int32_t value_head_dim(const Op& op) noexcept {
  return op.value_head_dim != 0 ? op.value_head_dim : op.head_dim;
}

// How many rows there are at most: the addressing's answer.
inline int64_t num_rows(const Op& op) noexcept {
  if (op.addressing == BARACUDA_ADDRESSING_LAST_PAGE) return op.batch_size;
  // Without requests every row is behind them all.
  return op.addressing == BARACUDA_ADDRESSING_RAGGED && op.batch_size == 0 ? 0 : op.num_rows;
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_PROBLEM_H_
