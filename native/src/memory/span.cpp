#include "memory/span.h"

#include "base/status.h"

namespace baracuda {

int32_t check_fits(const Span& span) noexcept {
  if (span.address == 0)
    return fail(BARACUDA_INVALID_PROBLEM, "%s is NULL; it should be the operand's memory", span.name);
  if (!span.fits())
    return fail(BARACUDA_INVALID_PROBLEM, "%s at %p is larger than the address space", span.name, span.data());
  return BARACUDA_OK;
}

int32_t check_aligned(const Span& span, const char* hint) noexcept {
  if (span.is_aligned()) return BARACUDA_OK;
  return fail(BARACUDA_MISALIGNED_OPERAND, "%s is at %p; it should be aligned to %d bytes%s", span.name, span.data(),
              static_cast<int>(span.alignment), hint);
}

int32_t refuse_overlap(const Span& output, const Span& other) noexcept {
  return fail(
      BARACUDA_INVALID_PROBLEM,
      "%s (%llu bytes from %p) and %s (%llu bytes from %p) overlap; what is written should share no memory with "
      "another operand",
      output.name, static_cast<unsigned long long>(output.end - output.begin), output.data(), other.name,
      static_cast<unsigned long long>(other.end - other.begin), other.data());
}

int32_t refuse_written_stride(const char* name, const char* dimension, int64_t extent) noexcept {
  return fail(BARACUDA_INVALID_PROBLEM,
              "%s has a %s stride of 0 over %lld places; what is written should have a place of its own for each", name,
              dimension, static_cast<long long>(extent));
}

int32_t refuse_stream(const void* stream) noexcept {
  return fail(BARACUDA_INVALID_PROBLEM,
              "stream is %p; the host backend runs on no stream, so it should be NULL (in Python None)", stream);
}

int32_t refuse_record(const void* record) noexcept {
  return fail(BARACUDA_INVALID_PROBLEM,
              "error_record is %p; only what is guarded records errors, so it should be NULL (in Python None)", record);
}

}  // namespace baracuda
