// The host backend's judgement of the page lists of a copy that is not guarded: it is made whole or refused.
#ifndef BARACUDA_SRC_HOST_PAGES_LISTS_H_
#define BARACUDA_SRC_HOST_PAGES_LISTS_H_

#include <cstdint>

#include "pages/copy.h"

namespace baracuda::host {

// From which page, or row, to which; from -1 where there is nothing to copy.
struct PagePair {
  int32_t from;
  int32_t to;
};

// Reads each entry once: what is judged here is what the copy uses, whoever writes to the lists meanwhile. Refuses the
// first copy that is corrupt, and then a page that is written and named twice. `pairs` and `written` have
// copy.num_copies elements; `written` is only worked with.
int32_t judge_lists(const PageCopy& copy, PagePair* pairs, int32_t* written) noexcept;

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_PAGES_LISTS_H_
