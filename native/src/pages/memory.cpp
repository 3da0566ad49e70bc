#include "pages/memory.h"

#include <algorithm>

#include "base/status.h"
#include "memory/meeting.h"
#include "memory/span.h"
#include "pages/backend.h"
#include "pages/operands.h"

namespace baracuda {
namespace {

constexpr int kMostSpans = BARACUDA_NUM_COPY_OPERANDS + 1;

// By the dimensions that the caller has: of those that were joined, sums that do not fit are gone.
Span span_of_cache(const CopyOp& op, int index) noexcept {
  const CacheMembers cache = cache_in(op, index);
  int64_t strides[kMaxPageRank];
  const int64_t page_stride = strides_of_cache(op, cache, strides);
  Reach reach = {0, static_cast<uint64_t>(cache.element_bytes)};
  for (int i = 0; i < rank_of_page(cache.page); ++i) reach = over(reach, strides[i], cache.page[i]);
  return {copy_name_of(cache.operand), pointer_in(op, cache.operand), over(reach, page_stride, op.num_total_pages),
          static_cast<uint32_t>(cache.element_bytes)};
}

Span span_of_buffer(const CopyOp& op) noexcept {
  uint64_t row_bytes = 0;
  for (int i = 0; i < num_parts(op); ++i) row_bytes = saturating_sum(row_bytes, bytes_of_page(cache_in(op, i)));
  const uint64_t bytes = saturating_product(row_bytes, static_cast<uint64_t>(op.num_copies));
  return {copy_name_of(BARACUDA_COPY_OPERAND_BUFFER), op.buffer, {0, bytes}, 1};
}

Span span_of_list(const CopyOp& op, int operand) noexcept {
  const uint32_t bytes = is_int64(op, operand) ? sizeof(int64_t) : sizeof(int32_t);
  return {copy_name_of(operand), pointer_in(op, operand), {0, static_cast<uint64_t>(op.num_copies) * bytes}, bytes};
}

Span span_of(const CopyOp& op, int operand) noexcept {
  switch (operand) {
    case BARACUDA_COPY_OPERAND_K_DATA:
      return span_of_cache(op, 0);
    case BARACUDA_COPY_OPERAND_V_DATA:
      return span_of_cache(op, 1);
    case BARACUDA_COPY_OPERAND_BUFFER:
      return span_of_buffer(op);
    default:
      return span_of_list(op, operand);
  }
}

// What is looked at, in the order in which it is judged: what is written, and then what is read.
struct Spans {
  Span spans[kMostSpans];
  int operands[kMostSpans];
  int num_written = 0;
  int count = 0;

