#include "abi/struct.h"

#include <cstddef>
#include <cstring>

#include "base/status.h"

namespace baracuda {
namespace {

// One of the header's structs that begin with their size.
struct Kind {
  const char* name;
  size_t bytes;     // as this library knows it
  size_t smallest;  // as the first caller knew it
};

// A caller may know the members up to `stream`, or more.
constexpr Kind kAppend = {"baracuda_paged_kv_append", sizeof(Op), offsetof(Op, stream) + sizeof(void*)};
constexpr Kind kCopy = {"baracuda_paged_kv_copy", sizeof(CopyOp), sizeof(CopyOp)};

// No release's struct will be larger: a size beyond this is not a size, and is not believed.
constexpr uint32_t kLargestStructBytes = 65536;

// The first of the bytes begin .. end - 1 that is not zero, or `end`.
size_t first_used_byte(const void* op, size_t begin, size_t end) noexcept {
  const auto* const bytes = static_cast<const unsigned char*>(op);
  size_t at = begin;
  while (at < end && bytes[at] == 0) ++at;
  return at < end ? at : end;
}

uint32_t size_of(const void* caller) noexcept {
  uint32_t bytes;
  std::memcpy(&bytes, caller, sizeof(bytes));
  return bytes;
}

// Of a caller who may know more members, or fewer. `op` has kind.bytes.
int32_t read_any_size(const Kind& kind, const void* caller, void* op) noexcept {
  if (caller == nullptr) return fail(BARACUDA_INVALID_PROBLEM, "op is NULL; it should be a %s", kind.name);
  const uint32_t bytes = size_of(caller);
  if (bytes < kind.smallest || bytes > kLargestStructBytes || bytes % sizeof(void*) != 0)
    return fail(BARACUDA_INVALID_PROBLEM, "struct_size is %u; it should be sizeof(%s), %zu here", bytes, kind.name,
                kind.bytes);
  const size_t known = bytes < kind.bytes ? bytes : kind.bytes;
  std::memset(op, 0, kind.bytes);
  std::memcpy(op, caller, known);
  if (const size_t at = first_used_byte(caller, known, bytes); at < bytes)
    return fail(BARACUDA_INVALID_PROBLEM,
                "struct_size is %u and byte %zu is not zero; this library (ABI %d) knows %zu bytes and cannot do "
                "what the others ask",
                bytes, at, BARACUDA_FFI_ABI_VERSION, kind.bytes);
  const auto own_bytes = static_cast<uint32_t>(kind.bytes);
  std::memcpy(op, &own_bytes, sizeof(own_bytes));
  return BARACUDA_OK;
}

int32_t write_any_size(const Kind& kind, const void* op, void* caller) noexcept {
  const uint32_t bytes = size_of(caller);
  // An int64 table, say: the flag for it would be lost, and the table misread.
  if (const size_t at = first_used_byte(op, bytes, kind.bytes); at < kind.bytes)
    return fail(BARACUDA_INVALID_PROBLEM,
                "struct_size is %u and what these operands are is said at byte %zu; it should be sizeof(%s), %zu here",
                bytes, at, kind.name, kind.bytes);
  std::memcpy(caller, op, bytes < kind.bytes ? bytes : kind.bytes);
  std::memcpy(caller, &bytes, sizeof(bytes));
  return BARACUDA_OK;
}

static_assert(offsetof(Op, struct_size) == 0 && offsetof(CopyOp, struct_size) == 0);

}  // namespace

int32_t read_struct(const Op* caller, Op* op) noexcept {
  if (caller == nullptr || caller->struct_size != sizeof(Op)) return read_any_size(kAppend, caller, op);
  // In halves, which compilers copy with vectors: for the whole they take an instruction that is slow to start.
  constexpr size_t kHalf = sizeof(Op) / 32 * 16;
  std::memcpy(op, caller, kHalf);
  std::memcpy(reinterpret_cast<unsigned char*>(op) + kHalf, reinterpret_cast<const unsigned char*>(caller) + kHalf,
              sizeof(Op) - kHalf);
  return BARACUDA_OK;
}

int32_t write_struct(const Op& op, Op* caller) noexcept { return write_any_size(kAppend, &op, caller); }

int32_t read_struct(const CopyOp* caller, CopyOp* op) noexcept { return read_any_size(kCopy, caller, op); }

int32_t write_struct(const CopyOp& op, CopyOp* caller) noexcept { return write_any_size(kCopy, &op, caller); }

}  // namespace baracuda
