// The guard: which requests of a page table an append may serve. One definition for the CPU and for the GPU.
#ifndef BARACUDA_SRC_GUARD_H_
#define BARACUDA_SRC_GUARD_H_

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

// One request, judged. Where it is to be served, `seen.page` and `slot` say where its rows go.
struct Judged {
  bool served;
  int32_t slot;
  baracuda_error_record seen;  // reason 0: padding, or served
};

// Reads the request's two entries of indptr, its length, and the id of its last page once indptr is known to be right.
BARACUDA_HOST_DEVICE inline Judged judge(const GuardLimits& limits, const int32_t* indices, const int32_t* indptr,
                                         const int32_t* last_page_len, int64_t request) {
  Judged judged = {false, 0, {}};
  baracuda_error_record& seen = judged.seen;
  seen.request = static_cast<int32_t>(request);
  seen.indptr_begin = indptr[request];
  seen.indptr_end = indptr[request + 1];
  seen.last_page_len = last_page_len[request];
  seen.page = -1;
  if (seen.indptr_begin == seen.indptr_end) return judged;
  if (seen.indptr_begin < 0 || seen.indptr_end < seen.indptr_begin || seen.indptr_end > limits.total_used_pages) {
    seen.reason = BARACUDA_CORRUPT_INDPTR;
    return judged;
  }
  seen.page = indices[seen.indptr_end - 1];
  if (seen.page < 0) return judged;
  if (seen.page >= limits.num_total_pages) {
    seen.reason = BARACUDA_CORRUPT_PAGE;
    return judged;
  }
  // In this order the subtraction cannot overflow.
  if (seen.last_page_len < limits.slot_bias || seen.last_page_len - limits.slot_bias >= limits.page_size) {
    seen.reason = BARACUDA_CORRUPT_LAST_PAGE_LEN;
    return judged;
  }
  judged.slot = seen.last_page_len - limits.slot_bias;
  judged.served = true;
  return judged;
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

#endif  // BARACUDA_SRC_GUARD_H_
