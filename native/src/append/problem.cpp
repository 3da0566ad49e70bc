#include "append/problem.h"

#include <cstddef>
#include <cstring>

#include "append/element.h"
#include "append/status.h"
#include "cuda/flashinfer/geometry.h"

namespace baracuda {
namespace {

// The first version's struct: no caller can know less.
constexpr uint32_t kOldestStructBytes = offsetof(Append, stream) + sizeof(void*);

// No release's struct will be larger: a size beyond this is not a size, and is not believed.
constexpr uint32_t kLargestStructBytes = 65536;

// The kernel copies rows in vectors of this many bytes.
constexpr uint64_t kVectorBytes = 16;

constexpr uint64_t kMaxThreadsPerBlock = 1024;
constexpr uint64_t kTwoToThe32 = uint64_t{1} << 32;
constexpr uint64_t kTwoToThe31 = uint64_t{1} << 31;

// The largest object that a pointer difference can span.
constexpr uint64_t kMaxBytes = PTRDIFF_MAX;

int32_t check_positive(const char* name, int32_t value) noexcept {
  if (value > 0) return BARACUDA_OK;
  return fail(BARACUDA_INVALID_PROBLEM, "%s is %d; it should be at least 1", name, value);
}

int32_t check_not_negative(const char* name, int32_t value) noexcept {
  if (value >= 0) return BARACUDA_OK;
  return fail(BARACUDA_INVALID_PROBLEM, "%s is %d; it should be positive, or 0 for not stated", name, value);
}

// FlashInfer's arithmetic: page strides, source offsets and sequence lengths in uint32, the last divided by a
// multiply-high that is exact below 2^31.
int32_t check_flashinfer_limits(const Append& op, const Element& element) noexcept {
  const uint64_t heads = static_cast<uint64_t>(op.num_heads);
  const uint64_t head_dim = static_cast<uint64_t>(op.head_dim);
  const uint64_t threads_per_head = head_dim / flashinfer_vector(op.head_dim, element.bytes());
  if (heads * threads_per_head > kMaxThreadsPerBlock)
    return fail(BARACUDA_UNSUPPORTED,
                "num_heads is %d; FlashInfer's kernel takes at most %d heads of %s with head_dim %d (one block of "
                "1024 threads a request)",
                op.num_heads, static_cast<int>(kMaxThreadsPerBlock / threads_per_head), element.name, op.head_dim);
  if (saturating_product(heads * head_dim, static_cast<uint64_t>(op.page_size)) >= kTwoToThe32)
    return fail(BARACUDA_UNSUPPORTED,
                "num_heads * page_size * head_dim is %d * %d * %d; FlashInfer's page stride is 32-bit, so it should "
                "be below 2^32",
                op.num_heads, op.page_size, op.head_dim);
  if (saturating_product(heads * head_dim, static_cast<uint64_t>(op.batch_size)) >= kTwoToThe32)
    return fail(BARACUDA_UNSUPPORTED,
                "batch_size * num_heads * head_dim is %d * %d * %d; FlashInfer's offsets into key and value are "
                "32-bit, so it should be below 2^32",
                op.batch_size, op.num_heads, op.head_dim);
  if (op.total_used_pages == 0) return BARACUDA_OK;
  // Every request owns a page at least, so what is left over is the most that one of them can have besides its own.
  if (op.total_used_pages < op.batch_size)
    return fail(BARACUDA_INVALID_PROBLEM,
                "total_used_pages is %d and batch_size is %d; every request should own at least one page",
                op.total_used_pages, op.batch_size);
  const uint64_t most_pages = static_cast<uint64_t>(op.total_used_pages - op.batch_size) + 1;
  if (most_pages * static_cast<uint64_t>(op.page_size) >= kTwoToThe31)
    return fail(BARACUDA_UNSUPPORTED,
                "a request of %llu pages of page_size %d could hold 2^31 tokens; FlashInfer's lengths are 32-bit",
                static_cast<unsigned long long>(most_pages), op.page_size);
  return BARACUDA_OK;
}

// One operand's place in memory.
struct Range {
  const char* name;
  const void* data;
  uint64_t bytes;
  uint64_t alignment;

