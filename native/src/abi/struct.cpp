#include "abi/struct.h"

#include <cstddef>
#include <cstring>

#include "base/status.h"

namespace baracuda {
namespace {

// A caller may know the members up to `stream`, or more.
constexpr uint32_t kSmallestStructBytes = offsetof(Op, stream) + sizeof(void*);

// No release's struct will be larger: a size beyond this is not a size, and is not believed.
constexpr uint32_t kLargestStructBytes = 65536;

// The first of the bytes begin .. end - 1 that is not zero, or `end`.
size_t first_used_byte(const Op& op, size_t begin, size_t end) noexcept {
  const auto* const bytes = reinterpret_cast<const unsigned char*>(&op);
  size_t at = begin;
  while (at < end && bytes[at] == 0) ++at;
  return at < end ? at : end;
}

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
  if (const size_t at = first_used_byte(*caller, known, bytes); at < bytes)
    return fail(BARACUDA_INVALID_PROBLEM,
                "struct_size is %u and byte %zu is not zero; this library (ABI %d) knows %zu bytes and cannot do "
                "what the others ask",
                bytes, at, BARACUDA_FFI_ABI_VERSION, sizeof(Op));
  op->struct_size = sizeof(Op);
  return BARACUDA_OK;
}

int32_t write_struct(const Op& op, Op* caller) noexcept {
  const uint32_t bytes = caller->struct_size;
  // An int64 table, say: the flag for it would be lost, and the table misread.
  if (const size_t at = first_used_byte(op, bytes, sizeof(Op)); at < sizeof(Op))
    return fail(BARACUDA_INVALID_PROBLEM,
                "struct_size is %u and what these operands are is said at byte %zu; it should be "
                "sizeof(baracuda_paged_kv_append), %zu here",
                bytes, at, sizeof(Op));
  std::memcpy(caller, &op, bytes < sizeof(Op) ? bytes : sizeof(Op));
  caller->struct_size = bytes;
  return BARACUDA_OK;
}

}  // namespace baracuda
