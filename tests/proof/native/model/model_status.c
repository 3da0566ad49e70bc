/* Which status an append comes to: of the problem, and of its operands. */

#include "formats.h"
#include "model_op.h"

static bool is_head_dim_of_kernels(int32_t head_dim) { return head_dim == 64 || head_dim == 128 || head_dim == 256; }

static bool has_int64(const baracuda_paged_kv_append* op) {
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i)
    if (is_wanted(op, i) && (op->int64_operands >> i & 1) != 0) return true;
  return false;
}

static int32_t limits_of_flashinfer(const baracuda_paged_kv_append* op) {
  const Wide two_to_the_32 = (Wide)1 << 32;
  const bool by_positions = op->addressing == BARACUDA_ADDRESSING_POSITIONS;
  if (!by_positions && !is_decode(op)) return BARACUDA_UNSUPPORTED;
  if (!is_head_dim_of_kernels(op->head_dim)) return BARACUDA_UNSUPPORTED;
  if (num_parts(op) != 2 || width_of(op, 1) != op->head_dim) return BARACUDA_UNSUPPORTED;
  if (has_int64(op)) return BARACUDA_UNSUPPORTED;
  const int64_t bytes = (int64_t)element_bytes(op->element);
  const int64_t vector = 16 / bytes > op->head_dim / 32 ? 16 / bytes : op->head_dim / 32;
  const Wide token = (Wide)op->num_heads * op->head_dim;
  if (token / vector > 1024) return BARACUDA_UNSUPPORTED;
  Wide page = token * op->page_size;
  if (has(op, BARACUDA_FLAG_STRIDED)) page = op->num_total_pages > 1 ? op->k_data_strides[0] : 0;
  if (page < 0 || page >= two_to_the_32) return BARACUDA_UNSUPPORTED;
  if (by_positions) {
    const bool fits = (Wide)op->total_used_pages * op->page_size <= two_to_the_32 / 2;
    return fits && op->num_rows <= INT32_MAX - 65536 ? BARACUDA_OK : BARACUDA_UNSUPPORTED;
  }
  if (token * op->batch_size >= two_to_the_32) return BARACUDA_UNSUPPORTED;
  if (op->total_used_pages == 0) return BARACUDA_OK;
  if (op->total_used_pages < op->batch_size) return BARACUDA_INVALID_PROBLEM; /* some request has no page */
  const Wide most_pages = (Wide)(op->total_used_pages - op->batch_size) + 1;
  return most_pages * op->page_size >= two_to_the_32 / 2 ? BARACUDA_UNSUPPORTED : BARACUDA_OK;
}

static bool go_together(const baracuda_paged_kv_append* op) {
  const bool by_request = op->addressing <= BARACUDA_ADDRESSING_RAGGED;
  if (!by_request && (is_dense(op) || is_by_seq_lens(op))) return false;
  if (is_dense(op) && !is_by_seq_lens(op)) return false;
  if (op->addressing == BARACUDA_ADDRESSING_RAGGED && !is_by_seq_lens(op) &&
      op->length_convention == BARACUDA_BEFORE_APPEND)
    return false;
  return !has(op, BARACUDA_FLAG_SKIP_SLOT) || op->addressing == BARACUDA_ADDRESSING_SLOTS;
}

static bool is_count(int64_t number) { return number >= 0 && number < (int64_t)1 << 31; }

static bool is_one_of(int32_t element, int32_t a, int32_t b, int32_t c) {
  return element == a || element == b || element == c;
}

static bool writes(int32_t transform, int32_t element) {
  switch (transform) {
    case BARACUDA_TRANSFORM_FP8:
      return is_one_of(element, BARACUDA_ELEMENT_FP8_E4M3, BARACUDA_ELEMENT_FP8_E5M2, BARACUDA_ELEMENT_FP8_E5M2);
    case BARACUDA_TRANSFORM_PER_TOKEN_HEAD:
      return is_one_of(element, BARACUDA_ELEMENT_FP8_E4M3, BARACUDA_ELEMENT_I8, BARACUDA_ELEMENT_I8);
    default:
      return element == BARACUDA_ELEMENT_U8;
  }
}

