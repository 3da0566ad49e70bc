#include "append/memory.h"

#include <cstdint>
#include <initializer_list>

#include "append/backend.h"
#include "append/operands.h"
#include "append/transform.h"
#include "base/saturating.h"
#include "base/status.h"
#include "memory/meeting.h"
#include "memory/span.h"

namespace baracuda {
namespace {

// baracuda-kernels copies rows in vectors of this many bytes.
constexpr uint32_t kMirroredAlignment = 16;

constexpr int32_t kRecord = BARACUDA_NUM_OPERANDS;

// The span of an operand, or of the record.
struct OperandSpan : Span {
  int32_t operand;

  OperandSpan() = default;
  OperandSpan(int32_t its_operand, const void* data, const Reach& reach, uint32_t its_alignment) noexcept
      : Span(its_operand == kRecord ? "error_record" : name_of(its_operand), data, reach, its_alignment),
        operand(its_operand) {}
};

constexpr int kMostOutputs = 2 * kMaxParts + 1;
constexpr int kMostInputs = BARACUDA_NUM_OPERANDS;

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
};

BARACUDA_ALWAYS_INLINE Written cache_of(const Append& append, int part) noexcept {
  const Part& to = append.parts[part];
  return {BARACUDA_OPERAND_K_DATA + part,
          to.cache,
          to.cache_row_bytes,
          to.page_stride,
          to.slot_stride,
          to.cache_head_stride};
}

bool reads_scales(const Append& append) noexcept { return (kScaled & bit(append.transform)) != 0; }
bool writes_scales(const Append& append) noexcept { return (kScaling & bit(append.transform)) != 0; }

Written scales_of(const Append& append, int part) noexcept {
  const Part& to = append.parts[part];
  const int32_t bytes = scales_element_bytes(append.transform);
  const auto width = static_cast<int32_t>(to.row_bytes / append.source_element->bytes());
  return {BARACUDA_OPERAND_K_SCALES + part,
          to.scales,
          int64_t{scales_width(append.transform, width)} * bytes,
          to.scales_page_stride,
          to.scales_slot_stride,
          to.scales_head_stride};
}

// That of k_data, v_data, k_scales or v_scales.
Written written_as(const Append& append, int operand) noexcept {
  return operand >= BARACUDA_OPERAND_K_SCALES ? scales_of(append, operand - BARACUDA_OPERAND_K_SCALES)
                                              : cache_of(append, operand - BARACUDA_OPERAND_K_DATA);
}

BARACUDA_ALWAYS_INLINE Reach reach_of(const Append& append, const Written& written) noexcept {
  const Reach row = {0, static_cast<uint64_t>(written.row_bytes)};
  const Reach page =
      over(over(row, written.slot_stride, append.placement.page_size()), written.head_stride, append.num_heads);
  return over(page, written.page_stride, known_pages(append));
}

// Entries of the operands that say places, by their shapes.
struct Entries {
  uint64_t of[static_cast<size_t>(Shape::kBlockTable) + 1] = {};

  Entries(const Op& op, const Append& append) noexcept {
    const auto batch = static_cast<uint64_t>(op.batch_size);
    // Where the table's length is not stated, one entry at least is read.
    const bool is_unstated = op.total_used_pages == 0 && append.placement.used_pages != 0;
    (*this)[Shape::kPageIds] = is_unstated ? 1 : static_cast<uint64_t>(op.total_used_pages);
    (*this)[Shape::kPerRequest] = batch;
    (*this)[Shape::kPerRequestAnd1] = batch + 1;
    (*this)[Shape::kPerRow] = static_cast<uint64_t>(rows_of(append));
    // Rows beyond the last request's are not looked at.
    if (batch != 0 && op.max_pages != 0)
      (*this)[Shape::kBlockTable] =
          saturating_sum(saturating_product(batch - 1, static_cast<uint64_t>(op.block_table_stride)),
                         static_cast<uint64_t>(op.max_pages));
  }