  void add(const Span& span, int operand) noexcept {
    spans[count] = span;
    operands[count++] = operand;
  }
};

Spans spans_of(const CopyOp& op, const PageCopy& copy) noexcept {
  Spans all;
  const int num_operands = op.num_copies == 0 ? 0 : static_cast<int>(BARACUDA_NUM_COPY_OPERANDS);
  for (int i = 0; i < num_operands; ++i)
    if (writes(op, i)) all.add(span_of(op, i), i);
  if (copy.record != nullptr)
    all.add({"error_record", copy.record, {0, sizeof(baracuda_error_record)}, alignof(baracuda_error_record)}, -1);
  all.num_written = all.count;
  for (int i = 0; i < num_operands; ++i)
    if (wants(op, i) && !writes(op, i)) all.add(span_of(op, i), i);
  return all;
}

int32_t check_written_strides(const CopyOp& op, int index) noexcept {
  const CacheMembers cache = cache_in(op, index);
  if ((op.flags & BARACUDA_FLAG_STRIDED) == 0 || !writes(op, cache.operand)) return BARACUDA_OK;
  const char* const name = copy_name_of(cache.operand);
  BARACUDA_TRY(check_written_stride(name, "page", cache.strides[0], op.num_total_pages));
  static constexpr const char* kDimensions[kMaxPageRank] = {"second", "third", "fourth", "fifth", "sixth"};
  const int rank = rank_of_page(cache.page);
  for (int i = 0; i < rank; ++i)
    BARACUDA_TRY(check_written_stride(name, kDimensions[i], cache.strides[i + 1], cache.page[i]));
  return BARACUDA_OK;
}

// A cache as its caller has it, in bytes.
struct Dimensions {
  const void* data;
  int64_t run_bytes;  // of its innermost dimensions from `outer` on, which are packed
  int rank;           // of a page
  int outer;
  int64_t page_stride;
  const int64_t* extents;
  int64_t strides[kMaxPageRank];
};

// With as few outer dimensions as can be, but no fewer than `least`.
Dimensions dimensions_of(const CopyOp& op, int index, int least) noexcept {
  const CacheMembers cache = cache_in(op, index);
  Dimensions found = {
      pointer_in(op, cache.operand), cache.element_bytes, rank_of_page(cache.page), 0, 0, cache.page, {}};
  found.page_stride = strides_of_cache(op, cache, found.strides);
  found.outer = found.rank;
  while (found.outer > least) {
    const int inner = found.outer - 1;
    if (cache.page[inner] > 1 && found.strides[inner] != found.run_bytes) break;
    found.run_bytes *= cache.page[inner];
    found.outer = inner;
  }
  return found;
}

// Whether K's pages and V's share a byte. Their spans, which are checked, overlap.
bool can_caches_meet(const CopyOp& op) noexcept {
  Dimensions k = dimensions_of(op, 0, 0);
  const Dimensions v = dimensions_of(op, 1, k.outer);
  if (v.outer > k.outer) k = dimensions_of(op, 0, v.outer);
  Meeting meeting(k.data, k.run_bytes, v.data, v.run_bytes);
  meeting.step(k.page_stride, v.page_stride, op.num_total_pages);
  const bool alike = k.rank == v.rank && k.outer == v.outer;
  for (int i = 0; i < std::max(k.outer, v.outer); ++i) {
    if (alike && k.extents[i] == v.extents[i]) {
      meeting.step(k.strides[i], v.strides[i], k.extents[i]);
      continue;
    }
    if (i < k.outer) meeting.fill_a(k.strides[i], k.extents[i]);
    if (i < v.outer) meeting.fill_b(v.strides[i], v.extents[i]);
  }
  return meeting.is_possible();
}

bool meet(const CopyOp& op, const Spans& all, int written, int other) noexcept {
  if (!overlap(all.spans[written], all.spans[other])) return false;
  const int of_both[] = {all.operands[written], all.operands[other]};
  const auto [first, last] = std::minmax(of_both[0], of_both[1]);
  if (first != BARACUDA_COPY_OPERAND_K_DATA || last != BARACUDA_COPY_OPERAND_V_DATA) return true;
  return can_caches_meet(op);
}

}  // namespace

int32_t check_copy_memory(const CopyOp& op, const PageCopy& copy) noexcept {
  const Spans all = spans_of(op, copy);
  for (int i = 0; i < all.count; ++i) BARACUDA_TRY(check_fits(all.spans[i]));
  BARACUDA_TRY(check_stream(copy.backend->is_host, op.stream));
  BARACUDA_TRY(check_record(copy.guarded, op.error_record));
  for (int i = 0; i < all.count; ++i) BARACUDA_TRY(check_aligned(all.spans[i], ""));
  if (op.num_copies > 0)
    for (int i = 0; i < copy.num_parts; ++i) BARACUDA_TRY(check_written_strides(op, i));
  for (int i = 0; i < all.num_written; ++i)
    for (int j = i + 1; j < all.count; ++j)
      if (meet(op, all, i, j)) return refuse_overlap(all.spans[i], all.spans[j]);
  return BARACUDA_OK;
}

}  // namespace baracuda