static bool reads(int32_t transform, int32_t element) {
  const int32_t f32 = transform == BARACUDA_TRANSFORM_FP8_DS_MLA ? BARACUDA_ELEMENT_F16 : BARACUDA_ELEMENT_F32;
  return is_one_of(element, BARACUDA_ELEMENT_F16, BARACUDA_ELEMENT_BF16, f32);
}

static bool is_scale_stride(int64_t stride) { return stride == 0 || stride == 1; }

static int32_t status_of_transform(const baracuda_paged_kv_append* op) {
  const bool two = num_parts(op) == 2;
  if (op->transform == BARACUDA_TRANSFORM_COPY)
    return op->source_element == 0 || op->source_element == op->element ? BARACUDA_OK : BARACUDA_UNSUPPORTED;
  if (!writes(op->transform, op->element)) return BARACUDA_UNSUPPORTED;
  if (!reads(op->transform, source_element(op))) return BARACUDA_INVALID_PROBLEM;
  if (op->transform == BARACUDA_TRANSFORM_FP8_DS_MLA) {
    if (op->head_dim != DS_MLA_RANK || op->num_heads != 1) return BARACUDA_UNSUPPORTED;
    return two && width_of(op, 1) != DS_MLA_ROPE ? BARACUDA_UNSUPPORTED : BARACUDA_OK;
  }
  if (op->transform == BARACUDA_TRANSFORM_NVFP4)
    for (int part = 0; part < num_parts(op); ++part)
      if (width_of(op, part) % NVFP4_BLOCK != 0) return BARACUDA_UNSUPPORTED;
  if (!takes_scale(op)) return BARACUDA_OK;
  const bool is_right = is_scale_stride(op->k_scale_stride) && (!two || is_scale_stride(op->v_scale_stride));
  return is_right ? BARACUDA_OK : BARACUDA_UNSUPPORTED;
}

int32_t status_of_problem(const baracuda_paged_kv_append* op) {
  const uint32_t known = BARACUDA_FLAG_GUARDED | BARACUDA_FLAG_STRIDED | BARACUDA_FLAG_INFER | BARACUDA_FLAG_MIRRORED |
                         BARACUDA_FLAG_SKIP_SLOT;
  if ((op->flags & ~known) != 0) return BARACUDA_UNSUPPORTED;
  if (op->backend < 1 || op->backend > 3) return BARACUDA_UNSUPPORTED;
  if (op->backend == BARACUDA_BACKEND_FLASHINFER && is_guarded(op)) return BARACUDA_UNSUPPORTED;
  if (op->backend == BARACUDA_BACKEND_BESPOKE && !is_guarded(op)) return BARACUDA_UNSUPPORTED;
  if (op->layout < 0 || op->layout > 1) return BARACUDA_UNSUPPORTED;
  if (op->length_convention < 0 || op->length_convention > 1) return BARACUDA_UNSUPPORTED;
  if (op->addressing < 0 || op->addressing > 3) return BARACUDA_UNSUPPORTED;
  if (op->table < 0 || op->table > 1 || op->lengths < 0 || op->lengths > 1) return BARACUDA_UNSUPPORTED;
  if (op->transform < 0 || op->transform > BARACUDA_TRANSFORM_NVFP4) return BARACUDA_UNSUPPORTED;
  if (op->parts < 0 || op->parts > 1) return BARACUDA_UNSUPPORTED;
  if (!go_together(op)) return BARACUDA_UNSUPPORTED;
  if (is_mirrored(op) &&
      (!is_decode(op) || op->transform != BARACUDA_TRANSFORM_COPY || has(op, BARACUDA_FLAG_STRIDED) || is_guarded(op) ||
       num_parts(op) != 2 || width_of(op, 1) != op->head_dim || has_int64(op)))
    return BARACUDA_UNSUPPORTED;
  if (op->batch_size < (is_mirrored(op) ? 1 : 0)) return BARACUDA_INVALID_PROBLEM;
  if (op->page_size < 1 || op->num_heads < 1) return BARACUDA_INVALID_PROBLEM;
  if (op->num_total_pages < 0 || op->total_used_pages < 0) return BARACUDA_INVALID_PROBLEM;
  if (op->addressing != BARACUDA_ADDRESSING_LAST_PAGE && !is_count(op->num_rows)) return BARACUDA_INVALID_PROBLEM;
  if (is_dense(op) && (!is_count(op->max_pages) || op->block_table_stride < 0)) return BARACUDA_INVALID_PROBLEM;
  if (op->num_total_pages == 0 && (!may_leave_out(op) || has(op, BARACUDA_FLAG_STRIDED)))
    return BARACUDA_INVALID_PROBLEM;
  for (int part = 0; part < num_parts(op); ++part) {
    if (width_of(op, part) < 1) return BARACUDA_UNSUPPORTED;
    if (is_mirrored(op) && !is_head_dim_of_kernels(width_of(op, part))) return BARACUDA_UNSUPPORTED;
  }
  if (element_bytes(op->element) == 0) return BARACUDA_UNSUPPORTED;
  if (is_mirrored(op) && op->element > BARACUDA_ELEMENT_FP8_E5M2) return BARACUDA_UNSUPPORTED;
  const int32_t status = status_of_transform(op);
  if (status != BARACUDA_OK) return status;
  if (op->backend != BARACUDA_BACKEND_FLASHINFER) return BARACUDA_OK;
  return op->transform == BARACUDA_TRANSFORM_COPY ? limits_of_flashinfer(op) : BARACUDA_UNSUPPORTED;
}

