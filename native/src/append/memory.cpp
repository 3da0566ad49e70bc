#include "append/memory.h"

#include <algorithm>
#include <cstdint>

#include "append/backend.h"
#include "append/operands.h"
#include "base/saturating.h"
#include "base/status.h"

namespace baracuda {
namespace {

// baracuda-kernels copies rows in vectors of this many bytes.
constexpr uint32_t kMirroredAlignment = 16;

// The largest object that a pointer difference can span.
constexpr uint64_t kMaxBytes = PTRDIFF_MAX;

// How far an operand may be reached from its address, in bytes.
struct Reach {
  uint64_t below;
  uint64_t above;
};

constexpr int32_t kRecord = BARACUDA_NUM_OPERANDS;

// The bytes that an operand with elements, or the record, may be reached at: begin .. end - 1.
struct Span {
  uint64_t address;  // as stated; strides may lead below it
  uint64_t begin;    // wrapped where the span does not fit
  uint64_t end;      // likewise
  int32_t operand;
  uint32_t alignment;  // a power of two

  Span() = default;
  Span(int32_t its_operand, const void* data, const Reach& reach, uint32_t its_alignment) noexcept
      : address(reinterpret_cast<uintptr_t>(data)),
        begin(address - reach.below),
        end(address + reach.above),
        operand(its_operand),
        alignment(its_alignment) {}

  const char* name() const noexcept { return operand == kRecord ? "error_record" : name_of(operand); }
  const void* data() const noexcept { return reinterpret_cast<const void*>(static_cast<uintptr_t>(address)); }