  uint64_t begin() const { return reinterpret_cast<uintptr_t>(data); }
  uint64_t end() const { return begin() + bytes; }  // checked not to wrap
};

int32_t check_range(const Range& range) noexcept {
  if (range.bytes == 0) return BARACUDA_OK;
  if (range.data == nullptr)
    return fail(BARACUDA_INVALID_PROBLEM, "%s is NULL; it should be the operand's memory", range.name);
  if (range.bytes > kMaxBytes || range.begin() > UINTPTR_MAX - range.bytes)
    return fail(BARACUDA_INVALID_PROBLEM, "%s at %p is larger than the address space", range.name, range.data);
  return BARACUDA_OK;
}

int32_t check_aligned(const Range& range) noexcept {
  if (range.bytes == 0 || range.begin() % range.alignment == 0) return BARACUDA_OK;
  return fail(BARACUDA_MISALIGNED_OPERAND, "%s is at %p; it should be aligned to %d bytes", range.name, range.data,
              static_cast<int>(range.alignment));
}

int32_t check_disjoint(const Range& output, const Range& other) noexcept {
  if (output.bytes == 0 || other.bytes == 0) return BARACUDA_OK;
  if (output.end() <= other.begin() || other.end() <= output.begin()) return BARACUDA_OK;
  return fail(BARACUDA_INVALID_PROBLEM,
              "%s (%llu bytes at %p) and %s (%llu bytes at %p) overlap; what is written should share no memory with "
              "another operand",
              output.name, static_cast<unsigned long long>(output.bytes), output.data, other.name,
              static_cast<unsigned long long>(other.bytes), other.data);
}

}  // namespace

int32_t read_struct(const Append* caller, Append* op) noexcept {
  if (caller == nullptr) return fail(BARACUDA_INVALID_PROBLEM, "op is NULL; it should be a baracuda_paged_kv_append");
  const uint32_t bytes = caller->struct_size;
  if (bytes == sizeof(Append)) {
    *op = *caller;
    return BARACUDA_OK;
  }
  if (bytes < kOldestStructBytes || bytes > kLargestStructBytes || bytes % sizeof(void*) != 0)
    return fail(BARACUDA_INVALID_PROBLEM, "struct_size is %u; it should be sizeof(baracuda_paged_kv_append), %zu here",
                bytes, sizeof(Append));
  const size_t known = bytes < sizeof(Append) ? bytes : sizeof(Append);
  std::memset(op, 0, sizeof(Append));
  std::memcpy(op, caller, known);
  const auto* tail = reinterpret_cast<const unsigned char*>(caller);
  for (size_t i = known; i < bytes; ++i)
    if (tail[i] != 0)
      return fail(BARACUDA_INVALID_PROBLEM,
                  "struct_size is %u and byte %zu is not zero; this library (ABI %d) knows %zu bytes and cannot do "
                  "what the others ask",
                  bytes, i, BARACUDA_FFI_ABI_VERSION, sizeof(Append));
  op->struct_size = sizeof(Append);
  return BARACUDA_OK;
}

void write_struct(const Append& op, Append* caller) noexcept {
  const uint32_t bytes = caller->struct_size;
  std::memcpy(caller, &op, bytes < sizeof(Append) ? bytes : sizeof(Append));
  caller->struct_size = bytes;
}

int32_t check_problem(const Append& op) noexcept {
  if ((op.flags & ~BARACUDA_FLAG_GUARDED) != 0)
    return fail(BARACUDA_UNSUPPORTED, "flags is 0x%x; this library knows 0x%x (BARACUDA_FLAG_GUARDED)", op.flags,
                BARACUDA_FLAG_GUARDED);
  const Backend* backend = find_backend(op.backend);
  if (backend == nullptr)
    return fail(BARACUDA_UNSUPPORTED, "backend is %d; it should be a baracuda_backend", op.backend);
  if (is_guarded(op) ? backend->guarding == Guarding::kNever : backend->guarding == Guarding::kAlways)
    return fail(BARACUDA_UNSUPPORTED, "flags is 0x%x; the %s backend appends only %s BARACUDA_FLAG_GUARDED", op.flags,
                backend->name, is_guarded(op) ? "without" : "with");
  if (op.layout != BARACUDA_LAYOUT_HND && op.layout != BARACUDA_LAYOUT_NHD)
    return fail(BARACUDA_UNSUPPORTED, "layout is %d; it should be HND (0) or NHD (1)", op.layout);
  if (op.length_convention != BARACUDA_BEFORE_APPEND && op.length_convention != BARACUDA_AFTER_APPEND)
    return fail(BARACUDA_UNSUPPORTED, "length_convention is %d; it should be BEFORE_APPEND (0) or AFTER_APPEND (1)",
                op.length_convention);
  BARACUDA_TRY(check_positive("batch_size", op.batch_size));
  BARACUDA_TRY(check_positive("num_heads", op.num_heads));
  BARACUDA_TRY(check_positive("page_size", op.page_size));
  BARACUDA_TRY(check_not_negative("num_total_pages", op.num_total_pages));
  BARACUDA_TRY(check_not_negative("total_used_pages", op.total_used_pages));
  if (is_guarded(op))
    BARACUDA_TRY(check_positive("num_total_pages, which a guarded append needs,", op.num_total_pages));
  if (!is_guarded(op) && op.head_dim != 64 && op.head_dim != 128 && op.head_dim != 256)
    return fail(BARACUDA_UNSUPPORTED, "head_dim is %d; it should be 64, 128 or 256", op.head_dim);
  if (op.head_dim <= 0) return fail(BARACUDA_UNSUPPORTED, "head_dim is %d; it should be positive", op.head_dim);
  const Element* element = find_element(op.element);
  if (element == nullptr)
    return fail(BARACUDA_UNSUPPORTED, "element is %d; it should be a baracuda_element", op.element);
  if (static_cast<uint64_t>(op.head_dim) * element->bytes() % kVectorBytes != 0)
    return fail(BARACUDA_UNSUPPORTED, "head_dim is %d; a row of %s should be a multiple of %d bytes", op.head_dim,
                element->name, static_cast<int>(kVectorBytes));
  if (backend->has_flashinfer_limits) BARACUDA_TRY(check_flashinfer_limits(op, *element));
  return BARACUDA_OK;
}

int32_t check_operands(const Append& op) noexcept {
  const uint64_t row_bytes = saturating_product(static_cast<uint64_t>(op.num_heads),
                                                static_cast<uint64_t>(op.head_dim) * find_element(op.element)->bytes());
  const uint64_t new_bytes = saturating_product(row_bytes, static_cast<uint64_t>(op.batch_size));
  const uint64_t page_bytes = saturating_product(row_bytes, static_cast<uint64_t>(op.page_size));
  const uint64_t known_pages = op.num_total_pages > 0 ? static_cast<uint64_t>(op.num_total_pages) : 1;
  const uint64_t cache_bytes = saturating_product(page_bytes, known_pages);
  const uint64_t batch = static_cast<uint64_t>(op.batch_size);
  const uint64_t known_entries =
      op.total_used_pages > 0 || is_guarded(op) ? static_cast<uint64_t>(op.total_used_pages) : 1;
  const uint64_t record_bytes = op.error_record != nullptr ? sizeof(baracuda_error_record) : 0;

  const Range outputs[] = {
      {"k_data", op.k_data, cache_bytes, kVectorBytes},
      {"v_data", op.v_data, cache_bytes, kVectorBytes},
      {"error_record", op.error_record, record_bytes, alignof(baracuda_error_record)},
  };
  const Range inputs[] = {
      {"key", op.key, new_bytes, kVectorBytes},
      {"value", op.value, new_bytes, kVectorBytes},
      {"indices", op.indices, known_entries * sizeof(int32_t), alignof(int32_t)},
      {"indptr", op.indptr, (batch + 1) * sizeof(int32_t), alignof(int32_t)},
      {"last_page_len", op.last_page_len, batch * sizeof(int32_t), alignof(int32_t)},
  };
  for (const Range& output : outputs) BARACUDA_TRY(check_range(output));
  for (const Range& input : inputs) BARACUDA_TRY(check_range(input));
  if (find_backend(op.backend)->is_host && op.stream != nullptr)
    return fail(BARACUDA_INVALID_PROBLEM, "stream is %p; the host twin runs on no stream, so it should be NULL",
                op.stream);
  if (op.error_record != nullptr && !is_guarded(op))
    return fail(BARACUDA_INVALID_PROBLEM,
                "error_record is %p; only an append with BARACUDA_FLAG_GUARDED records errors, so it should be NULL",
                static_cast<void*>(op.error_record));
  for (const Range& output : outputs) BARACUDA_TRY(check_aligned(output));
  for (const Range& input : inputs) BARACUDA_TRY(check_aligned(input));
  for (const Range& output : outputs) {
    for (const Range& earlier : outputs) {
      if (&earlier == &output) break;
      BARACUDA_TRY(check_disjoint(earlier, output));
    }
    for (const Range& input : inputs) BARACUDA_TRY(check_disjoint(output, input));
  }
  return BARACUDA_OK;
}

}  // namespace baracuda
