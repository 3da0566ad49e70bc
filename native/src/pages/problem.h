// The one place that judges the problem of a copy of pages: everything but its pointers and what they point to.
#ifndef BARACUDA_SRC_PAGES_PROBLEM_H_
#define BARACUDA_SRC_PAGES_PROBLEM_H_

#include <cstdint>

#include "pages/copy.h"

namespace baracuda {

// Flags and enumerators: what has to be known before anything else can be told.
int32_t check_copy_choices(const CopyOp& op) noexcept;

// Extents and elements, of one whose choices are checked.
int32_t check_copy_extents(const CopyOp& op) noexcept;

// Both. No pointer is looked at.
int32_t check_copy_problem(const CopyOp& op) noexcept;

}  // namespace baracuda

#endif  // BARACUDA_SRC_PAGES_PROBLEM_H_