  // Whether all of it is in the address space.
  bool fits() const noexcept { return begin <= address && address < end && end - begin <= kMaxBytes; }
  bool is_aligned() const noexcept { return (address & (alignment - 1)) == 0; }
};

constexpr int kMostOutputs = kMaxParts + 1;
constexpr int kMostInputs = kMaxParts + kNumPlaceOperands;

// Widened by the steps that lead over `extent` places, of which there is one at least.
Reach over(Reach reach, int64_t stride, int64_t extent) noexcept {
  const uint64_t bytes = saturating_product(magnitude(stride), static_cast<uint64_t>(extent) - 1);
  if (!BARACUDA_LIKELY(stride >= 0)) return {saturating_sum(reach.below, bytes), reach.above};
  return {reach.below, saturating_sum(reach.above, bytes)};
}

int64_t known_pages(const Append& append) noexcept { return append.states_pages ? append.placement.num_pages : 1; }

Reach reach_of_rows(const Append& append, const Part& part) noexcept {
  const Reach row = {0, static_cast<uint64_t>(part.row_bytes)};
  return over(over(row, part.token_stride, rows_of(append)), part.head_stride, append.num_heads);
}

Reach reach_of_cache(const Append& append, const Part& part) noexcept {
  const Reach row = {0, static_cast<uint64_t>(part.row_bytes)};
  const Reach page =
      over(over(row, part.slot_stride, append.placement.page_size), part.cache_head_stride, append.num_heads);
  return over(page, part.page_stride, known_pages(append));
}

// Entries of an operand that says places.
uint64_t entries_of(const Op& op, const Append& append, Shape shape) noexcept {
  const auto batch = static_cast<uint64_t>(op.batch_size);
  switch (shape) {
    case Shape::kPageIds:
      // Where the table's length is not stated, one entry at least is read.
      if (op.total_used_pages == 0 && append.placement.used_pages != 0) return 1;
      return static_cast<uint64_t>(op.total_used_pages);
    case Shape::kPerRequest:
      return batch;
    case Shape::kPerRequestAnd1:
      return batch + 1;
    case Shape::kPerRow:
      return static_cast<uint64_t>(rows_of(append));
    case Shape::kBlockTable:
      // Rows beyond the last request's are not looked at.
      if (batch == 0 || op.max_pages == 0) return 0;
      return saturating_sum(saturating_product(batch - 1, static_cast<uint64_t>(op.block_table_stride)),
                            static_cast<uint64_t>(op.max_pages));
    case Shape::kRows:
    case Shape::kCache:
    case Shape::kScale:
    case Shape::kScales:
      break;
  }
  return 0;
}

// Hands out the spans of what an append writes, and then of what it reads, in the order in which they are judged, for as
// long as true is returned. Whether it always was.
template <typename Output, typename Input>
BARACUDA_ALWAYS_INLINE bool visit_spans(const Op& op, const Append& append, Output output, Input input) noexcept {
  const uint32_t alignment = append.mirrored ? kMirroredAlignment : append.element->bytes();
  const bool nothing_to_do = rows_of(append) == 0;
  const int num_parts = nothing_to_do ? 0 : append.num_parts;
  for (int i = 0; i < num_parts; ++i) {
    const Part& part = append.parts[i];
    if (!output(Span(BARACUDA_OPERAND_K_DATA + i, part.cache, reach_of_cache(append, part), alignment))) return false;
  }
  constexpr Reach kRecordReach = {0, sizeof(baracuda_error_record)};
  if (append.record != nullptr && !output(Span(kRecord, append.record, kRecordReach, alignof(baracuda_error_record))))
    return false;
  for (int i = 0; i < num_parts; ++i) {
    const Part& part = append.parts[i];
    if (!input(Span(BARACUDA_OPERAND_KEY + i, part.rows, reach_of_rows(append, part), alignment))) return false;
  }
  if (nothing_to_do) return true;
  const auto visit_place = [&](auto i) -> int32_t {
    const uint64_t entries = entries_of(op, append, kOperands[i].shape);
    const uint32_t bytes = is_int64(op, i) ? sizeof(int64_t) : sizeof(int32_t);
    const bool is_well =
        entries == 0 || input(Span(i, pointer_in(op, i), {0, saturating_product(entries, bytes)}, bytes));
    return is_well ? BARACUDA_OK : BARACUDA_INVALID_PROBLEM;
  };
  return visit_operands<BARACUDA_OPERAND_INDICES, BARACUDA_OPERAND_SEQ_LENS>(wanted_operands(op), visit_place) ==
         BARACUDA_OK;
}

bool overlap(const Span& a, const Span& b) noexcept { return a.begin < b.end && b.begin < a.end; }

int32_t check_fits(const Span& span) noexcept {
  if (span.address == 0)
    return fail(BARACUDA_INVALID_PROBLEM, "%s is NULL; it should be the operand's memory", span.name());
  if (!span.fits())
    return fail(BARACUDA_INVALID_PROBLEM, "%s at %p is larger than the address space", span.name(), span.data());
  return BARACUDA_OK;
}

int32_t check_aligned(const Span& span) noexcept {
  if (span.is_aligned()) return BARACUDA_OK;
  return fail(BARACUDA_MISALIGNED_OPERAND, "%s is at %p; it should be aligned to %d bytes%s", span.name(), span.data(),
              static_cast<int>(span.alignment),
              span.alignment == kMirroredAlignment ? " (a guarded append takes it as it is)" : "");
}

int32_t refuse_overlap(const Span& output, const Span& other) noexcept {
  return fail(
      BARACUDA_INVALID_PROBLEM,
      "%s (%llu bytes from %p) and %s (%llu bytes from %p) overlap; what is written should share no memory with "
      "another operand",
      output.name(), static_cast<unsigned long long>(output.end - output.begin), output.data(), other.name(),
      static_cast<unsigned long long>(other.end - other.begin), other.data());
}

// A stride's steps in either direction: how many, and how long each is.
struct Steps {
  int64_t most;
  int64_t bytes;
};

// Distances beyond this are not worked with: their sums might not fit.
constexpr int64_t kFar = int64_t{1} << 61;

// In well-formed caches a stride leads past all that the smaller ones reach, which leaves few places to look at.
constexpr int64_t kMostCandidates = 4;

// Whether `distance` and steps of the strides, largest first, can sum up to a number above -low and below high. True too
// where that is not found out in constant time.
bool can_meet(const Steps* steps, int count, int64_t distance, int64_t low, int64_t high) noexcept {
  if (count == 0) return distance > -low && distance < high;
  int64_t inner = 0;
  for (int i = 1; i < count; ++i) inner += steps[i].most * steps[i].bytes;
  const int64_t bytes = steps[0].bytes;
  const auto floor_of = [bytes](int64_t n) { return n / bytes - (n % bytes < 0 ? 1 : 0); };
  const int64_t first = std::max(floor_of(-low - inner - distance) + 1, -steps[0].most);
  const int64_t last = std::min(floor_of(high + inner - distance - 1), steps[0].most);
  if (last - first >= kMostCandidates) return true;
  for (int64_t n = first; n <= last; ++n)
    if (can_meet(steps + 1, count - 1, distance + n * bytes, low, high)) return true;
  return false;
}

// Whether some row of one cache shares a byte with some row of the other. Their spans, which are checked, overlap.
bool rows_overlap(const Append& append) noexcept {
  const Part& k = append.parts[0];
  const Part& v = append.parts[1];
  if (!have_caches_alike(k, v)) return true;
  Steps steps[3];  // the longest first
  int count = 0;
  uint64_t reached = static_cast<uint64_t>(std::max(k.row_bytes, v.row_bytes));
  const auto add = [&](int64_t stride, int64_t extent) {
    if (stride == 0) return;
    int at = count++;
    const Steps added = {extent - 1, static_cast<int64_t>(magnitude(stride))};
    for (; at > 0 && steps[at - 1].bytes < added.bytes; --at) steps[at] = steps[at - 1];
    steps[at] = added;
    reached += static_cast<uint64_t>(extent - 1) * magnitude(stride);
  };
  add(k.page_stride, known_pages(append));
  add(k.slot_stride, append.placement.page_size);
  add(k.cache_head_stride, append.num_heads);
  const auto distance =
      static_cast<int64_t>(reinterpret_cast<uintptr_t>(v.cache) - reinterpret_cast<uintptr_t>(k.cache));
  if (reached > static_cast<uint64_t>(kFar) || magnitude(distance) > static_cast<uint64_t>(kFar)) return true;
  return can_meet(steps, count, distance, v.row_bytes, k.row_bytes);
}

int32_t check_cache_stride(int part, const char* dimension, int64_t stride, int64_t extent) noexcept {
  if (stride != 0 || extent <= 1) return BARACUDA_OK;
  return fail(BARACUDA_INVALID_PROBLEM,
              "%s has a %s stride of 0 over %lld places; what is written should have a place of its own for each",
              name_of(BARACUDA_OPERAND_K_DATA + part), dimension, static_cast<long long>(extent));
}

int32_t check_cache_strides(const Append& append) noexcept {
  if (rows_of(append) == 0) return BARACUDA_OK;
  for (int i = 0; i < append.num_parts; ++i) {
    const Part& to = append.parts[i];
    BARACUDA_TRY(check_cache_stride(i, "page", to.page_stride, known_pages(append)));
    BARACUDA_TRY(check_cache_stride(i, "slot", to.slot_stride, append.placement.page_size));
    BARACUDA_TRY(check_cache_stride(i, "head", to.cache_head_stride, append.num_heads));
  }
  return BARACUDA_OK;
}

int32_t check_stream_and_record(const Op& op, const Append& append) noexcept {
  if (append.backend->is_host && op.stream != nullptr)
    return fail(BARACUDA_INVALID_PROBLEM, "stream is %p; the host backend runs on no stream, so it should be NULL",
                op.stream);
  if (op.error_record != nullptr && !append.guarded)
    return fail(BARACUDA_INVALID_PROBLEM,
                "error_record is %p; only an append with BARACUDA_FLAG_GUARDED records errors, so it should be NULL",
                static_cast<void*>(op.error_record));
  return BARACUDA_OK;
}

// Whether two spans share memory, of which something is written. The caches may lie between each other.
bool meet(const Append& append, const Span& output, const Span& other) noexcept {
  if (BARACUDA_LIKELY(!overlap(output, other))) return false;
  const bool both_caches = output.operand == BARACUDA_OPERAND_K_DATA && other.operand == BARACUDA_OPERAND_V_DATA;
  return !both_caches || rows_overlap(append);
}

// Whether there is nothing to say of any span: for nearly every append, and so told without a list of them.
bool all_is_well(const Op& op, const Append& append) noexcept {
  Span outputs[kMostOutputs];
  int count = 0;
  const auto is_well = [&](const Span& span) {
    if (span.address == 0 || !span.fits() || !span.is_aligned()) return false;
    for (int i = 0; i < count; ++i)
      if (meet(append, outputs[i], span)) return false;
    return true;
  };
  return visit_spans(
      op, append,
      [&](const Span& output) {
        const bool well = is_well(output);
        outputs[count++] = output;
        return well;
      },
      is_well);
}

// What there is to say of them, in its order.
BARACUDA_COLD int32_t find_refusal(const Op& op, const Append& append) noexcept {
  Span outputs[kMostOutputs];
  Span inputs[kMostInputs];
  int num_outputs = 0;
  int num_inputs = 0;
  visit_spans(
      op, append,
      [&](const Span& output) {
        outputs[num_outputs++] = output;
        return true;
      },
      [&](const Span& input) {
        inputs[num_inputs++] = input;
        return true;
      });
  for (int i = 0; i < num_outputs; ++i) BARACUDA_TRY(check_fits(outputs[i]));
  for (int i = 0; i < num_inputs; ++i) BARACUDA_TRY(check_fits(inputs[i]));
  BARACUDA_TRY(check_stream_and_record(op, append));
  for (int i = 0; i < num_outputs; ++i) BARACUDA_TRY(check_aligned(outputs[i]));
  for (int i = 0; i < num_inputs; ++i) BARACUDA_TRY(check_aligned(inputs[i]));
  BARACUDA_TRY(check_cache_strides(append));
  for (int i = 0; i < num_outputs; ++i) {
    for (int j = 0; j < i; ++j)
      if (meet(append, outputs[j], outputs[i])) return refuse_overlap(outputs[j], outputs[i]);
    for (int j = 0; j < num_inputs; ++j)
      if (meet(append, outputs[i], inputs[j])) return refuse_overlap(outputs[i], inputs[j]);
  }
  return BARACUDA_OK;
}

}  // namespace

int32_t check_memory(const Op& op, const Append& append) noexcept {
  if (!BARACUDA_LIKELY(all_is_well(op, append))) return find_refusal(op, append);
  BARACUDA_TRY(check_stream_and_record(op, append));
  BARACUDA_TRY(check_cache_strides(append));
  return append.backend->check_operands(append);
}

}  // namespace baracuda
