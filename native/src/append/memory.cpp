#include "append/memory.h"

#include <algorithm>
#include <cstdint>

#include "append/backend.h"
#include "append/operands.h"
#include "append/transform.h"
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

constexpr int kMostOutputs = 2 * kMaxParts + 1;
constexpr int kMostInputs = 2 * kMaxParts + kNumPlaceOperands;

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

// What is written of a part: a row for each head, at each place.
struct Written {
  int operand;
  unsigned char* data;
  int64_t row_bytes;
  int64_t page_stride;
  int64_t slot_stride;
  int64_t head_stride;
  uint32_t alignment;
};

Written cache_of(const Append& append, int part) noexcept {
  const Part& to = append.parts[part];
  const bool is_ds_mla = append.transform == BARACUDA_TRANSFORM_FP8_DS_MLA;
  return {BARACUDA_OPERAND_K_DATA + part,
          to.cache,
          is_ds_mla ? kDsMlaRowBytes : to.cache_row_bytes,
          to.page_stride,
          to.slot_stride,
          to.cache_head_stride,
          append.mirrored ? kMirroredAlignment : cache_alignment(append.transform, *append.element)};
}

bool has_scales_beside(const Append& append) noexcept { return (kScaling & bit(append.transform)) != 0; }

Written scales_of(const Append& append, int part) noexcept {
  const Part& to = append.parts[part];
  const int32_t bytes = scales_element_bytes(append.transform);
  const auto width = static_cast<int32_t>(to.row_bytes / append.source_element->bytes());
  return {BARACUDA_OPERAND_K_SCALES + part,
          to.scales,
          int64_t{scales_width(append.transform, width)} * bytes,
          to.scales_page_stride,
          to.scales_slot_stride,
          to.scales_head_stride,
          static_cast<uint32_t>(bytes)};
}

// That of k_data, v_data, k_scales or v_scales.
Written written_as(const Append& append, int operand) noexcept {
  return operand >= BARACUDA_OPERAND_K_SCALES ? scales_of(append, operand - BARACUDA_OPERAND_K_SCALES)
                                              : cache_of(append, operand - BARACUDA_OPERAND_K_DATA);
}

// Calls `visit` with all that the append writes but for the record, up to the first that it refuses.
template <typename Visit>
BARACUDA_ALWAYS_INLINE bool visit_written(const Append& append, Visit visit) noexcept {
  const int caches = num_caches(append);
  for (int i = 0; i < caches; ++i)
    if (!visit(cache_of(append, i))) return false;
  if (BARACUDA_LIKELY(!has_scales_beside(append))) return true;
  for (int i = 0; i < append.num_parts; ++i)
    if (!visit(scales_of(append, i))) return false;
  return true;
}

