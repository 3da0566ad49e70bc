#include "append/memory.h"

#include <algorithm>
#include <cstdint>

#include "append/backend.h"
#include "append/operands.h"
#include "append/status.h"

namespace baracuda {
namespace {

// baracuda-kernels copies rows in vectors of this many bytes.
constexpr uint64_t kMirroredAlignment = 16;

// The largest object that a pointer difference can span.
constexpr uint64_t kMaxBytes = PTRDIFF_MAX;

// The bytes that an operand may be reached at: begin .. end - 1, empty for one without elements.
struct Span {
  const char* name;
  const void* data;  // as stated; strides may lead below it
  uint64_t below;    // bytes
  uint64_t above;
  uint64_t alignment;

  bool empty() const { return below == 0 && above == 0; }
  uint64_t address() const { return reinterpret_cast<uintptr_t>(data); }
  uint64_t begin() const { return address() - below; }  // checked not to wrap
  uint64_t end() const { return address() + above; }
};

uint64_t saturating_sum(uint64_t a, uint64_t b) noexcept { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

uint64_t magnitude(int64_t number) noexcept {
  return number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
}

// Widens a span by `extent` steps of `stride` bytes.
void reach(Span* span, int64_t stride, int64_t extent) noexcept {
  if (extent <= 1 || stride == 0) return;
  const uint64_t steps = static_cast<uint64_t>(extent) - 1;
  const uint64_t each = magnitude(stride);
  const uint64_t bytes = each > UINT64_MAX / steps ? UINT64_MAX : each * steps;
  uint64_t& end = stride < 0 ? span->below : span->above;
  end = saturating_sum(end, bytes);
}

int64_t known_pages(const Append& append) noexcept { return append.states_pages ? append.placement.num_pages : 1; }

Span span_of_rows(const Append& append, int part, uint64_t alignment) noexcept {
  const Part& from = append.parts[part];
  Span span = {name_of(BARACUDA_OPERAND_KEY + part), from.rows, 0, static_cast<uint64_t>(from.row_bytes), alignment};
  reach(&span, from.token_stride, rows_of(append));
  reach(&span, from.head_stride, append.num_heads);
  return span;
}

Span span_of_cache(const Append& append, int part, uint64_t alignment) noexcept {
  const Part& to = append.parts[part];
  Span span = {name_of(BARACUDA_OPERAND_K_DATA + part), to.cache, 0, static_cast<uint64_t>(to.row_bytes), alignment};
  reach(&span, to.page_stride, known_pages(append));
  reach(&span, to.slot_stride, append.placement.page_size);
  reach(&span, to.cache_head_stride, append.num_heads);
  return span;
}

// Entries of an operand that says places.
uint64_t entries_of(const Op& op, const Append& append, Shape shape) noexcept {
  const auto batch = static_cast<uint64_t>(op.batch_size);
  switch (shape) {
    case Shape::kPageIds:
      // Where the table's length is not stated, one entry at least is read.
      return append.placement.used_pages == INT32_MAX ? 1 : static_cast<uint64_t>(append.placement.used_pages);
    case Shape::kPerRequest:
      return batch;
    case Shape::kPerRequestAnd1:
      return batch + 1;
    case Shape::kPerRow:
      return static_cast<uint64_t>(rows_of(append));
    case Shape::kRows:
    case Shape::kCache:
    case Shape::kBlockTable:
    case Shape::kScale:
    case Shape::kScales:
      break;
  }
  return 0;
}

Span span_of_index(const Op& op, const Append& append, int operand) noexcept {
  const uint64_t bytes = (op.int64_operands >> operand & 1u) != 0 ? sizeof(int64_t) : sizeof(int32_t);
  return {name_of(operand), pointer_in(op, operand), 0, entries_of(op, append, kOperands[operand].shape) * bytes,
          bytes};
}

int32_t check_span(const Span& span) noexcept {
  if (span.empty()) return BARACUDA_OK;
  if (span.data == nullptr)
    return fail(BARACUDA_INVALID_PROBLEM, "%s is NULL; it should be the operand's memory", span.name);
  if (span.above > kMaxBytes || span.below > kMaxBytes - span.above || span.address() > UINTPTR_MAX - span.above ||
      span.address() < span.below)
    return fail(BARACUDA_INVALID_PROBLEM, "%s at %p is larger than the address space", span.name, span.data);
  return BARACUDA_OK;
}

int32_t check_aligned(const Span& span) noexcept {
  if (span.empty() || span.address() % span.alignment == 0) return BARACUDA_OK;
  return fail(BARACUDA_MISALIGNED_OPERAND, "%s is at %p; it should be aligned to %d bytes", span.name, span.data,
              static_cast<int>(span.alignment));
}

bool overlap(const Span& a, const Span& b) noexcept {
  return !a.empty() && !b.empty() && a.begin() < b.end() && b.begin() < a.end();
}

int32_t refuse_overlap(const Span& output, const Span& other) noexcept {
  return fail(
      BARACUDA_INVALID_PROBLEM,
      "%s (%llu bytes from %p) and %s (%llu bytes from %p) overlap; what is written should share no memory with "
      "another operand",
      output.name, static_cast<unsigned long long>(output.above + output.below), output.data, other.name,
      static_cast<unsigned long long>(other.above + other.below), other.data);
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
  if (k.page_stride != v.page_stride || k.slot_stride != v.slot_stride || k.cache_head_stride != v.cache_head_stride)
    return true;
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

int32_t check_cache_strides(const Append& append, int part) noexcept {
  const Part& to = append.parts[part];
  const struct {
    const char* dimension;
    int64_t stride;
    int64_t extent;
  } dimensions[] = {{"page", to.page_stride, known_pages(append)},
                    {"slot", to.slot_stride, append.placement.page_size},
                    {"head", to.cache_head_stride, append.num_heads}};
  for (const auto& dimension : dimensions)
    if (dimension.extent > 1 && dimension.stride == 0)
      return fail(BARACUDA_INVALID_PROBLEM,
                  "%s has a %s stride of 0 over %lld places; what is written should have a place of its own for each",
                  name_of(BARACUDA_OPERAND_K_DATA + part), dimension.dimension,
                  static_cast<long long>(dimension.extent));
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

}  // namespace

int32_t check_memory(const Op& op, const Append& append) noexcept {
  constexpr int kMostInputs = kMaxParts + kNumPlaceOperands;
  const uint64_t alignment = append.mirrored ? kMirroredAlignment : append.element->bytes();
  const bool nothing_to_do = rows_of(append) == 0;
  const uint64_t record_bytes = append.record != nullptr ? sizeof(baracuda_error_record) : 0;

  Span outputs[kMaxParts + 1];
  Span inputs[kMostInputs];
  int num_outputs = 0;
  int num_inputs = 0;
  if (!nothing_to_do) {
    for (int part = 0; part < append.num_parts; ++part) {
      outputs[num_outputs++] = span_of_cache(append, part, alignment);
      inputs[num_inputs++] = span_of_rows(append, part, alignment);
    }
    const uint32_t wanted = wanted_operands(op);
    for (int i = BARACUDA_OPERAND_INDICES; i <= BARACUDA_OPERAND_SEQ_LENS; ++i)
      if (wants(wanted, i)) inputs[num_inputs++] = span_of_index(op, append, i);
  }
  outputs[num_outputs++] = {"error_record", append.record, 0, record_bytes, alignof(baracuda_error_record)};

  for (int i = 0; i < num_outputs; ++i) BARACUDA_TRY(check_span(outputs[i]));
  for (int i = 0; i < num_inputs; ++i) BARACUDA_TRY(check_span(inputs[i]));
  BARACUDA_TRY(check_stream_and_record(op, append));
  for (int i = 0; i < num_outputs; ++i) BARACUDA_TRY(check_aligned(outputs[i]));
  for (int i = 0; i < num_inputs; ++i) BARACUDA_TRY(check_aligned(inputs[i]));
  if (!nothing_to_do)
    for (int part = 0; part < append.num_parts; ++part) BARACUDA_TRY(check_cache_strides(append, part));
  for (int i = 0; i < num_outputs; ++i) {
    for (int earlier = 0; earlier < i; ++earlier) {
      const bool both_caches = i < append.num_parts && earlier < append.num_parts && !nothing_to_do;
      if (overlap(outputs[earlier], outputs[i]) && (!both_caches || rows_overlap(append)))
        return refuse_overlap(outputs[earlier], outputs[i]);
    }
    for (int j = 0; j < num_inputs; ++j)
      if (overlap(outputs[i], inputs[j])) return refuse_overlap(outputs[i], inputs[j]);
  }
  return append.backend->check_operands(append);
}

}  // namespace baracuda
