#include "abi/struct.h"

#include <cstddef>
#include <cstring>

#include "append/status.h"

namespace baracuda {
namespace {

// A caller may know the members up to `stream`, or more.
constexpr uint32_t kSmallestStructBytes = offsetof(Op, stream) + sizeof(void*);

// No release's struct will be larger: a size beyond this is not a size, and is not believed.
constexpr uint32_t kLargestStructBytes = 65536;

}  // namespace

int32_t read_struct(const Op* caller, Op* op) noexcept {
  if (caller == nullptr) return fail(BARACUDA_INVALID_PROBLEM, "op is NULL; it should be a baracuda_paged_kv_append");
  const uint32_t bytes = caller->struct_size;
  if (bytes == sizeof(Op)) {
    // In halves, which compilers copy with vectors: for the whole they take an instruction that is slow to start.
    constexpr size_t kHalf = sizeof(Op) / 32 * 16;
    std::memcpy(op, caller, kHalf);
    std::memcpy(reinterpret_cast<unsigned char*>(op) + kHalf, reinterpret_cast<const unsigned char*>(caller) + kHalf,
                sizeof(Op) - kHalf);
    return BARACUDA_OK;
  }
  if (bytes < kSmallestStructBytes || bytes > kLargestStructBytes || bytes % sizeof(void*) != 0)
    return fail(BARACUDA_INVALID_PROBLEM, "struct_size is %u; it should be sizeof(baracuda_paged_kv_append), %zu here",
                bytes, sizeof(Op));
  const size_t known = bytes < sizeof(Op) ? bytes : sizeof(Op);
  std::memset(op, 0, sizeof(Op));
  std::memcpy(op, caller, known);
  const auto* tail = reinterpret_cast<const unsigned char*>(caller);
  for (size_t i = known; i < bytes; ++i)
    if (tail[i] != 0)
      return fail(BARACUDA_INVALID_PROBLEM,
                  "struct_size is %u and byte %zu is not zero; this library (ABI %d) knows %zu bytes and cannot do "
                  "what the others ask",
                  bytes, i, BARACUDA_FFI_ABI_VERSION, sizeof(Op));
  op->struct_size = sizeof(Op);
  return BARACUDA_OK;
}

void write_struct(const Op& op, Op* caller) noexcept {
  const uint32_t bytes = caller->struct_size;
  std::memcpy(caller, &op, bytes < sizeof(Op) ? bytes : sizeof(Op));
  caller->struct_size = bytes;
}

}  // namespace baracuda