  uint64_t& operator[](Shape shape) noexcept { return of[static_cast<size_t>(shape)]; }
  uint64_t operator[](Shape shape) const noexcept { return of[static_cast<size_t>(shape)]; }
};

// Hands out the spans of what an append writes, and then of what it reads, in the order in which they are judged, for
// as long as true is returned. Whether it always was. `kCopies` says at compile time that there are no scales.
template <bool kCopies, typename Output, typename Input>
BARACUDA_ALWAYS_INLINE bool visit_spans(const Op& op, const Append& append, Output output, Input input) noexcept {
  const bool nothing_to_do = rows_of(append) == 0;
  const int num_parts = nothing_to_do ? 0 : append.num_parts;
  const uint32_t alignment = append.mirrored ? kMirroredAlignment : append.source_element->bytes();
  const uint32_t alignment_of_caches =
      kCopies || append.mirrored ? alignment : cache_alignment(append.transform, *append.element);
  const int caches = kCopies || nothing_to_do ? num_parts : num_caches(append);
  for (int i = 0; i < caches; ++i) {
    const Written cache = cache_of(append, i);
    if (!output(OperandSpan(cache.operand, cache.data, reach_of(append, cache), alignment_of_caches))) return false;
  }
  if constexpr (!kCopies) {
    for (int i = 0; i < num_parts && writes_scales(append); ++i) {
      const Written scales = scales_of(append, i);
      const auto bytes = static_cast<uint32_t>(scales_element_bytes(append.transform));
      if (!output(OperandSpan(scales.operand, scales.data, reach_of(append, scales), bytes))) return false;
    }
  }
  constexpr Reach kRecordReach = {0, sizeof(baracuda_error_record)};
  if (append.record != nullptr &&
      !output(OperandSpan(kRecord, append.record, kRecordReach, alignof(baracuda_error_record))))
    return false;
  for (int i = 0; i < num_parts; ++i) {
    const Part& part = append.parts[i];
    if (!input(OperandSpan(BARACUDA_OPERAND_KEY + i, part.rows, reach_of_rows(append, part), alignment))) return false;
  }
  if (nothing_to_do) return true;
  const Entries entries_by_shape(op, append);
  const auto visit_place = [&](int i) -> int32_t {
    const uint64_t entries = entries_by_shape[kOperands[i].shape];
    const uint32_t bytes = is_int64(op, i) ? sizeof(int64_t) : sizeof(int32_t);
    const bool is_well =
        entries == 0 || input(OperandSpan(i, pointer_in(op, i), {0, saturating_product(entries, bytes)}, bytes));
    return is_well ? BARACUDA_OK : BARACUDA_INVALID_PROBLEM;
  };
  if (visit_operands<says_places>(wanted_operands(op), visit_place) != BARACUDA_OK) return false;
  if constexpr (!kCopies) {
    for (int i = 0; i < num_parts && reads_scales(append); ++i) {
      constexpr uint32_t kBytes = sizeof(float);
      const Reach reach = over({0, kBytes}, append.parts[i].scale_head_stride, append.num_heads);
      if (!input(OperandSpan(BARACUDA_OPERAND_K_SCALE + i, append.parts[i].scale, reach, kBytes))) return false;
    }
  }
  return true;
}

int32_t check_aligned(const Span& span) noexcept {
  return check_aligned(span, span.alignment == kMirroredAlignment ? " (a guarded append takes it as it is)" : "");
}

// Whether some row of one shares a byte with some row of the other. Their spans, which are checked, overlap.
BARACUDA_COLD bool rows_overlap(const Append& append, const Written& a, const Written& b) noexcept {
  Meeting meeting(a.data, a.row_bytes, b.data, b.row_bytes);
  meeting.step(a.page_stride, b.page_stride, known_pages(append));
  meeting.step(a.slot_stride, b.slot_stride, append.placement.page_size());
  meeting.step(a.head_stride, b.head_stride, append.num_heads);
  return meeting.is_possible();
}

int32_t check_stride(int operand, const char* dimension, int64_t stride, int64_t extent) noexcept {
  return check_written_stride(name_of(operand), dimension, stride, extent);
}

BARACUDA_ALWAYS_INLINE int32_t check_strides_of(const Append& append, const Written& written) noexcept {
  BARACUDA_TRY(check_stride(written.operand, "page", written.page_stride, known_pages(append)));
  BARACUDA_TRY(check_stride(written.operand, "slot", written.slot_stride, append.placement.page_size()));
  return check_stride(written.operand, "head", written.head_stride, append.num_heads);
}

template <bool kCopies>
BARACUDA_ALWAYS_INLINE int32_t check_strides(const Append& append) noexcept {
  if (rows_of(append) == 0) return BARACUDA_OK;
  const int caches = kCopies ? append.num_parts : num_caches(append);
  for (int i = 0; i < caches; ++i) BARACUDA_TRY(check_strides_of(append, cache_of(append, i)));
  if constexpr (!kCopies) {
    for (int i = 0; i < append.num_parts && writes_scales(append); ++i)
      BARACUDA_TRY(check_strides_of(append, scales_of(append, i)));
  }
  return BARACUDA_OK;
}

// The f32 scales within a row of FP8_DS_MLA are written where it begins.
int32_t check_inner_alignment(const Append& append) noexcept {
  if (append.transform != BARACUDA_TRANSFORM_FP8_DS_MLA || rows_of(append) == 0) return BARACUDA_OK;
  const Written cache = cache_of(append, 0);
  const uint32_t alignment = cache_alignment(append.transform, *append.element);
  for (const int64_t stride : {cache.page_stride, cache.slot_stride}) {
    if (stride % int64_t{alignment} == 0) continue;
    return fail(BARACUDA_MISALIGNED_OPERAND,
                "k_data has a stride of %lld bytes; with transform FP8_DS_MLA, whose rows hold f32, it should be a "
                "multiple of %u",
                static_cast<long long>(stride), alignment);
  }
  return BARACUDA_OK;
}

int32_t check_stream_and_record(const Op& op, const Append& append) noexcept {
  BARACUDA_TRY(check_stream(append.backend->is_host, op.stream));
  return check_record(append.guarded, op.error_record);
}

// Whether two spans share memory, of which something is written. Caches and their scales may lie between each other.
bool meet(const Append& append, const OperandSpan& output, const OperandSpan& other) noexcept {
  if (BARACUDA_LIKELY(!overlap(output, other))) return false;
  const auto has_places = [](const OperandSpan& span) {
    return span.operand != kRecord && kOperands[span.operand].written;
  };
  if (!has_places(output) || !has_places(other)) return true;
  return rows_overlap(append, written_as(append, output.operand), written_as(append, other.operand));
}

// Whether there is nothing to say of any span: for nearly every append, and so told without a list of them.
template <bool kCopies>
bool all_is_well(const Op& op, const Append& append) noexcept {
  OperandSpan outputs[kMostOutputs];
  int count = 0;
  const auto is_well = [&](const OperandSpan& span) {
    if (span.address == 0 || !span.fits() || !span.is_aligned()) return false;
    for (int i = 0; i < count; ++i)
      if (meet(append, outputs[i], span)) return false;
    return true;
  };
  return visit_spans<kCopies>(
      op, append,
      [&](const OperandSpan& output) {
        const bool well = is_well(output);
        outputs[count++] = output;
        return well;
      },
      is_well);
}

// What there is to say of them, in its order.
BARACUDA_COLD int32_t find_refusal(const Op& op, const Append& append) noexcept {
  OperandSpan outputs[kMostOutputs];
  OperandSpan inputs[kMostInputs];
  int num_outputs = 0;
  int num_inputs = 0;
  visit_spans<false>(
      op, append,
      [&](const OperandSpan& output) {
        outputs[num_outputs++] = output;
        return true;
      },
      [&](const OperandSpan& input) {
        inputs[num_inputs++] = input;
        return true;
      });
  for (int i = 0; i < num_outputs; ++i) BARACUDA_TRY(check_fits(outputs[i]));
  for (int i = 0; i < num_inputs; ++i) BARACUDA_TRY(check_fits(inputs[i]));
  BARACUDA_TRY(check_stream_and_record(op, append));
  for (int i = 0; i < num_outputs; ++i) BARACUDA_TRY(check_aligned(outputs[i]));
  for (int i = 0; i < num_inputs; ++i) BARACUDA_TRY(check_aligned(inputs[i]));
  BARACUDA_TRY(check_inner_alignment(append));
  BARACUDA_TRY(check_strides<false>(append));
  for (int i = 0; i < num_outputs; ++i) {
    for (int j = 0; j < i; ++j)
      if (meet(append, outputs[j], outputs[i])) return refuse_overlap(outputs[j], outputs[i]);
    for (int j = 0; j < num_inputs; ++j)
      if (meet(append, outputs[i], inputs[j])) return refuse_overlap(outputs[i], inputs[j]);
  }
  return BARACUDA_OK;
}

template <bool kCopies>
int32_t check_memory_of(const Op& op, const Append& append) noexcept {
  if (!BARACUDA_LIKELY(all_is_well<kCopies>(op, append))) return find_refusal(op, append);
  BARACUDA_TRY(check_stream_and_record(op, append));
  if constexpr (!kCopies) BARACUDA_TRY(check_inner_alignment(append));
  BARACUDA_TRY(check_strides<kCopies>(append));
  return append.backend->check_operands(append);
}

}  // namespace

int32_t check_memory(const Op& op, const Append& append) noexcept {
  return BARACUDA_LIKELY(append.transform == BARACUDA_TRANSFORM_COPY) ? check_memory_of<true>(op, append)
                                                                      : check_memory_of<false>(op, append);
}

}  // namespace baracuda
