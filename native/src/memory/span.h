// Where an operand lies: the bytes that it may be reached at, and what can be wrong with them.
#ifndef BARACUDA_SRC_MEMORY_SPAN_H_
#define BARACUDA_SRC_MEMORY_SPAN_H_

#include <cstdint>

#include "baracuda_ffi.h"
#include "base/hints.h"
#include "base/saturating.h"

namespace baracuda {

// How far an operand may be reached from its address, in bytes.
struct Reach {
  uint64_t below;
  uint64_t above;
};

// Widened by the steps that lead over `extent` places, of which there is one at least.
inline Reach over(Reach reach, int64_t stride, int64_t extent) noexcept {
  const uint64_t bytes = saturating_product(magnitude(stride), static_cast<uint64_t>(extent) - 1);
  if (!BARACUDA_LIKELY(stride >= 0)) return {saturating_sum(reach.below, bytes), reach.above};
  return {reach.below, saturating_sum(reach.above, bytes)};
}

// The bytes that an operand with elements may be reached at: begin .. end - 1.
struct Span {
  uint64_t address;  // as stated; strides may lead below it
  uint64_t begin;    // wrapped where the span does not fit
  uint64_t end;      // likewise
  const char* name;
  uint32_t alignment;  // a power of two

  // The largest object that a pointer difference can span.
  static constexpr uint64_t kMaxBytes = PTRDIFF_MAX;

  Span() = default;
  Span(const char* its_name, const void* data, const Reach& reach, uint32_t its_alignment) noexcept
      : address(reinterpret_cast<uintptr_t>(data)),
        begin(address - reach.below),
        end(address + reach.above),
        name(its_name),
        alignment(its_alignment) {}

  const void* data() const noexcept { return reinterpret_cast<const void*>(static_cast<uintptr_t>(address)); }

  // Whether all of it is in the address space.
  bool fits() const noexcept { return begin <= address && address < end && end - begin <= kMaxBytes; }
  bool is_aligned() const noexcept { return (address & (alignment - 1)) == 0; }
};

inline bool overlap(const Span& a, const Span& b) noexcept { return a.begin < b.end && b.begin < a.end; }

// Refused where it is NULL, or larger than the address space.
int32_t check_fits(const Span& span) noexcept;

// `hint` goes to the end of the message.
int32_t check_aligned(const Span& span, const char* hint) noexcept;

int32_t refuse_overlap(const Span& output, const Span& other) noexcept;

int32_t refuse_written_stride(const char* name, const char* dimension, int64_t extent) noexcept;
int32_t refuse_stream(const void* stream) noexcept;
int32_t refuse_record(const void* record) noexcept;

// Refused where what is written would be written over and over. `dimension` is of `name`, and `extent` its places.
inline int32_t check_written_stride(const char* name, const char* dimension, int64_t stride, int64_t extent) noexcept {
  return BARACUDA_LIKELY(stride != 0 || extent <= 1) ? BARACUDA_OK : refuse_written_stride(name, dimension, extent);
}

// What goes with the operands: a stream, which the host backend has none of, and a record, which only what is guarded
// writes.
inline int32_t check_stream(bool is_host, const void* stream) noexcept {
  return BARACUDA_LIKELY(!is_host || stream == nullptr) ? BARACUDA_OK : refuse_stream(stream);
}
inline int32_t check_record(bool guarded, const void* record) noexcept {
  return BARACUDA_LIKELY(guarded || record == nullptr) ? BARACUDA_OK : refuse_record(record);
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_MEMORY_SPAN_H_
