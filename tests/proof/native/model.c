#include "model.h"

__extension__ typedef unsigned __int128 Wide;

static uint64_t narrow(Wide wide) { return wide > UINT64_MAX ? UINT64_MAX : (uint64_t)wide; }

static bool guarded(const baracuda_paged_kv_append* op) { return (op->flags & BARACUDA_FLAG_GUARDED) != 0; }

uint64_t element_bytes(int32_t element) {
  switch (element) {
#define CASE(ENUM, name, value, dlpack_code, bits) \
  case value:                                      \
    return (bits) / 8;
    BARACUDA_FOR_EACH_ELEMENT(CASE)
#undef CASE
    default:
      return 0;
  }
}

Extents extents_of(const baracuda_paged_kv_append* op) {
  const Wide row = (Wide)op->head_dim * element_bytes(op->element);
  const Wide token = row * (Wide)op->num_heads;
  const Wide page = token * (Wide)op->page_size;
  const Wide pages = op->num_total_pages > 0 ? (Wide)op->num_total_pages : 1;
  const uint64_t entries = op->total_used_pages > 0 || guarded(op) ? (uint64_t)op->total_used_pages : 1;
  /* 2^31 * 2^33 * 2^31 fits, times another 2^31 may not. */
  const Wide cache = page > UINT64_MAX ? page : page * pages;
  return (Extents){narrow(row),
                   narrow(token * (Wide)op->batch_size),
                   narrow(page),
                   narrow(cache),
                   entries * 4,
                   ((uint64_t)op->batch_size + 1) * 4,
                   (uint64_t)op->batch_size * 4,
                   op->error_record != NULL ? 32u : 0u};
}

static int32_t status_for_flashinfer(const baracuda_paged_kv_append* op) {
  const uint64_t bytes = element_bytes(op->element);
  const uint64_t head_dim = (uint64_t)op->head_dim;
  const uint64_t vector = 16 / bytes > head_dim / 32 ? 16 / bytes : head_dim / 32;
  const Wide token = (Wide)op->num_heads * head_dim;
  const Wide two_to_the_32 = (Wide)1 << 32;
  if (token / vector > 1024) return BARACUDA_UNSUPPORTED;
  if (token * (Wide)op->page_size >= two_to_the_32) return BARACUDA_UNSUPPORTED;
  if (token * (Wide)op->batch_size >= two_to_the_32) return BARACUDA_UNSUPPORTED;
  if (op->total_used_pages == 0) return BARACUDA_OK;
  if (op->total_used_pages < op->batch_size) return BARACUDA_INVALID_PROBLEM; /* some request has no page */
  const Wide most_pages = (Wide)(op->total_used_pages - op->batch_size) + 1;
  return most_pages * (Wide)op->page_size >= two_to_the_32 / 2 ? BARACUDA_UNSUPPORTED : BARACUDA_OK;
}

int32_t status_of_problem(const baracuda_paged_kv_append* op) {
  const bool flashinfer = op->backend == BARACUDA_BACKEND_FLASHINFER;
  if ((op->flags & ~BARACUDA_FLAG_GUARDED) != 0) return BARACUDA_UNSUPPORTED;
  if (op->backend < 1 || op->backend > 3) return BARACUDA_UNSUPPORTED;
  if (flashinfer && guarded(op)) return BARACUDA_UNSUPPORTED;
  if (op->backend == BARACUDA_BACKEND_BESPOKE && !guarded(op)) return BARACUDA_UNSUPPORTED;
  if (op->layout < 0 || op->layout > 1) return BARACUDA_UNSUPPORTED;
  if (op->length_convention < 0 || op->length_convention > 1) return BARACUDA_UNSUPPORTED;
  if (op->batch_size < 1 || op->page_size < 1 || op->num_heads < 1) return BARACUDA_INVALID_PROBLEM;
  if (op->num_total_pages < 0 || op->total_used_pages < 0) return BARACUDA_INVALID_PROBLEM;
  if (guarded(op) && op->num_total_pages == 0) return BARACUDA_INVALID_PROBLEM;
  if (op->head_dim < 1 || element_bytes(op->element) == 0) return BARACUDA_UNSUPPORTED;
  if (guarded(op)) {
    if ((uint64_t)op->head_dim * element_bytes(op->element) % 16 != 0) return BARACUDA_UNSUPPORTED;
  } else if (op->head_dim != 64 && op->head_dim != 128 && op->head_dim != 256) {
    return BARACUDA_UNSUPPORTED;
  }
  return flashinfer ? status_for_flashinfer(op) : BARACUDA_OK;
}

