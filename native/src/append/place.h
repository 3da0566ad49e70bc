// The guard: which requests of a page table an append may serve. One definition for the CPU and for the GPU.
#ifndef BARACUDA_SRC_APPEND_PLACE_H_
#define BARACUDA_SRC_APPEND_PLACE_H_

#include <cstdint>

#include "baracuda_ffi.h"

#if defined(__CUDACC__)
#define BARACUDA_HOST_DEVICE __host__ __device__
#else
#define BARACUDA_HOST_DEVICE
#endif

namespace baracuda {

// What a request is held against.
struct GuardLimits {
  int32_t total_used_pages;
  int32_t num_total_pages;
  int32_t page_size;
  int32_t slot_bias;  // what the length convention counts beyond the slot: 0 before the append, 1 after it
};

inline GuardLimits guard_limits(const baracuda_paged_kv_append& op) noexcept {
  return {op.total_used_pages, op.num_total_pages, op.page_size, op.length_convention == BARACUDA_AFTER_APPEND ? 1 : 0};
}

// Why find_slot refused what it saw; BARACUDA_CORRUPT_NONE for padding. The order is the header's.
BARACUDA_HOST_DEVICE inline int32_t corruption_of(const GuardLimits& limits, const baracuda_error_record& seen) {
  if (seen.indptr_begin == seen.indptr_end) return BARACUDA_CORRUPT_NONE;
  if (seen.indptr_begin < 0 || seen.indptr_end < seen.indptr_begin || seen.indptr_end > limits.total_used_pages)
    return BARACUDA_CORRUPT_INDPTR;
  if (seen.page < 0) return BARACUDA_CORRUPT_NONE;
  return seen.page >= limits.num_total_pages ? BARACUDA_CORRUPT_PAGE : BARACUDA_CORRUPT_LAST_PAGE_LEN;
}

// Whether the request is to be served, and if so in which page (seen->page) and slot. Reads its two entries of indptr,
// its length, and the id of its last page once indptr is known to be right; `seen` holds what was read, reason 0.
BARACUDA_HOST_DEVICE inline bool find_slot(const GuardLimits& limits, const int32_t* indices, const int32_t* indptr,
                                           const int32_t* last_page_len, int64_t request, baracuda_error_record* seen,
                                           uint32_t* slot) {
  seen->reason = BARACUDA_CORRUPT_NONE;
  seen->request = static_cast<int32_t>(request);
  seen->indptr_begin = indptr[request];
  seen->indptr_end = indptr[request + 1];
  seen->last_page_len = last_page_len[request];
  const bool has_pages =
      seen->indptr_begin >= 0 && seen->indptr_end > seen->indptr_begin && seen->indptr_end <= limits.total_used_pages;
  // Without a branch, so that a GPU's other loads are not held up: where there is no page, a harmless address is read.
  const int32_t* const last_page = has_pages ? indices + (seen->indptr_end - 1) : last_page_len + request;
  const int32_t page = *last_page;
  seen->page = has_pages ? page : -1;
  // As an unsigned number what is negative is too large; the smallest int32_t less the bias is INT32_MAX, which no slot
  // of a page reaches.
  *slot = static_cast<uint32_t>(seen->last_page_len) - static_cast<uint32_t>(limits.slot_bias);
  return static_cast<uint32_t>(seen->page) < static_cast<uint32_t>(limits.num_total_pages) &&
         *slot < static_cast<uint32_t>(limits.page_size);
}

// What is written once the record's reason is claimed: everything else.
BARACUDA_HOST_DEVICE inline void describe(baracuda_error_record* record, const baracuda_error_record& seen) {
  record->request = seen.request;
  record->indptr_begin = seen.indptr_begin;
  record->indptr_end = seen.indptr_end;
  record->page = seen.page;
  record->last_page_len = seen.last_page_len;
}

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_PLACE_H_
