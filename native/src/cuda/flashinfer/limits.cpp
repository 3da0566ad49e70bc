#include "cuda/flashinfer/limits.h"

#include <initializer_list>

#include "append/choices.h"
#include "append/operands.h"
#include "append/problem.h"
#include "append/transform.h"
#include "base/saturating.h"
#include "base/status.h"
#include "cuda/flashinfer/geometry.h"

namespace baracuda::flashinfer {
namespace {

constexpr uint64_t kMaxThreadsPerBlock = 1024;
constexpr uint64_t kTwoToThe32 = uint64_t{1} << 32;
constexpr uint64_t kTwoToThe31 = uint64_t{1} << 31;
constexpr int64_t kVectorBytes = 16;

// Its launcher adds the device's multiprocessors to the rows, as ints.
constexpr int64_t kMostRows = INT32_MAX - (int64_t{1} << 16);

int32_t check_choices(const Op& op) noexcept {
  if (op.transform != BARACUDA_TRANSFORM_COPY)
    return fail(BARACUDA_UNSUPPORTED,
                "transform is %s; FlashInfer's kernel copies (the bespoke backend takes every one)",
                kTransforms[op.transform].name);
  if (!is_decode(op) && op.addressing != BARACUDA_ADDRESSING_POSITIONS)
    return fail(BARACUDA_UNSUPPORTED,
                "addressing is %s, table %s and lengths %s; FlashInfer's kernels take LAST_PAGE with CSR and "
                "LAST_PAGE_LEN, and POSITIONS (the bespoke backend takes every one)",
                kAddressingNames.of(op.addressing), kTableNames.of(op.table), kLengthsNames.of(op.lengths));
  if (op.head_dim != 64 && op.head_dim != 128 && op.head_dim != 256)
    return fail(BARACUDA_UNSUPPORTED,
                "head_dim is %d; FlashInfer's kernel takes 64, 128 and 256 (the bespoke backend takes any)",
                op.head_dim);
  if (op.parts != BARACUDA_PARTS_KEY_AND_VALUE || value_head_dim(op) != op.head_dim)
    return fail(BARACUDA_UNSUPPORTED,
                "parts is %s, head_dim %d and value_head_dim %d; FlashInfer's kernel writes key and value of one width "
                "(the bespoke backend takes any)",
                kPartsNames.of(op.parts), op.head_dim, op.value_head_dim);
  const uint32_t wide = op.int64_operands & wanted_operands(op);
  if (wide != 0)
    return fail(BARACUDA_UNSUPPORTED,
                "%s is int64; FlashInfer's kernels read int32 (convert it, or use the bespoke backend)",
                name_of(lowest_bit(wide)));
  return BARACUDA_OK;
}

// The kernel's page stride, as it would compute or be given it.
int32_t check_page_stride(const Op& op) noexcept {
  if (has_flag(op, BARACUDA_FLAG_STRIDED)) {
    const int64_t stride = op.num_total_pages > 1 ? op.k_data_strides[0] : 0;
    if (stride >= 0 && static_cast<uint64_t>(stride) < kTwoToThe32) return BARACUDA_OK;
    return fail(BARACUDA_UNSUPPORTED,
                "k_data has a page stride of %lld elements; FlashInfer's page stride is 32-bit, so it should be 0 to "
                "2^32 - 1 (the bespoke backend takes any)",
                static_cast<long long>(stride));
  }
  const uint64_t elements =
      saturating_product(saturating_product(static_cast<uint64_t>(op.num_heads), static_cast<uint64_t>(op.head_dim)),
                         static_cast<uint64_t>(op.page_size));
  if (elements < kTwoToThe32) return BARACUDA_OK;
  return fail(BARACUDA_UNSUPPORTED,
              "a page of num_heads * page_size * head_dim = %d * %d * %d takes %llu elements; FlashInfer's page stride "
              "is 32-bit, so it should be below 2^32",
              op.num_heads, op.page_size, op.head_dim, static_cast<unsigned long long>(elements));
}

// Of the decode kernel, which finds the last page from a request's length.
int32_t check_decode(const Op& op) noexcept {
  const auto row_elements = static_cast<uint64_t>(op.num_heads) * static_cast<uint64_t>(op.head_dim);
  if (saturating_product(row_elements, static_cast<uint64_t>(op.batch_size)) >= kTwoToThe32)
    return fail(BARACUDA_UNSUPPORTED,
                "batch_size * num_heads * head_dim is %d * %d * %d; FlashInfer's offsets into key and value are "
                "32-bit, so it should be below 2^32",
                op.batch_size, op.num_heads, op.head_dim);
  if (op.total_used_pages == 0) return BARACUDA_OK;
  // Every request owns a page at least, so what is left over is the most that one of them can have besides its own.
  if (op.total_used_pages < op.batch_size)
    return fail(BARACUDA_INVALID_PROBLEM,
                "total_used_pages is %d and batch_size is %d; every request should own at least one page (a guarded "
                "append skips requests without)",
                op.total_used_pages, op.batch_size);
  const uint64_t most_pages = static_cast<uint64_t>(op.total_used_pages - op.batch_size) + 1;
  if (most_pages * static_cast<uint64_t>(op.page_size) >= kTwoToThe31)
    return fail(BARACUDA_UNSUPPORTED,
                "a request of %llu pages of page_size %d could hold 2^31 tokens; FlashInfer's lengths are 32-bit",
                static_cast<unsigned long long>(most_pages), op.page_size);
  return BARACUDA_OK;
}

// Of the kernel that is told positions. It counts slots from the table's first page on, whoever owns them, and divides
// by page_size with a multiplication that is exact up to 2^31.
int32_t check_positions(const Op& op) noexcept {
  const auto pages = static_cast<uint64_t>(op.total_used_pages);
  if (pages * static_cast<uint64_t>(op.page_size) > kTwoToThe31)
    return fail(
        BARACUDA_UNSUPPORTED,
        "total_used_pages * page_size is %d * %d; FlashInfer counts the slots of the whole table in 32 bits, so "
        "it should be at most 2^31 (the bespoke backend takes any)",
        op.total_used_pages, op.page_size);
  if (op.num_rows > kMostRows)
    return fail(BARACUDA_UNSUPPORTED,
                "num_rows is %lld; FlashInfer's kernel takes at most %lld (the bespoke backend takes any number)",
                static_cast<long long>(op.num_rows), static_cast<long long>(kMostRows));
  return BARACUDA_OK;
}

// One block takes a row at a time, with all its heads.
int32_t check_threads(const Op& op) noexcept {
  const Element& element = *find_element(op.element);
  const uint64_t threads_per_head = static_cast<uint64_t>(op.head_dim) / vector_elements(op.head_dim, element.bytes());
  if (static_cast<uint64_t>(op.num_heads) * threads_per_head <= kMaxThreadsPerBlock) return BARACUDA_OK;
  return fail(BARACUDA_UNSUPPORTED,
              "num_heads is %d; FlashInfer's kernel takes at most %d heads of %s with head_dim %d (one block of 1024 "
              "threads a request; a guarded append takes any number)",
              op.num_heads, static_cast<int>(kMaxThreadsPerBlock / threads_per_head), element.name, op.head_dim);
}

// The decode kernel knows packed rows alone.
int32_t check_packed(const Append& append, const Part& part, const char* name) noexcept {
  const bool packed_heads = append.num_heads <= 1 || part.head_stride == part.row_bytes;
  if (packed_heads && (rows_of(append) <= 1 || part.token_stride == part.row_bytes * append.num_heads))
    return BARACUDA_OK;
  return fail(BARACUDA_UNSUPPORTED,
              "%s has strides of %lld and %lld bytes; FlashInfer's kernel takes packed rows (the bespoke backend takes "
              "any strides)",
              name, static_cast<long long>(part.token_stride), static_cast<long long>(part.head_stride));
}

int32_t check_row_strides(const Part& part, const char* name) noexcept {
  for (const int64_t stride : {part.token_stride, part.head_stride})
    if (stride < 0 || stride % kVectorBytes != 0)
      return fail(BARACUDA_UNSUPPORTED,
                  "%s has a stride of %lld bytes; FlashInfer's kernel takes multiples of 16 bytes, not negative (the "
                  "bespoke backend takes any)",
                  name, static_cast<long long>(stride));
  return BARACUDA_OK;
}

}  // namespace

int32_t check_limits(const Op& op) {
  BARACUDA_TRY(check_choices(op));
  BARACUDA_TRY(check_threads(op));
  BARACUDA_TRY(check_page_stride(op));
  return is_decode(op) ? check_decode(op) : check_positions(op);
}

int32_t check_operands(const Append& append) {
  if (rows_of(append) == 0) return BARACUDA_OK;
  const Part& k = append.parts[0];
  const Part& v = append.parts[1];
  for (const Part& part : append.parts) {
    const char* const name = &part == &k ? "key" : "value";
    const bool are_strided = append.placement.placing == Placing::kPositions;
    BARACUDA_TRY(are_strided ? check_row_strides(part, name) : check_packed(append, part, name));
  }
  if (!have_caches_alike(k, v))
    return fail(
        BARACUDA_UNSUPPORTED,
        "k_data and v_data have different strides; FlashInfer's kernel has one set for both (the bespoke backend "
        "takes any)");
  for (const int64_t stride : {k.page_stride, k.slot_stride, k.cache_head_stride})
    if (stride < 0 || stride % kVectorBytes != 0 ||
        static_cast<uint64_t>(stride) / append.element->bytes() >= kTwoToThe32)
      return fail(BARACUDA_UNSUPPORTED,
                  "k_data and v_data have a stride of %lld bytes; FlashInfer's kernel takes multiples of 16 bytes, not "
                  "negative and below 2^32 elements (the bespoke backend takes any)",
                  static_cast<long long>(stride));
  const struct {
    const char* name;
    const void* data;
  } operands[] = {{"key", k.rows}, {"value", v.rows}, {"k_data", k.cache}, {"v_data", v.cache}};
  for (const auto& operand : operands)
    if (reinterpret_cast<uintptr_t>(operand.data) % kVectorBytes != 0)
      return fail(BARACUDA_MISALIGNED_OPERAND,
                  "%s is at %p; FlashInfer's kernel copies vectors of %d bytes, so it should "
                  "be aligned to that (the bespoke backend takes any address)",
                  operand.name, operand.data, static_cast<int>(kVectorBytes));
  return BARACUDA_OK;
}

}  // namespace baracuda::flashinfer
