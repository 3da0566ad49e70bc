/* What of an append the parts of the model look at alike. */
#ifndef BARACUDA_PROOF_MODEL_OP_H_
#define BARACUDA_PROOF_MODEL_OP_H_

#include <stddef.h>

#include "model.h"

static const Wide kMostBytes = PTRDIFF_MAX;

static inline Wide absolute(Wide number) { return number < 0 ? -number : number; }

static inline bool has(const baracuda_paged_kv_append* op, uint32_t flag) { return (op->flags & flag) != 0; }

static inline bool is_mirrored(const baracuda_paged_kv_append* op) { return has(op, BARACUDA_FLAG_MIRRORED); }

static inline int32_t width_of(const baracuda_paged_kv_append* op, int part) {
  return part == 1 && op->value_head_dim != 0 ? op->value_head_dim : op->head_dim;
}

/* Whether num_total_pages and total_used_pages may be left out. */
static inline bool may_leave_out(const baracuda_paged_kv_append* op) {
  return is_mirrored(op) || op->backend == BARACUDA_BACKEND_FLASHINFER;
}

static inline bool is_dense(const baracuda_paged_kv_append* op) { return op->table == BARACUDA_TABLE_DENSE; }

static inline bool is_by_seq_lens(const baracuda_paged_kv_append* op) {
  return op->lengths == BARACUDA_LENGTHS_SEQ_LENS;
}

static inline bool is_decode(const baracuda_paged_kv_append* op) {
  return op->addressing == BARACUDA_ADDRESSING_LAST_PAGE && !is_dense(op) && !is_by_seq_lens(op);
}

static inline bool takes_scale(const baracuda_paged_kv_append* op) {
  return op->transform == BARACUDA_TRANSFORM_FP8 || op->transform == BARACUDA_TRANSFORM_NVFP4;
}

static inline int64_t known_pages(const baracuda_paged_kv_append* op) {
  return op->num_total_pages > 0 ? op->num_total_pages : 1;
}

static inline bool is_scales(int operand) {
  return operand == BARACUDA_OPERAND_K_SCALES || operand == BARACUDA_OPERAND_V_SCALES;
}

/* Entries of indices that may be read, as far as they are counted. */
static inline int64_t most_entries(const baracuda_paged_kv_append* op) {
  return op->total_used_pages == 0 && may_leave_out(op) ? INT32_MAX : op->total_used_pages;
}

/* An operand that is written, for each head and place. */
typedef struct Written {
  uint8_t* data;
  int64_t row;
  Wide strides[3]; /* page, slot, head */
} Written;

/* Of a box of rows: as many strides as extents. */
Reach reach_over(int64_t row, int count, const Wide* strides, const int64_t* extents);

Written written_of(const baracuda_paged_kv_append* op, int operand);

#endif
