// What a backend is: the functions behind the general struct. There is one table per backend; everything above it
// (the ABI, the checks, the operands) is the same for all.
#ifndef BARACUDA_SRC_APPEND_BACKEND_H_
#define BARACUDA_SRC_APPEND_BACKEND_H_

#include <cstdint>

#include "baracuda_ffi.h"

namespace baracuda {

using Append = baracuda_paged_kv_append;
using Tensor = baracuda_tensor;

// Indexed by baracuda_operand; nullptr where what an append has stays.
using Operands = const Tensor* const[BARACUDA_NUM_OPERANDS];

// Whether a backend judges each request where it runs (BARACUDA_FLAG_GUARDED).
enum class Guarding { kNever, kOptional, kAlways };

struct Backend {
  const char* name;

  Guarding guarding;

  // Whether the backend computes with 32-bit offsets and one thread block a request (FlashInfer's kernel does).
  bool has_flashinfer_limits;

  // Whether the operands are host memory, the stream is NULL, and the call is finished when it returns.
  bool is_host;

  // The last check of an unguarded append: reads the page table if the backend may. The struct is otherwise checked.
  int32_t (*check_page_table)(const Append& op);

  // Enqueue (or do) a checked append.
  int32_t (*launch)(const Append& op);

  // See baracuda_paged_kv_append_preload.
  int32_t (*preload)(const Append& op, int32_t* arch);

  // Whether the backend can reach each operand from op.stream; nullptr where the operand is kept as it was.
  int32_t (*check_reachable)(const Append& op, Operands operands);
};

extern const Backend kHostBackend;

// FlashInfer's kernel and ours, or, in a build without CUDA, backends that check as usual and refuse to launch.
extern const Backend kFlashInferBackend;
extern const Backend kBespokeBackend;

// From whichever CUDA part is built in: "key=value;..." for baracuda_ffi_build_info, and cudaGetErrorName.
extern const char* const kCudaBuildInfo;
const char* cuda_error_name(int32_t cuda_error) noexcept;

// What the CUDA driver says of an address: kUnknown where it does not know it, or where there is no driver.
enum class MemoryKind { kUnknown, kDevice, kManaged, kPinned };
MemoryKind cuda_memory_kind(const void* address) noexcept;

inline bool is_guarded(const Append& op) noexcept { return (op.flags & BARACUDA_FLAG_GUARDED) != 0; }

// nullptr for a value that this library does not know.
inline const Backend* find_backend(int32_t backend) noexcept {
  switch (backend) {
    case BARACUDA_BACKEND_FLASHINFER:
      return &kFlashInferBackend;
    case BARACUDA_BACKEND_HOST:
      return &kHostBackend;
    case BARACUDA_BACKEND_BESPOKE:
      return &kBespokeBackend;
    default:
      return nullptr;
  }
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_BACKEND_H_