/* An operand's bytes: from begin up to end. */
typedef struct Span {
  Wide begin, end;
} Span;

static Span span_of(const baracuda_paged_kv_append* op, int operand) {
  const Reach reach = reach_of(op, operand);
  const Wide address = (uintptr_t)pointer_of(op, operand);
  return (Span){address - reach.below, address + reach.above};
}

static bool is_empty(const baracuda_paged_kv_append* op, int operand) { return reach_of(op, operand).above == 0; }

static bool spans_overlap(const baracuda_paged_kv_append* op, int a, int b) {
  const Span x = span_of(op, a);
  const Span y = span_of(op, b);
  return !is_empty(op, a) && !is_empty(op, b) && x.begin < y.end && y.begin < x.end;
}

enum { MOST_PLACES = 4096 };

/* Two operands that are written, by the dimensions over which both take one step; of the others, what they span. */
typedef struct Boxes {
  int count;
  Wide strides[3];
  int64_t extents[3];
  Reach reach[2];
  Wide distance; /* from the first to the second */
} Boxes;

static Boxes boxes_of(const baracuda_paged_kv_append* op, int a, int b) {
  const Written written[] = {written_of(op, a), written_of(op, b)};
  const int64_t extents[] = {known_pages(op), op->page_size, op->num_heads};
  Boxes boxes = {.distance = (Wide)(uintptr_t)written[1].data - (Wide)(uintptr_t)written[0].data};
  Wide apart[2][3] = {{0}};
  for (int i = 0; i < 3; ++i) {
    if (written[0].strides[i] == written[1].strides[i]) {
      boxes.strides[boxes.count] = written[0].strides[i];
      boxes.extents[boxes.count++] = extents[i];
    } else {
      apart[0][i] = written[0].strides[i];
      apart[1][i] = written[1].strides[i];
    }
  }
  for (int i = 0; i < 2; ++i) boxes.reach[i] = reach_over(written[i].row, 3, apart[i], extents);
  for (; boxes.count < 3; ++boxes.count) boxes.extents[boxes.count] = 1;
  return boxes;
}

/* Every one of one against every one of the other: by translation, one of the first against the second moved every
 * way. */
