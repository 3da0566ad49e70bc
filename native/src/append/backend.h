// What a backend is: the functions behind the general append, and the one table of them. Everything above it (the ABI,
// the checks, the operands) is the same for all.
#ifndef BARACUDA_SRC_APPEND_BACKEND_H_
#define BARACUDA_SRC_APPEND_BACKEND_H_

#include <cstdint>

#include "append/append.h"
#include "append/operands.h"

namespace baracuda {

// Whether a backend judges each row where it runs (BARACUDA_FLAG_GUARDED).
enum class Guarding { kNever, kOptional, kAlways };

struct Backend {
  const char* name;

  Guarding guarding;

  // Whether the operands are host memory, the stream is NULL, and the call is finished when it returns.
  bool is_host;

  // Whether num_total_pages and total_used_pages may be 0 for "not stated".
  bool may_not_state_pages;

  // The backend's own limits. Of a problem that is otherwise checked; pointers may be anything.
  int32_t (*check_limits)(const Op& op);

  // The same for operands: alignment. Of an append that is otherwise checked.
  int32_t (*check_operands)(const Append& append);

  // The last check: of the page table, if the backend may read it without a launch.
  int32_t (*check_page_table)(const Append& append);

  // Enqueue (or do) a checked append; the host's page table is judged here, where it is used.
  int32_t (*launch)(const Append& append);

  // See baracuda_paged_kv_append_preload.
  int32_t (*preload)(const Append& append, int32_t* arch);

  // Whether the backend can reach each operand from op.stream; nullptr where the operand is kept as it was.
  int32_t (*check_reachable)(const Op& op, Operands operands);
};

// nullptr for a value that this library does not know.
const Backend* find_backend(int32_t backend) noexcept;

// What the CUDA driver says of an address: kUnknown where it does not know it, or where there is no driver.
enum class MemoryKind { kUnknown, kDevice, kManaged, kPinned };

// From whichever CUDA part is built in: "key=value;..." for baracuda_ffi_build_info, and cuGetErrorName.
extern const char* const kCudaBuildInfo;
const char* cuda_error_name(int32_t cuda_error) noexcept;
MemoryKind cuda_memory_kind(const void* address) noexcept;

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_BACKEND_H_