Reach reach_of(const Append& append, const Written& written) noexcept {
  const Reach row = {0, static_cast<uint64_t>(written.row_bytes)};
  const Reach page =
      over(over(row, written.slot_stride, append.placement.page_size), written.head_stride, append.num_heads);
  return over(page, written.page_stride, known_pages(append));
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
  const bool nothing_to_do = rows_of(append) == 0;
  const int num_parts = nothing_to_do ? 0 : append.num_parts;
  const auto output_written = [&](const Written& written) {
    return output(Span(written.operand, written.data, reach_of(append, written), written.alignment));
  };
  if (!nothing_to_do && !visit_written(append, output_written)) return false;
  constexpr Reach kRecordReach = {0, sizeof(baracuda_error_record)};
  if (append.record != nullptr && !output(Span(kRecord, append.record, kRecordReach, alignof(baracuda_error_record))))
    return false;
  const uint32_t alignment = append.mirrored ? kMirroredAlignment : append.source_element->bytes();
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
  if (visit_operands<BARACUDA_OPERAND_INDICES, BARACUDA_OPERAND_SEQ_LENS>(wanted_operands(op), visit_place) !=
      BARACUDA_OK)
    return false;
  if (BARACUDA_LIKELY((kScaled & bit(append.transform)) == 0)) return true;
  for (int i = 0; i < num_parts; ++i) {
    const Part& part = append.parts[i];
    constexpr uint32_t kBytes = sizeof(float);
    const Reach reach = over({0, kBytes}, part.scale_head_stride, append.num_heads);
    if (!input(Span(BARACUDA_OPERAND_K_SCALE + i, part.scale, reach, kBytes))) return false;
  }
  return true;
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

// Whether some row of one shares a byte with some row of the other. Their spans, which are checked, overlap. Dimensions
// over which both take one step are compared step by step; of one over which they differ, each is taken to write all that
// lies between its first row and its last.
bool rows_overlap(const Append& append, const Written& a, const Written& b) noexcept {
  Steps steps[3];  // the longest first
  int count = 0;
  Reach reach_a = {0, static_cast<uint64_t>(a.row_bytes)};
  Reach reach_b = {0, static_cast<uint64_t>(b.row_bytes)};
  uint64_t stepped = 0;
  const auto add = [&](int64_t stride_a, int64_t stride_b, int64_t extent) {
    if (stride_a != stride_b) {
      reach_a = over(reach_a, stride_a, extent);
      reach_b = over(reach_b, stride_b, extent);
    } else if (stride_a != 0) {
      int at = count++;
      const Steps added = {extent - 1, static_cast<int64_t>(magnitude(stride_a))};
      for (; at > 0 && steps[at - 1].bytes < added.bytes; --at) steps[at] = steps[at - 1];
      steps[at] = added;
      stepped += static_cast<uint64_t>(extent - 1) * magnitude(stride_a);
    }
  };
  add(a.page_stride, b.page_stride, known_pages(append));
  add(a.slot_stride, b.slot_stride, append.placement.page_size);
  add(a.head_stride, b.head_stride, append.num_heads);
  const auto distance = static_cast<int64_t>(reinterpret_cast<uintptr_t>(b.data) - reinterpret_cast<uintptr_t>(a.data));
  const uint64_t above_a = reach_a.above + reach_b.below;
  const uint64_t below_a = reach_a.below + reach_b.above;
  for (const uint64_t reached : {stepped, above_a, below_a, magnitude(distance)})
    if (reached > static_cast<uint64_t>(kFar)) return true;
  return can_meet(steps, count, distance, static_cast<int64_t>(below_a), static_cast<int64_t>(above_a));
}

int32_t check_stride(const Written& written, const char* dimension, int64_t stride, int64_t extent) noexcept {
  if (extent <= 1) return BARACUDA_OK;
  if (stride == 0)
    return fail(BARACUDA_INVALID_PROBLEM,
                "%s has a %s stride of 0 over %lld places; what is written should have a place of its own for each",
                name_of(written.operand), dimension, static_cast<long long>(extent));
  return BARACUDA_OK;
}

int32_t check_strides(const Append& append) noexcept {
  if (rows_of(append) == 0) return BARACUDA_OK;
  int32_t status = BARACUDA_OK;
  visit_written(append, [&](const Written& written) {
    status = check_stride(written, "page", written.page_stride, known_pages(append));
    if (status == BARACUDA_OK) status = check_stride(written, "slot", written.slot_stride, append.placement.page_size);
    if (status == BARACUDA_OK) status = check_stride(written, "head", written.head_stride, append.num_heads);
    return status == BARACUDA_OK;
  });
  return status;
}

// The f32 scales within a row of FP8_DS_MLA are written where it begins.
int32_t check_inner_alignment(const Append& append) noexcept {
  if (BARACUDA_LIKELY(append.transform != BARACUDA_TRANSFORM_FP8_DS_MLA) || rows_of(append) == 0) return BARACUDA_OK;
  const Written cache = cache_of(append, 0);
  for (const int64_t stride : {cache.page_stride, cache.slot_stride}) {
    if (stride % int64_t{cache.alignment} == 0) continue;
    return fail(BARACUDA_MISALIGNED_OPERAND,
                "k_data has a stride of %lld bytes; with transform FP8_DS_MLA, whose rows hold f32, it should be a "
                "multiple of %u",
                static_cast<long long>(stride), cache.alignment);
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

// Whether two spans share memory, of which something is written. Caches and their scales may lie between each other.
bool meet(const Append& append, const Span& output, const Span& other) noexcept {
  if (BARACUDA_LIKELY(!overlap(output, other))) return false;
  const auto has_places = [](const Span& span) { return span.operand != kRecord && kOperands[span.operand].written; };
  if (!has_places(output) || !has_places(other)) return true;
  return rows_overlap(append, written_as(append, output.operand), written_as(append, other.operand));
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
  BARACUDA_TRY(check_inner_alignment(append));
  BARACUDA_TRY(check_strides(append));
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
  BARACUDA_TRY(check_inner_alignment(append));
  BARACUDA_TRY(check_strides(append));
  return append.backend->check_operands(append);
}

}  // namespace baracuda
