// The host backend's judgement of an append that is not guarded: it is served whole or refused.
#ifndef BARACUDA_SRC_HOST_JUDGE_H_
#define BARACUDA_SRC_HOST_JUDGE_H_

#include <cstdint>

#include "append/append.h"
#include "host/places.h"

namespace baracuda::host {

// Finds the place of each row, reading each entry of the table once for it: what is judged here is what the copy uses,
// whoever writes to the table meanwhile. Refuses the first row that is corrupt. `places` has rows_of(append) elements,
// or is nullptr where nobody will copy. Two rows that name one slot are not looked for: that would take memory. What
// such a slot then holds is undefined, and with threads may be parts of both rows.
int32_t judge(const Append& append, Place* places) noexcept;

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_JUDGE_H_
