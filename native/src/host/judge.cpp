#include "host/judge.h"

#include <algorithm>
#include <cstddef>

#include "append/element.h"
#include "append/problem.h"
#include "append/status.h"

namespace baracuda::host {
namespace {

// What every request is measured against.
struct Limits {
  int32_t most_entries;  // entries of `indices`
  int32_t most_pages;    // page ids are below this
  int32_t least_length;
  int32_t most_length;
};

// How many pages of this size lie between the caches' first bytes and the end of the address space: what bounds a
// page id when num_total_pages is not stated.
int32_t addressable_pages(const Append& op) noexcept {
  const uint64_t row_bytes = static_cast<uint64_t>(op.head_dim) * find_element(op.element)->bytes();
  const uint64_t page_bytes = saturating_product(saturating_product(row_bytes, static_cast<uint64_t>(op.num_heads)),
                                                 static_cast<uint64_t>(op.page_size));
  const uint64_t start = std::max(reinterpret_cast<uintptr_t>(op.k_data), reinterpret_cast<uintptr_t>(op.v_data));
  const uint64_t bytes = std::min<uint64_t>(UINTPTR_MAX - start, PTRDIFF_MAX);
  return static_cast<int32_t>(std::min<uint64_t>(bytes / page_bytes, INT32_MAX));
}

Limits limits_of(const Append& op) noexcept {
  const int32_t before = op.length_convention == BARACUDA_BEFORE_APPEND ? 1 : 0;
  return {op.total_used_pages > 0 ? op.total_used_pages : INT32_MAX,
          op.num_total_pages > 0 ? op.num_total_pages : addressable_pages(op), 1 - before, op.page_size - before};
}

int32_t refuse_part(const Append& op, int32_t request, int32_t begin, int32_t end) noexcept {
  const int32_t next = request + 1;
  if (begin < 0)
    return fail(BARACUDA_INVALID_PROBLEM, "request %d: indptr[%d] is %d; it should be at least 0", request, request,
                begin);
  if (end < begin)
    return fail(BARACUDA_INVALID_PROBLEM,
                "request %d: indptr[%d] is %d, below indptr[%d], which is %d; indptr should increase", request, next,
                end, request, begin);
  if (end == begin)
    return fail(BARACUDA_INVALID_PROBLEM,
                "request %d has no pages: indptr[%d] and indptr[%d] are both %d; every request should own at least one",
                request, request, next, begin);
  return fail(BARACUDA_INVALID_PROBLEM,
              "request %d: indptr[%d] is %d; it should be at most total_used_pages, which is %d", request, next, end,
              op.total_used_pages);
}

int32_t refuse_page(const Append& op, int32_t request, int32_t entry, int32_t page, int32_t most_pages) noexcept {
  if (page < 0)
    return fail(BARACUDA_INVALID_PROBLEM, "request %d: its last page, indices[%d], is %d; it should be at least 0",
                request, entry, page);
  if (op.num_total_pages > 0)
    return fail(BARACUDA_INVALID_PROBLEM,
                "request %d: its last page, indices[%d], is %d; it should be below num_total_pages, which is %d",
                request, entry, page, most_pages);
  return fail(BARACUDA_INVALID_PROBLEM,
              "request %d: its last page, indices[%d], is %d; pages of this size fill the address space at %d", request,
              entry, page, most_pages);
}

int32_t refuse_length(const Append& op, int32_t request, const Limits& limits) noexcept {
  const bool before = op.length_convention == BARACUDA_BEFORE_APPEND;
  return fail(BARACUDA_INVALID_PROBLEM,
              "request %d: last_page_len[%d] is %d; %s with page_size %d it should be %d to %d, %s", request, request,
              op.last_page_len[request], before ? "BEFORE_APPEND" : "AFTER_APPEND", op.page_size, limits.least_length,
              limits.most_length, before ? "the tokens already in the last page" : "the new token counted");
}

}  // namespace

int32_t check_page_table(const Append& op) noexcept {
  const Limits limits = limits_of(op);
  int32_t begin = op.indptr[0];
  for (int32_t request = 0; request < op.batch_size; ++request) {
    const int32_t end = op.indptr[request + 1];
    if (begin < 0 || end <= begin || end > limits.most_entries) return refuse_part(op, request, begin, end);
    const int32_t page = op.indices[end - 1];
    if (page < 0 || page >= limits.most_pages) return refuse_page(op, request, end - 1, page, limits.most_pages);
    const int32_t length = op.last_page_len[request];
    if (length < limits.least_length || length > limits.most_length) return refuse_length(op, request, limits);
    begin = end;
  }
  return BARACUDA_OK;
}

}  // namespace baracuda::host
