/* What baracuda_ffi.h says of an append, written once more and as plainly as it goes: the status, and the bytes. */
#ifndef BARACUDA_PROOF_MODEL_H_
#define BARACUDA_PROOF_MODEL_H_

#include <stdbool.h>
#include <stdint.h>

#include "baracuda_ffi.h"

/* The largest uint64_t stands for all that are larger. */
typedef struct Extents {
  uint64_t row;     /* bytes of one head's row */
  uint64_t rows;    /* bytes of key, and of value */
  uint64_t page;    /* bytes of one page */
  uint64_t cache;   /* bytes of k_data, and of v_data, as far as they are stated: of one page at least */
  uint64_t indices; /* bytes of indices, as far as they are stated: one entry at least, none only if guarded */
  uint64_t indptr;
  uint64_t last_page_len;
  uint64_t record;
} Extents;

uint64_t element_bytes(int32_t element); /* 0 for one that does not exist */

/* Of a problem for which status_of_problem is 0. */
Extents extents_of(const baracuda_paged_kv_append* op);

/* The header's list of refusals, in its order, as far as each judges: the problem, the pointers. */
int32_t status_of_problem(const baracuda_paged_kv_append* op);
int32_t status_of_operands(const baracuda_paged_kv_append* op);

/* What becomes of one request. */
typedef enum Verdict { SERVED, PADDING, CORRUPT_INDPTR, CORRUPT_PAGE, CORRUPT_LENGTH } Verdict;

typedef struct Request {
  Verdict verdict;
  int64_t entry; /* of indices: the one that was read, or -1 */
  int64_t page;
  int64_t slot;
} Request;

/* `can_read` says whether an entry of indices is memory at all; if not, *unreadable is set and nothing is read. */
Request judge(const baracuda_paged_kv_append* op, int32_t request, bool (*can_read)(const void*, uint64_t),
              bool* unreadable);

/* The bytes of one head's row from the start of a cache. */
uint64_t row_offset(const baracuda_paged_kv_append* op, const Request* request, int32_t head);

#endif
