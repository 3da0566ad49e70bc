// What a backend is to a copy of pages.
#ifndef BARACUDA_SRC_PAGES_BACKEND_H_
#define BARACUDA_SRC_PAGES_BACKEND_H_

#include <cstdint>

#include "pages/copy.h"
#include "pages/operands.h"

namespace baracuda {

struct PageBackend {
  const char* name;

  // Whether it copies only with BARACUDA_FLAG_GUARDED.
  bool is_always_guarded;

  // Whether the operands are host memory, the stream is NULL, and the call is finished when it returns.
  bool is_host;

  // The last check: of the lists, if the backend may read them without a launch. Of a copy with something to do.
  int32_t (*check_lists)(const PageCopy& copy);

  // Enqueue (or do) a checked copy with something to do; the host's lists are judged here, where they are used.
  int32_t (*launch)(const PageCopy& copy);

  // See baracuda_paged_kv_append_preload.
  int32_t (*preload)(const PageCopy& copy, int32_t* arch);

  // Whether the backend can reach each operand from op.stream; nullptr where there is none.
  int32_t (*check_reachable)(const CopyOp& op, CopyOperands operands);
};

// nullptr for a value that this library does not know, and for FlashInfer's, which has no kernel for it.
const PageBackend* find_page_backend(int32_t backend) noexcept;

}  // namespace baracuda

#endif  // BARACUDA_SRC_PAGES_BACKEND_H_