typedef struct Operand {
  const void* data;
  uint64_t bytes;
  uint64_t alignment;
} Operand;

static bool overlap(const Operand* a, const Operand* b) {
  const Wide a_begin = (uintptr_t)a->data;
  const Wide b_begin = (uintptr_t)b->data;
  return a->bytes != 0 && b->bytes != 0 && a_begin < b_begin + b->bytes && b_begin < a_begin + a->bytes;
}

int32_t status_of_operands(const baracuda_paged_kv_append* op) {
  const Extents extents = extents_of(op);
  enum { OUTPUTS = 3, OPERANDS = 8 };
  const Operand operands[OPERANDS] = {
      {op->k_data, extents.cache, 16},       {op->v_data, extents.cache, 16},
      {op->error_record, extents.record, 4}, {op->key, extents.rows, 16},
      {op->value, extents.rows, 16},         {op->indices, extents.indices, 4},
      {op->indptr, extents.indptr, 4},       {op->last_page_len, extents.last_page_len, 4},
  };
  for (int i = 0; i < OPERANDS; ++i) {
    const Operand* operand = &operands[i];
    if (operand->bytes == 0) continue;
    if (operand->data == NULL || operand->bytes > PTRDIFF_MAX) return BARACUDA_INVALID_PROBLEM;
    if ((Wide)(uintptr_t)operand->data + operand->bytes > UINTPTR_MAX) return BARACUDA_INVALID_PROBLEM;
  }
  if (op->backend == BARACUDA_BACKEND_HOST && op->stream != NULL) return BARACUDA_INVALID_PROBLEM;
  if (op->error_record != NULL && !guarded(op)) return BARACUDA_INVALID_PROBLEM;
  for (int i = 0; i < OPERANDS; ++i)
    if (operands[i].bytes != 0 && (uintptr_t)operands[i].data % operands[i].alignment != 0)
      return BARACUDA_MISALIGNED_OPERAND;
  for (int i = 0; i < OUTPUTS; ++i)
    for (int j = 0; j < OPERANDS; ++j)
      if (i != j && overlap(&operands[i], &operands[j])) return BARACUDA_INVALID_PROBLEM;
  return BARACUDA_OK;
}

Request judge(const baracuda_paged_kv_append* op, int32_t request, bool (*can_read)(const void*, uint64_t),
              bool* unreadable) {
  const int64_t begin = op->indptr[request];
  const int64_t end = op->indptr[(int64_t)request + 1];
  const int64_t length = op->last_page_len[request];
  const int64_t entries = op->total_used_pages > 0 || guarded(op) ? op->total_used_pages : INT32_MAX;
  const int64_t pages = op->num_total_pages > 0 ? op->num_total_pages : INT64_MAX;
  const int64_t least = op->length_convention == BARACUDA_AFTER_APPEND ? 1 : 0;
  Request judged = {PADDING, -1, -1, length - least};
  if (begin == end) return judged;
  judged.verdict = CORRUPT_INDPTR;
  if (begin < 0 || end < begin || end > entries) return judged;
  judged.entry = end - 1;
  if (!can_read(&op->indices[judged.entry], sizeof(int32_t))) {
    *unreadable = true;
    return judged;
  }
  judged.page = op->indices[judged.entry];
  if (judged.page < 0)
    judged.verdict = PADDING;
  else if (judged.page >= pages)
    judged.verdict = CORRUPT_PAGE;
  else if (length < least || length >= op->page_size + least)
    judged.verdict = CORRUPT_LENGTH;
  else
    judged.verdict = SERVED;
  return judged;
}

uint64_t row_offset(const baracuda_paged_kv_append* op, const Request* request, int32_t head) {
  const Extents extents = extents_of(op);
  const uint64_t page = (uint64_t)request->page;
  const uint64_t slot = (uint64_t)request->slot;
  const uint64_t heads = (uint64_t)op->num_heads;
  const uint64_t slots = (uint64_t)op->page_size;
  const uint64_t row = op->layout == BARACUDA_LAYOUT_HND ? (page * heads + (uint64_t)head) * slots + slot
                                                         : (page * slots + slot) * heads + (uint64_t)head;
  return row * extents.row;
}
