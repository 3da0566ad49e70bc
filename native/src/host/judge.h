// The host twin's walk over the page table: nothing is written unless every request is right.
#ifndef BARACUDA_SRC_HOST_JUDGE_H_
#define BARACUDA_SRC_HOST_JUDGE_H_

#include <cstdint>

#include "append/backend.h"

namespace baracuda::host {

// Judges each request of a struct that is otherwise checked: its part of `indices`, the id of its last page (the only
// id that is read) and its length. Two requests that name one slot are not looked for: that would take memory. What
// such a slot then holds is undefined, and with threads may be parts of both rows.
int32_t check_page_table(const Append& op) noexcept;

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_JUDGE_H_
