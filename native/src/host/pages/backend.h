// Copies of pages by this process's CPUs, over host memory.
#ifndef BARACUDA_SRC_HOST_PAGES_BACKEND_H_
#define BARACUDA_SRC_HOST_PAGES_BACKEND_H_

#include <cstdint>

#include "pages/copy.h"
#include "pages/operands.h"

namespace baracuda::host {

// Of a copy that is not guarded: refuses the first page that the lists say wrongly.
int32_t check_page_lists(const PageCopy& copy);

// A copy that is not guarded is made whole or refused.
int32_t launch_pages(const PageCopy& copy);

int32_t preload_pages(const PageCopy& copy, int32_t* arch);

int32_t check_pages_reachable(const CopyOp& op, CopyOperands operands);

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_PAGES_BACKEND_H_
