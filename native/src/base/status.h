// Statuses and the thread's message.
#ifndef BARACUDA_SRC_BASE_STATUS_H_
#define BARACUDA_SRC_BASE_STATUS_H_

#include <cstdint>

#include "baracuda_ffi.h"
#include "base/hints.h"

#if defined(__GNUC__)
#define BARACUDA_PRINTF(format_index, first_argument) \
  __attribute__((cold, format(printf, format_index, first_argument)))
#else
#define BARACUDA_PRINTF(format_index, first_argument)
#endif

namespace baracuda {

// Sets the thread's message and returns `status`, so that a refusal is one `return fail(...)`. Does not allocate:
// a message that is too long is cut.
int32_t fail(int32_t status, const char* format, ...) noexcept BARACUDA_PRINTF(2, 3);

// What `fail` said last to this thread; "" before that.
const char* last_message() noexcept;

}  // namespace baracuda

#define BARACUDA_TRY(expression)                                                          \
  do {                                                                                    \
    const int32_t baracuda_try_status = (expression);                                     \
    if (!BARACUDA_LIKELY(baracuda_try_status == BARACUDA_OK)) return baracuda_try_status; \
  } while (0)

#endif  // BARACUDA_SRC_BASE_STATUS_H_
