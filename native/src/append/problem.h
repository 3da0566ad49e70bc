// The one place that judges an append. The header's list of refusals is in the order of these functions.
#ifndef BARACUDA_SRC_APPEND_PROBLEM_H_
#define BARACUDA_SRC_APPEND_PROBLEM_H_

#include <cstdint>

#include "append/backend.h"

namespace baracuda {

// Copies the caller's struct, of whatever size, into one of ours.
int32_t read_struct(const Append* caller, Append* op) noexcept;

// Copies one of ours back into the caller's, which read_struct has accepted.
void write_struct(const Append& op, Append* caller) noexcept;

// Flags, enumerators, extents, and the limits of the backend. Does not look at a pointer.
int32_t check_problem(const Append& op) noexcept;

// NULL, alignment, overlap, and the stream of a host append. The problem is checked already.
int32_t check_operands(const Append& op) noexcept;

// a * b, or the largest uint64_t where that does not fit.
constexpr uint64_t saturating_product(uint64_t a, uint64_t b) noexcept {
#if defined(__GNUC__)
  uint64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
#else
  return a != 0 && b > UINT64_MAX / a ? UINT64_MAX : a * b;
#endif
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_PROBLEM_H_