static bool boxes_meet(const Boxes* boxes) {
  for (int64_t a = 1 - boxes->extents[0]; a < boxes->extents[0]; ++a)
    for (int64_t b = 1 - boxes->extents[1]; b < boxes->extents[1]; ++b)
      for (int64_t c = 1 - boxes->extents[2]; c < boxes->extents[2]; ++c) {
        const Wide at = boxes->distance + a * boxes->strides[0] + b * boxes->strides[1] + c * boxes->strides[2];
        if (at - boxes->reach[1].below < (Wide)boxes->reach[0].above &&
            at + boxes->reach[1].above > -(Wide)boxes->reach[0].below)
          return true;
      }
  return false;
}

/* Whether each stride leads past all that the smaller ones reach. */
static bool are_nested(const Boxes* boxes) {
  const Wide first = (Wide)boxes->reach[0].below + boxes->reach[0].above;
  const Wide second = (Wide)boxes->reach[1].below + boxes->reach[1].above;
  for (int i = 0; i < 3; ++i) {
    if (boxes->extents[i] <= 1) continue;
    Wide within = first > second ? first : second;
    for (int j = 0; j < 3; ++j) {
      const bool smaller = absolute(boxes->strides[j]) < absolute(boxes->strides[i]);
      const bool is_inner = smaller || (absolute(boxes->strides[j]) == absolute(boxes->strides[i]) && j > i);
      if (j != i && is_inner) within += absolute(boxes->strides[j]) * (boxes->extents[j] - 1);
    }
    if (absolute(boxes->strides[i]) < within) return false;
  }
  return true;
}

/* Of two whose spans overlap. */
static bool written_overlap(const baracuda_paged_kv_append* op, int a, int b, bool* may_refuse) {
  const Boxes boxes = boxes_of(op, a, b);
  const bool few = (Wide)boxes.extents[0] * boxes.extents[1] * boxes.extents[2] <= MOST_PLACES;
  if (few && boxes_meet(&boxes)) return true;
  /* Nor is it of memory that no machine has. */
  const bool is_far = (Wide)reach_of(op, a).above + reach_of(op, a).below >= (Wide)1 << 60;
  if (!few || is_far || !are_nested(&boxes)) *may_refuse = true;
  return false;
}

static int32_t status_for_flashinfer(const baracuda_paged_kv_append* op) {
  if (rows_of(op) == 0) return BARACUDA_OK;
  const ModelPart parts[] = {part_of(op, 0), part_of(op, 1)};
  const int64_t bytes = (int64_t)element_bytes(op->element);
  for (int i = 0; i < 2; ++i) {
    if (op->addressing == BARACUDA_ADDRESSING_POSITIONS) {
      if (parts[i].token < 0 || parts[i].token % 16 != 0) return BARACUDA_UNSUPPORTED;
      if (parts[i].head < 0 || parts[i].head % 16 != 0) return BARACUDA_UNSUPPORTED;
      continue;
    }
    if (op->num_heads > 1 && parts[i].head != parts[i].row) return BARACUDA_UNSUPPORTED;
    if (op->batch_size > 1 && parts[i].token != (Wide)parts[i].row * op->num_heads) return BARACUDA_UNSUPPORTED;
  }
  const Wide k[] = {parts[0].page, parts[0].slot, parts[0].cache_head};
  const Wide v[] = {parts[1].page, parts[1].slot, parts[1].cache_head};
  for (int i = 0; i < 3; ++i)
    if (k[i] != v[i] || k[i] < 0 || k[i] % 16 != 0 || k[i] / bytes >= (Wide)1 << 32) return BARACUDA_UNSUPPORTED;
  for (int i = BARACUDA_OPERAND_KEY; i <= BARACUDA_OPERAND_V_DATA; ++i)
    if ((uintptr_t)pointer_of(op, i) % 16 != 0) return BARACUDA_MISALIGNED_OPERAND;
  return BARACUDA_OK;
}

