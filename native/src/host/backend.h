// The host backend: an append by this process's CPUs, over host memory.
#ifndef BARACUDA_SRC_HOST_BACKEND_H_
#define BARACUDA_SRC_HOST_BACKEND_H_

#include <cstdint>

#include "append/append.h"
#include "append/operands.h"

namespace baracuda::host {

// Of an append that is not guarded: refuses the first row whose place the page table says wrongly.
int32_t check_page_table(const Append& append);

// An append that is not guarded is served whole or refused.
int32_t launch(const Append& append);

int32_t preload(const Append& append, int32_t* arch);

int32_t check_reachable(const Op& op, Operands operands);

}  // namespace baracuda::host

#endif  // BARACUDA_SRC_HOST_BACKEND_H_
