#include "append/problem.h"

#include <cstdint>

#include "append/backend.h"
#include "append/choices.h"
#include "append/operands.h"
#include "append/transform.h"
#include "base/element.h"
#include "base/hints.h"
#include "base/status.h"

namespace baracuda {
namespace {

constexpr uint32_t kKnownFlags = BARACUDA_FLAG_GUARDED | BARACUDA_FLAG_STRIDED | BARACUDA_FLAG_SKIP_SLOT |
                                 BARACUDA_FLAG_INFER | BARACUDA_FLAG_MIRRORED;

int32_t check_positive(const char* name, int32_t value) noexcept {
  if (value > 0) return BARACUDA_OK;
  return fail(BARACUDA_INVALID_PROBLEM, "%s is %d; it should be at least 1", name, value);
}

int32_t check_not_negative(const char* name, int64_t value) noexcept {
  if (value >= 0) return BARACUDA_OK;
  return fail(BARACUDA_INVALID_PROBLEM, "%s is %lld; it should not be negative", name, static_cast<long long>(value));
}

int32_t check_wide_count(const char* name, int64_t value) noexcept {
  if (value >= 0 && value <= INT32_MAX) return BARACUDA_OK;
  return fail(BARACUDA_INVALID_PROBLEM, "%s is %lld; it should be 0 .. 2^31 - 1", name, static_cast<long long>(value));
}

int32_t check_choice(const char* name, int32_t value, int32_t built, const char* choices) noexcept {
  if (value >= 0 && value < built) return BARACUDA_OK;
  return fail(BARACUDA_UNSUPPORTED, "%s is %d; this release has %s", name, value, choices);
}

int32_t check_known(const Op& op) noexcept {
  if ((op.flags & ~kKnownFlags) != 0)
    return fail(BARACUDA_UNSUPPORTED, "flags is 0x%x; this library knows 0x%x", op.flags, kKnownFlags);
  const Backend* const backend = find_backend(op.backend);
  if (backend == nullptr)
    return fail(BARACUDA_UNSUPPORTED, "backend is %d; it should be FLASHINFER (1), HOST (2) or BESPOKE (3)",
                op.backend);
  if (is_guarded(op) ? backend->guarding == Guarding::kNever : backend->guarding == Guarding::kAlways)
    return fail(BARACUDA_UNSUPPORTED, "flags is 0x%x, the append %sguarded; the %s backend makes %s guarded ones",
                op.flags, is_guarded(op) ? "" : "not ", backend->name, is_guarded(op) ? "no" : "only");
  if (op.layout != BARACUDA_LAYOUT_HND && op.layout != BARACUDA_LAYOUT_NHD)
    return fail(BARACUDA_UNSUPPORTED, "layout is %d; it should be HND (0) or NHD (1)", op.layout);
  if (op.length_convention != BARACUDA_BEFORE_APPEND && op.length_convention != BARACUDA_AFTER_APPEND)
    return fail(BARACUDA_UNSUPPORTED, "length_convention is %d; it should be BEFORE_APPEND (0) or AFTER_APPEND (1)",
                op.length_convention);
  BARACUDA_TRY(check_choice("addressing", op.addressing, BARACUDA_ADDRESSING_SLOTS + 1,
                            "LAST_PAGE (0), RAGGED (1), POSITIONS (2) and SLOTS (3)"));
  BARACUDA_TRY(check_choice("table", op.table, BARACUDA_TABLE_DENSE + 1, "CSR (0) and DENSE (1)"));
  BARACUDA_TRY(
      check_choice("lengths", op.lengths, BARACUDA_LENGTHS_SEQ_LENS + 1, "LAST_PAGE_LEN (0) and SEQ_LENS (1)"));
  BARACUDA_TRY(check_choice("transform", op.transform, kNumTransforms,
                            "COPY (0), FP8 (1), PER_TOKEN_HEAD (2), FP8_DS_MLA (3) and NVFP4 (4)"));
  return check_choice("parts", op.parts, BARACUDA_PARTS_KEY + 1, "KEY_AND_VALUE (0) and KEY (1)");
}

bool is_by_request(const Op& op) noexcept {
  return op.addressing == BARACUDA_ADDRESSING_LAST_PAGE || op.addressing == BARACUDA_ADDRESSING_RAGGED;
}

// Which choices go together.
int32_t check_placing(const Op& op) noexcept {
  if (!is_by_request(op) && (op.table != BARACUDA_TABLE_CSR || op.lengths != BARACUDA_LENGTHS_LAST_PAGE_LEN))
    return fail(
        BARACUDA_UNSUPPORTED,
        "table is %s and lengths %s; with addressing POSITIONS and SLOTS, which take no lengths, they should be "
        "CSR and LAST_PAGE_LEN",
        kTableNames.of(op.table), kLengthsNames.of(op.lengths));
  if (op.table == BARACUDA_TABLE_DENSE && op.lengths != BARACUDA_LENGTHS_SEQ_LENS)
    return fail(BARACUDA_UNSUPPORTED, "table is DENSE and lengths LAST_PAGE_LEN; it should be SEQ_LENS");
  if (op.addressing == BARACUDA_ADDRESSING_RAGGED && op.lengths == BARACUDA_LENGTHS_LAST_PAGE_LEN &&
      op.length_convention != BARACUDA_AFTER_APPEND)
    return fail(BARACUDA_UNSUPPORTED,
                "length_convention is BEFORE_APPEND; the last_page_len of a RAGGED append should count the new tokens "
                "(AFTER_APPEND), or seq_lens say the lengths");
  if (has_flag(op, BARACUDA_FLAG_SKIP_SLOT) && op.addressing != BARACUDA_ADDRESSING_SLOTS)
    return fail(BARACUDA_UNSUPPORTED, "skip_slot is given; with addressing %s there are no slots to skip",
                kAddressingNames.of(op.addressing));
  return BARACUDA_OK;
}

// What baracuda-kernels' plan has no word for.
int32_t check_mirrored_choices(const Op& op) noexcept {
  if (!is_decode(op))
    return fail(
        BARACUDA_UNSUPPORTED,
        "addressing is %s, table %s and lengths %s; with baracuda-kernels' checks they should be LAST_PAGE, CSR "
        "and LAST_PAGE_LEN",
        kAddressingNames.of(op.addressing), kTableNames.of(op.table), kLengthsNames.of(op.lengths));
  if (op.transform != BARACUDA_TRANSFORM_COPY)
    return fail(BARACUDA_UNSUPPORTED,
                "transform is %s; with baracuda-kernels' checks it should be COPY (a guarded append takes every one)",
                kTransforms[op.transform].name);
  if (op.parts != BARACUDA_PARTS_KEY_AND_VALUE)
    return fail(
        BARACUDA_UNSUPPORTED,
        "value and v_data are absent; with baracuda-kernels' checks both parts should be there (a guarded append "
        "takes key alone)");
  if (value_head_dim(op) != op.head_dim)
    return fail(
        BARACUDA_UNSUPPORTED,
        "value_head_dim is %d and head_dim is %d; with baracuda-kernels' checks they should be equal (a guarded "
        "append takes two widths)",
        op.value_head_dim, op.head_dim);
  if (has_flag(op, BARACUDA_FLAG_STRIDED))
    return fail(BARACUDA_UNSUPPORTED,
                "flags is 0x%x, key, value and the caches by strides; with baracuda-kernels' checks they should be "
                "packed (a guarded append takes any strides)",
                op.flags);
  if (is_guarded(op))
    return fail(BARACUDA_UNSUPPORTED,
                "flags is 0x%x, the append guarded; with baracuda-kernels' checks it should not be (without them a "
                "guarded append takes all that they do)",
                op.flags);
  if (const uint32_t wide = op.int64_operands & wanted_operands(op); wide != 0)
    return fail(BARACUDA_UNSUPPORTED,
                "%s is int64; with baracuda-kernels' checks it should be int32 (convert it; a guarded append takes "
                "both)",
                name_of(lowest_bit(wide)));
  return BARACUDA_OK;
}

int32_t check_counts(const Op& op, bool mirrored, bool may_not_state_pages) noexcept {
  if (mirrored && op.batch_size == 0)
    return fail(BARACUDA_INVALID_PROBLEM,
                "batch_size is 0; with baracuda-kernels' checks it should be at least 1 (a guarded append takes 0)");
  BARACUDA_TRY(check_not_negative("batch_size", op.batch_size));
  BARACUDA_TRY(check_positive("num_heads", op.num_heads));
  BARACUDA_TRY(check_positive("page_size", op.page_size));
  BARACUDA_TRY(check_not_negative("num_total_pages", op.num_total_pages));
  BARACUDA_TRY(check_not_negative("total_used_pages", op.total_used_pages));
  if (op.addressing != BARACUDA_ADDRESSING_LAST_PAGE) BARACUDA_TRY(check_wide_count("num_rows", op.num_rows));
  if (op.table == BARACUDA_TABLE_DENSE) {
    BARACUDA_TRY(check_wide_count("max_pages", op.max_pages));
    BARACUDA_TRY(check_not_negative("block_table_stride", op.block_table_stride));
  }
  if (!may_not_state_pages || has_flag(op, BARACUDA_FLAG_STRIDED))
    BARACUDA_TRY(check_positive("num_total_pages", op.num_total_pages));
  return BARACUDA_OK;
}

int32_t check_head_dim(const char* name, int32_t head_dim, bool mirrored) noexcept {
  if (mirrored && head_dim != 64 && head_dim != 128 && head_dim != 256)
    return fail(
        BARACUDA_UNSUPPORTED,
        "%s is %d; it should be 64, 128 or 256 (a guarded append, and any without baracuda-kernels' checks, takes "
        "every %s)",
        name, head_dim, name);
  if (head_dim > 0) return BARACUDA_OK;
  return fail(BARACUDA_UNSUPPORTED, "%s is %d; it should be positive", name, head_dim);
}

int32_t check_element(const Op& op, bool mirrored) noexcept {
  const Element* const element = find_element(op.element);
  if (element == nullptr || (mirrored && !element->is_mirrored))
    return fail(BARACUDA_UNSUPPORTED, "element is %d (%s); it should be one of f16, bf16, f32, fp8_e4m3, fp8_e5m2%s",
                op.element, element_name(op.element),
                mirrored ? " (1 to 5); a guarded append takes int8 and uint8 too" : ", int8, uint8 (1 to 7)");
  return BARACUDA_OK;
}

int32_t check_copy(const Op& op) noexcept {
  if (op.source_element == BARACUDA_ELEMENT_NONE || op.source_element == op.element) return BARACUDA_OK;
  return fail(BARACUDA_UNSUPPORTED, "source_element is %d (%s) and element is %d (%s); a copy should have one for both",
              op.source_element, element_name(op.source_element), op.element, element_name(op.element));
}

}  // namespace

int32_t check_choices(const Op& op) noexcept {
  BARACUDA_TRY(check_known(op));
  BARACUDA_TRY(check_placing(op));
  return has_flag(op, BARACUDA_FLAG_MIRRORED) ? check_mirrored_choices(op) : BARACUDA_OK;
}

int32_t check_extents(const Op& op) noexcept {
  const Backend& backend = *find_backend(op.backend);
  const bool mirrored = has_flag(op, BARACUDA_FLAG_MIRRORED);
  BARACUDA_TRY(check_counts(op, mirrored, mirrored || backend.may_not_state_pages));
  BARACUDA_TRY(check_head_dim("head_dim", op.head_dim, mirrored));
  if (op.parts == BARACUDA_PARTS_KEY_AND_VALUE)
    BARACUDA_TRY(check_head_dim("value_head_dim", value_head_dim(op), mirrored));
  BARACUDA_TRY(check_element(op, mirrored));
  BARACUDA_TRY(BARACUDA_LIKELY(op.transform == BARACUDA_TRANSFORM_COPY) ? check_copy(op) : check_quantising(op));
  return backend.check_limits(op);
}

int32_t check_problem(const Op& op) noexcept {
  BARACUDA_TRY(check_choices(op));
  return check_extents(op);
}

}  // namespace baracuda