uint64_t alignment_of(const baracuda_paged_kv_append* op, int operand) {
  if (operand == BARACUDA_NUM_OPERANDS) return 8;
  if (is_mirrored(op) && operand <= BARACUDA_OPERAND_V_DATA) return 16;
  switch (operand) {
    case BARACUDA_OPERAND_KEY:
    case BARACUDA_OPERAND_VALUE:
      return element_bytes(source_element(op));
    case BARACUDA_OPERAND_K_DATA:
    case BARACUDA_OPERAND_V_DATA:
      return op->transform == BARACUDA_TRANSFORM_FP8_DS_MLA ? 4 : element_bytes(op->element);
    case BARACUDA_OPERAND_K_SCALE:
    case BARACUDA_OPERAND_V_SCALE:
      return 4;
    case BARACUDA_OPERAND_K_SCALES:
    case BARACUDA_OPERAND_V_SCALES:
      return op->transform == BARACUDA_TRANSFORM_NVFP4 ? 1 : 4;
    default:
      return entry_bytes(op, operand);
  }
}

static bool is_written(int operand) {
  return operand == BARACUDA_OPERAND_K_DATA || operand == BARACUDA_OPERAND_V_DATA || is_scales(operand) ||
         operand == BARACUDA_NUM_OPERANDS;
}

/* Not of the record, nor of what the append does not write. */
static bool repeats_a_place(const baracuda_paged_kv_append* op, int operand) {
  if (operand == BARACUDA_NUM_OPERANDS || !is_written(operand) || is_empty(op, operand)) return false;
  const Written to = written_of(op, operand);
  return (known_pages(op) > 1 && to.strides[0] == 0) || (op->page_size > 1 && to.strides[1] == 0) ||
         (op->num_heads > 1 && to.strides[2] == 0);
}

/* The f32 within a row are aligned too. */
static bool is_aligned(const baracuda_paged_kv_append* op, int operand) {
  if ((uintptr_t)pointer_of(op, operand) % alignment_of(op, operand) != 0) return false;
  if (op->transform != BARACUDA_TRANSFORM_FP8_DS_MLA || operand != BARACUDA_OPERAND_K_DATA) return true;
  const Written to = written_of(op, operand);
  return to.strides[0] % 4 == 0 && to.strides[1] % 4 == 0;
}

int32_t status_of_operands(const baracuda_paged_kv_append* op, bool* may_refuse) {
  *may_refuse = false;
  for (int i = 0; i <= BARACUDA_NUM_OPERANDS; ++i) {
    if (is_empty(op, i)) continue;
    const Reach reach = reach_of(op, i);
    const Span span = span_of(op, i);
    if (pointer_of(op, i) == NULL || (Wide)reach.below + reach.above > kMostBytes) return BARACUDA_INVALID_PROBLEM;
    if (span.begin < 0 || span.end > (Wide)UINTPTR_MAX) return BARACUDA_INVALID_PROBLEM;
  }
  if (op->backend == BARACUDA_BACKEND_HOST && op->stream != NULL) return BARACUDA_INVALID_PROBLEM;
  if (op->error_record != NULL && !is_guarded(op)) return BARACUDA_INVALID_PROBLEM;
  for (int i = 0; i <= BARACUDA_NUM_OPERANDS; ++i)
    if (!is_empty(op, i) && !is_aligned(op, i)) return BARACUDA_MISALIGNED_OPERAND;
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i)
    if (repeats_a_place(op, i)) return BARACUDA_INVALID_PROBLEM;
  for (int i = 0; i <= BARACUDA_NUM_OPERANDS; ++i)
    for (int j = 0; j <= BARACUDA_NUM_OPERANDS; ++j) {
      if (i == j || !is_written(i) || !spans_overlap(op, i, j)) continue;
      const bool has_places = i != BARACUDA_NUM_OPERANDS && j != BARACUDA_NUM_OPERANDS && is_written(j);
      if (!has_places || written_overlap(op, i, j, may_refuse)) return BARACUDA_INVALID_PROBLEM;
    }
  return op->backend == BARACUDA_BACKEND_FLASHINFER ? status_for_flashinfer(op) : BARACUDA_OK;
}
