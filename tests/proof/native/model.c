#include "model.h"

#include <stddef.h>
#include <string.h>

#include "formats.h"

static const Wide kMostBytes = PTRDIFF_MAX;

static Wide absolute(Wide number) { return number < 0 ? -number : number; }

static uint64_t narrow(Wide number) { return number > (Wide)UINT64_MAX ? UINT64_MAX : (uint64_t)number; }

static bool has(const baracuda_paged_kv_append* op, uint32_t flag) { return (op->flags & flag) != 0; }

static bool is_mirrored(const baracuda_paged_kv_append* op) { return has(op, BARACUDA_FLAG_MIRRORED); }

static int32_t width_of(const baracuda_paged_kv_append* op, int part) {
  return part == 1 && op->value_head_dim != 0 ? op->value_head_dim : op->head_dim;
}

/* Whether num_total_pages and total_used_pages may be left out. */
static bool may_leave_out(const baracuda_paged_kv_append* op) {
  return is_mirrored(op) || op->backend == BARACUDA_BACKEND_FLASHINFER;
}

bool is_guarded(const baracuda_paged_kv_append* op) { return has(op, BARACUDA_FLAG_GUARDED); }

int64_t rows_of(const baracuda_paged_kv_append* op) {
  if (op->addressing == BARACUDA_ADDRESSING_LAST_PAGE) return op->batch_size;
  return op->addressing == BARACUDA_ADDRESSING_RAGGED && op->batch_size == 0 ? 0 : op->num_rows;
}

static bool is_dense(const baracuda_paged_kv_append* op) { return op->table == BARACUDA_TABLE_DENSE; }

static bool is_by_seq_lens(const baracuda_paged_kv_append* op) { return op->lengths == BARACUDA_LENGTHS_SEQ_LENS; }

static bool is_decode(const baracuda_paged_kv_append* op) {
  return op->addressing == BARACUDA_ADDRESSING_LAST_PAGE && !is_dense(op) && !is_by_seq_lens(op);
}

int table_of(const baracuda_paged_kv_append* op) {
  if (op->addressing == BARACUDA_ADDRESSING_SLOTS) return BARACUDA_NUM_OPERANDS;
  return is_dense(op) ? BARACUDA_OPERAND_BLOCK_TABLE : BARACUDA_OPERAND_INDICES;
}

static bool takes_scale(const baracuda_paged_kv_append* op) {
  return op->transform == BARACUDA_TRANSFORM_FP8 || op->transform == BARACUDA_TRANSFORM_NVFP4;
}

static bool writes_scales(const baracuda_paged_kv_append* op) {
  return op->transform == BARACUDA_TRANSFORM_PER_TOKEN_HEAD || op->transform == BARACUDA_TRANSFORM_NVFP4;
}

bool is_wanted(const baracuda_paged_kv_append* op, int operand) {
  const bool slots = op->addressing == BARACUDA_ADDRESSING_SLOTS;
  const bool positions = op->addressing == BARACUDA_ADDRESSING_POSITIONS;
  switch (operand) {
    case BARACUDA_OPERAND_KEY:
    case BARACUDA_OPERAND_K_DATA:
      return true;
    case BARACUDA_OPERAND_VALUE:
      return num_parts(op) == 2;
    case BARACUDA_OPERAND_V_DATA:
      return num_parts(op) == 2 && op->transform != BARACUDA_TRANSFORM_FP8_DS_MLA;
    case BARACUDA_OPERAND_K_SCALE:
      return takes_scale(op);
    case BARACUDA_OPERAND_V_SCALE:
      return takes_scale(op) && num_parts(op) == 2;
    case BARACUDA_OPERAND_K_SCALES:
      return writes_scales(op);
    case BARACUDA_OPERAND_V_SCALES:
      return writes_scales(op) && num_parts(op) == 2;
    case BARACUDA_OPERAND_INDICES:
    case BARACUDA_OPERAND_INDPTR:
      return !slots && !is_dense(op);
    case BARACUDA_OPERAND_BLOCK_TABLE:
      return is_dense(op);
    case BARACUDA_OPERAND_LAST_PAGE_LEN:
      return !slots && !positions && !is_by_seq_lens(op);
    case BARACUDA_OPERAND_SEQ_LENS:
      return is_by_seq_lens(op);
    case BARACUDA_OPERAND_APPEND_INDPTR:
      return op->addressing == BARACUDA_ADDRESSING_RAGGED;
    case BARACUDA_OPERAND_BATCH_INDICES:
    case BARACUDA_OPERAND_POSITIONS:
      return positions;
    case BARACUDA_OPERAND_SLOT_MAPPING:
      return slots;
    default:
      return false;
  }
}

int32_t num_parts(const baracuda_paged_kv_append* op) { return op->parts == BARACUDA_PARTS_KEY ? 1 : 2; }

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

uint64_t entry_bytes(const baracuda_paged_kv_append* op, int operand) {
  return (op->int64_operands >> operand & 1) != 0 ? 8 : 4;
}

int64_t table_entry(const baracuda_paged_kv_append* op, int operand, int64_t entry) {
  const uint8_t* at = (const uint8_t*)pointer_of(op, operand) + (uint64_t)entry * entry_bytes(op, operand);
  int64_t wide;
  int32_t small;
  memcpy(&small, at, sizeof(small));
  if (entry_bytes(op, operand) == 4) return small;
  memcpy(&wide, at, sizeof(wide));
  return wide;
}

const void* pointer_of(const baracuda_paged_kv_append* op, int operand) {
  switch (operand) {
#define CASE(ENUM, name, value) \
  case value:                   \
    return op->name;
    BARACUDA_FOR_EACH_OPERAND(CASE)
#undef CASE
    default:
      return op->error_record;
  }
}

/* Strides of what is written: page, slot, head. */
typedef struct PlaceStrides {
  Wide page, slot, head;
} PlaceStrides;

static PlaceStrides in_bytes(const baracuda_paged_kv_append* op, PlaceStrides strides, int64_t bytes) {
  strides.page *= op->num_total_pages != 1 ? bytes : 0; /* 0: not stated, there may be many */
  strides.slot *= op->page_size > 1 ? bytes : 0;
  strides.head *= op->num_heads > 1 ? bytes : 0;
  return strides;
}

/* Of rows of so many elements, as the layout has them; or as they are stated. */
static PlaceStrides place_strides(const baracuda_paged_kv_append* op, bool heads_first, Wide width,
                                  const int64_t* stated) {
  const Wide heads = op->num_heads;
  const Wide slots = op->page_size;
  if (has(op, BARACUDA_FLAG_STRIDED)) return (PlaceStrides){stated[0], stated[1], stated[2]};
  if (heads_first) return (PlaceStrides){heads * slots * width, width, slots * width};
  return (PlaceStrides){heads * slots * width, heads * width, width};
}

static void add_scales(const baracuda_paged_kv_append* op, int part, ModelPart* made) {
  const bool is_nvfp4 = op->transform == BARACUDA_TRANSFORM_NVFP4;
  if (takes_scale(op)) {
    made->scale = part == 0 ? op->k_scale : op->v_scale;
    made->scale_head = (part == 0 ? op->k_scale_stride : op->v_scale_stride) * (op->num_heads > 1 ? 4 : 0);
  }
  if (!writes_scales(op)) return;
  const int64_t bytes = is_nvfp4 ? 1 : 4;
  made->scales = part == 0 ? op->k_scales : op->v_scales;
  made->scales_written = scales_bytes(op, made->width);
  const PlaceStrides strides =
      in_bytes(op,
               place_strides(op, is_nvfp4 && op->layout == BARACUDA_LAYOUT_HND, made->scales_written / bytes,
                             part == 0 ? op->k_scales_strides : op->v_scales_strides),
               bytes);
  made->scales_page = strides.page;
  made->scales_slot = strides.slot;
  made->scales_head = strides.head;
}

ModelPart part_of(const baracuda_paged_kv_append* op, int part) {
  const int64_t bytes = (int64_t)element_bytes(source_element(op));
  const bool is_ds_mla = op->transform == BARACUDA_TRANSFORM_FP8_DS_MLA;
  const bool by_k_data = part == 0 || is_ds_mla;
  ModelPart made = {.rows = part == 0 ? op->key : op->value,
                    .cache = by_k_data ? op->k_data : op->v_data,
                    .width = width_of(op, part)};
  made.row = made.width * bytes;
  made.written = converted_bytes(op, part, made.width);
  made.token = (Wide)op->num_heads * made.width;
  made.head = made.width;
  if (has(op, BARACUDA_FLAG_STRIDED)) {
    const int64_t* rows = part == 0 ? op->key_strides : op->value_strides;
    made.token = rows[0];
    made.head = rows[1];
  }
  made.token *= rows_of(op) > 1 ? bytes : 0;
  made.head *= op->num_heads > 1 ? bytes : 0;
  const PlaceStrides cache = in_bytes(op,
                                      place_strides(op, op->layout == BARACUDA_LAYOUT_HND, cache_width(op, made.width),
                                                    by_k_data ? op->k_data_strides : op->v_data_strides),
                                      (int64_t)element_bytes(op->element));
  made.page = cache.page;
  made.slot = cache.slot;
  made.cache_head = cache.head;
  if (is_ds_mla && part == 1) made.cache = (uint8_t*)((uintptr_t)made.cache + DS_MLA_RANK + DS_MLA_SCALES);
  add_scales(op, part, &made);
  return made;
}

static int64_t known_pages(const baracuda_paged_kv_append* op) {
  return op->num_total_pages > 0 ? op->num_total_pages : 1;
}

/* Of a box of rows: as many strides as extents. */
static Reach reach_over(int64_t row, int count, const Wide* strides, const int64_t* extents) {
  Wide below = 0;
  Wide above = row;
  for (int i = 0; i < count; ++i) {
    const Wide bytes = strides[i] * (extents[i] - 1);
    if (bytes < 0)
      below -= bytes;
    else
      above += bytes;
  }
  return (Reach){narrow(below), narrow(above)};
}

static Reach reach_of_rows(const baracuda_paged_kv_append* op, int part) {
  const ModelPart from = part_of(op, part);
  return reach_over(from.row, 2, (Wide[]){from.token, from.head}, (int64_t[]){rows_of(op), op->num_heads});
}

/* An operand that is written, for each head and place. */
typedef struct Written {
  uint8_t* data;
  int64_t row;
  Wide strides[3]; /* page, slot, head */
} Written;

static bool is_scales(int operand) {
  return operand == BARACUDA_OPERAND_K_SCALES || operand == BARACUDA_OPERAND_V_SCALES;
}

static Written written_of(const baracuda_paged_kv_append* op, int operand) {
  const bool is_second = operand == BARACUDA_OPERAND_V_DATA || operand == BARACUDA_OPERAND_V_SCALES;
  const ModelPart part = part_of(op, is_second);
  if (is_scales(operand))
    return (Written){part.scales, part.scales_written, {part.scales_page, part.scales_slot, part.scales_head}};
  /* Both parts of FP8_DS_MLA are in one row. */
  const int64_t row = op->transform == BARACUDA_TRANSFORM_FP8_DS_MLA ? DS_MLA_ROW : part.written;
  return (Written){part.cache, row, {part.page, part.slot, part.cache_head}};
}

static Reach reach_of_written(const baracuda_paged_kv_append* op, int operand) {
  const Written to = written_of(op, operand);
  return reach_over(to.row, 3, to.strides, (int64_t[]){known_pages(op), op->page_size, op->num_heads});
}

/* Entries of indices that may be read, as far as they are counted. */
static int64_t most_entries(const baracuda_paged_kv_append* op) {
  return op->total_used_pages == 0 && may_leave_out(op) ? INT32_MAX : op->total_used_pages;
}

Reach reach_of(const baracuda_paged_kv_append* op, int operand) {
  const Reach none = {0, 0};
  const Wide batch = op->batch_size;
  Wide entries = 0;
  if (operand == BARACUDA_NUM_OPERANDS) return (Reach){0, op->error_record != NULL ? 64 : 0};
  if (rows_of(op) == 0 || !is_wanted(op, operand)) return none;
  switch (operand) {
    case BARACUDA_OPERAND_KEY:
    case BARACUDA_OPERAND_VALUE:
      return reach_of_rows(op, operand == BARACUDA_OPERAND_VALUE);
    case BARACUDA_OPERAND_K_DATA:
    case BARACUDA_OPERAND_V_DATA:
    case BARACUDA_OPERAND_K_SCALES:
    case BARACUDA_OPERAND_V_SCALES:
      return reach_of_written(op, operand);
    case BARACUDA_OPERAND_K_SCALE:
    case BARACUDA_OPERAND_V_SCALE:
      return reach_over(4, 1, (Wide[]){part_of(op, operand == BARACUDA_OPERAND_V_SCALE).scale_head},
                        (int64_t[]){op->num_heads});
    case BARACUDA_OPERAND_INDICES: /* where they are not counted, one at least */
      entries = most_entries(op) == INT32_MAX && op->total_used_pages == 0 ? 1 : op->total_used_pages;
      break;
    case BARACUDA_OPERAND_INDPTR:
    case BARACUDA_OPERAND_APPEND_INDPTR:
      entries = batch + 1;
      break;
    case BARACUDA_OPERAND_LAST_PAGE_LEN:
    case BARACUDA_OPERAND_SEQ_LENS:
      entries = batch;
      break;
    case BARACUDA_OPERAND_BLOCK_TABLE:
      entries = op->max_pages > 0 ? (batch - 1) * op->block_table_stride + op->max_pages : 0;
      break;
    default:
      entries = rows_of(op);
      break;
  }
  return (Reach){0, narrow(entries * (Wide)entry_bytes(op, operand))};
}

static bool is_head_dim_of_kernels(int32_t head_dim) { return head_dim == 64 || head_dim == 128 || head_dim == 256; }

static int32_t limits_of_flashinfer(const baracuda_paged_kv_append* op) {
  const Wide two_to_the_32 = (Wide)1 << 32;
  const bool by_positions = op->addressing == BARACUDA_ADDRESSING_POSITIONS;
  if (!by_positions && !is_decode(op)) return BARACUDA_UNSUPPORTED;
  if (!is_head_dim_of_kernels(op->head_dim)) return BARACUDA_UNSUPPORTED;
  if (num_parts(op) != 2 || width_of(op, 1) != op->head_dim) return BARACUDA_UNSUPPORTED;
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i)
    if (is_wanted(op, i) && (op->int64_operands >> i & 1) != 0) return BARACUDA_UNSUPPORTED;
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
       num_parts(op) != 2 || width_of(op, 1) != op->head_dim || op->int64_operands != 0))
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

/* Every one of one against every one of the other: by translation, one of the first against the second moved every way. */
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

static ModelRow corrupt(ModelRow row, int32_t reason, int32_t operand, int64_t seen, int64_t limit) {
  row.verdict = CORRUPT;
  row.record.reason = reason;
  row.record.operand = operand;
  row.record.seen = seen;
  row.record.limit = limit;
  return row;
}

static ModelRow padding(ModelRow row) {
  row.verdict = PADDING;
  return row;
}

/* Reads the page's id, and judges the slot. */
static ModelRow at_entry(const baracuda_paged_kv_append* op, ModelRow row, int64_t entry,
                         bool (*can_read)(const void*, uint64_t), bool* unreadable) {
  const int table = table_of(op);
  const int64_t pages = op->num_total_pages > 0 ? op->num_total_pages : INT64_MAX;
  const uint64_t bytes = entry_bytes(op, table);
  row.entry = entry;
  if (!can_read((const uint8_t*)pointer_of(op, table) + (uint64_t)entry * bytes, bytes)) {
    *unreadable = true;
    return row;
  }
  row.record.page = table_entry(op, table, entry);
  if (row.record.page < 0) return padding(row);
  if (row.record.page >= pages) return corrupt(row, BARACUDA_CORRUPT_PAGE, table, row.record.page, pages);
  row.verdict = SERVED;
  return row;
}

/* A request's part of the table. */
typedef struct Listed {
  int64_t first; /* entry */
  int64_t pages;
} Listed;

/* False where indptr is corrupt, which *row then says. */
static bool find_part(const baracuda_paged_kv_append* op, int64_t request, Listed* listed, ModelRow* row) {
  row->record.request = request;
  if (is_dense(op)) {
    *listed = (Listed){request == 0 || op->max_pages == 0 ? 0 : request * op->block_table_stride, op->max_pages};
    return true;
  }
  const int64_t begin = table_entry(op, BARACUDA_OPERAND_INDPTR, request);
  const int64_t end = table_entry(op, BARACUDA_OPERAND_INDPTR, request + 1);
  if (begin < 0) {
    *row = corrupt(*row, BARACUDA_CORRUPT_INDPTR, BARACUDA_OPERAND_INDPTR, begin, 0);
  } else if (end < begin) {
    *row = corrupt(*row, BARACUDA_CORRUPT_INDPTR, BARACUDA_OPERAND_INDPTR, end, begin);
  } else if (end > most_entries(op)) {
    *row = corrupt(*row, BARACUDA_CORRUPT_INDPTR, BARACUDA_OPERAND_INDPTR, end, most_entries(op) + 1);
  } else {
    *listed = (Listed){begin, end - begin};
    return true;
  }
  return false;
}

static ModelRow judge_decode(const baracuda_paged_kv_append* op, ModelRow row, bool (*can_read)(const void*, uint64_t),
                             bool* unreadable) {
  const int64_t request = row.record.row;
  const int64_t length = table_entry(op, BARACUDA_OPERAND_LAST_PAGE_LEN, request);
  const int64_t least = op->length_convention == BARACUDA_AFTER_APPEND ? 1 : 0;
  Listed listed;
  row.record.request = request;
  if (table_entry(op, BARACUDA_OPERAND_INDPTR, request) == table_entry(op, BARACUDA_OPERAND_INDPTR, request + 1))
    return row;
  if (!find_part(op, request, &listed, &row)) return row;
  row = at_entry(op, row, listed.first + listed.pages - 1, can_read, unreadable);
  if (row.verdict != SERVED) return row;
  if (length < least)
    return corrupt(row, BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_LAST_PAGE_LEN, length, least);
  if (length >= op->page_size + least)
    return corrupt(row, BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_LAST_PAGE_LEN, length, op->page_size + least);
  row.slot = length - least;
  return row;
}

static ModelRow at_token(const baracuda_paged_kv_append* op, ModelRow row, Listed listed, Wide token,
                         bool (*can_read)(const void*, uint64_t), bool* unreadable) {
  row.slot = (int64_t)(token % op->page_size);
  return at_entry(op, row, listed.first + (int64_t)(token / op->page_size), can_read, unreadable);
}

/* The `nth` of the `count` newest tokens of a request, of which the rows end at `end`. */
static ModelRow judge_newest(const baracuda_paged_kv_append* op, ModelRow row, int64_t request, int64_t nth,
                             int64_t count, int64_t end, bool (*can_read)(const void*, uint64_t), bool* unreadable) {
  const bool after = op->length_convention == BARACUDA_AFTER_APPEND;
  Listed listed;
  if (!find_part(op, request, &listed, &row)) return row;
  const Wide room = (Wide)listed.pages * op->page_size;
  Wide total; /* with the new ones */
  if (is_by_seq_lens(op)) {
    const int64_t length = table_entry(op, BARACUDA_OPERAND_SEQ_LENS, request);
    if (after && length == 0) return padding(row);
    if (length < 0) return corrupt(row, BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_SEQ_LENS, length, 0);
    total = (Wide)length + (after ? 0 : count);
    if (total - count + nth >= room)
      return corrupt(row, BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_SEQ_LENS, length,
                     (int64_t)(room - nth + (after ? count : 0)));
  } else {
    const int64_t length = table_entry(op, BARACUDA_OPERAND_LAST_PAGE_LEN, request);
    if (listed.pages == 0) return padding(row);
    if (length < 1 || length > op->page_size)
      return corrupt(row, BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_LAST_PAGE_LEN, length,
                     length < 1 ? 1 : (int64_t)op->page_size + 1);
    total = room - op->page_size + length;
  }
  if (total - count + nth < 0)
    return corrupt(row, BARACUDA_CORRUPT_APPEND_INDPTR, BARACUDA_OPERAND_APPEND_INDPTR, end,
                   (int64_t)(end - count + total + 1));
  return at_token(op, row, listed, total - count + nth, can_read, unreadable);
}

AppendIndptr judge_append_indptr(const baracuda_paged_kv_append* op, baracuda_error_record* record) {
  if (op->addressing != BARACUDA_ADDRESSING_RAGGED) return IN_ORDER;
  const int64_t batch = op->batch_size;
  for (int64_t b = 0; b < batch; ++b)
    if (table_entry(op, BARACUDA_OPERAND_APPEND_INDPTR, b + 1) < table_entry(op, BARACUDA_OPERAND_APPEND_INDPTR, b))
      return DECREASING;
  const int64_t end = table_entry(op, BARACUDA_OPERAND_APPEND_INDPTR, batch);
  if (end > op->num_rows) {
    *record = (baracuda_error_record){.reason = BARACUDA_CORRUPT_APPEND_INDPTR,
                                      .operand = BARACUDA_OPERAND_APPEND_INDPTR,
                                      .row = op->num_rows,
                                      .request = batch - 1,
                                      .seen = end,
                                      .limit = op->num_rows + 1,
                                      .page = -1};
    return LOST;
  }
  return table_entry(op, BARACUDA_OPERAND_APPEND_INDPTR, 0) == 0 ? IN_ORDER : NOT_FROM_0;
}

/* Of entries that do not decrease. */
static ModelRow judge_ragged(const baracuda_paged_kv_append* op, ModelRow row, bool (*can_read)(const void*, uint64_t),
                             bool* unreadable) {
  const int operand = BARACUDA_OPERAND_APPEND_INDPTR;
  int64_t request = 0;
  while (request < op->batch_size && table_entry(op, operand, request + 1) <= row.record.row) ++request;
  if (request == op->batch_size) {
    row.record.request = request - 1;
    return row;
  }
  const int64_t first = table_entry(op, operand, request);
  const int64_t end = table_entry(op, operand, request + 1);
  row.record.request = request;
  if (first < 0) return corrupt(row, BARACUDA_CORRUPT_APPEND_INDPTR, operand, first, 0);
  if (request == 0 && first > 0) return corrupt(row, BARACUDA_CORRUPT_APPEND_INDPTR, operand, first, 1);
  if (end > op->num_rows) return corrupt(row, BARACUDA_CORRUPT_APPEND_INDPTR, operand, end, op->num_rows + 1);
  return judge_newest(op, row, request, row.record.row - first, end - first, end, can_read, unreadable);
}

static ModelRow judge_position(const baracuda_paged_kv_append* op, ModelRow row,
                               bool (*can_read)(const void*, uint64_t), bool* unreadable) {
  const int64_t request = table_entry(op, BARACUDA_OPERAND_BATCH_INDICES, row.record.row);
  const int64_t position = table_entry(op, BARACUDA_OPERAND_POSITIONS, row.record.row);
  Listed listed;
  row.record.request = -1;
  if (request < 0) return row;
  if (request >= op->batch_size)
    return corrupt(row, BARACUDA_CORRUPT_BATCH_INDEX, BARACUDA_OPERAND_BATCH_INDICES, request, op->batch_size);
  if (!find_part(op, request, &listed, &row)) return row;
  const int64_t room = listed.pages * op->page_size;
  if (position < 0) return corrupt(row, BARACUDA_CORRUPT_POSITION, BARACUDA_OPERAND_POSITIONS, position, 0);
  if (position >= room) return corrupt(row, BARACUDA_CORRUPT_POSITION, BARACUDA_OPERAND_POSITIONS, position, room);
  return at_token(op, row, listed, position, can_read, unreadable);
}

static ModelRow judge_slot(const baracuda_paged_kv_append* op, ModelRow row) {
  const int64_t slot = table_entry(op, BARACUDA_OPERAND_SLOT_MAPPING, row.record.row);
  const int64_t slots = (int64_t)op->num_total_pages * op->page_size;
  row.record.request = -1;
  if (slot < 0 || (has(op, BARACUDA_FLAG_SKIP_SLOT) && slot == op->skip_slot)) return row;
  if (slot >= slots) return corrupt(row, BARACUDA_CORRUPT_SLOT, BARACUDA_OPERAND_SLOT_MAPPING, slot, slots);
  row.verdict = SERVED;
  row.record.page = slot / op->page_size;
  row.slot = slot % op->page_size;
  return row;
}

ModelRow judge(const baracuda_paged_kv_append* op, int32_t nth, bool (*can_read)(const void*, uint64_t),
               bool* unreadable) {
  const ModelRow row = {PADDING, -1, -1, {.row = nth, .page = -1}};
  switch (op->addressing) {
    case BARACUDA_ADDRESSING_RAGGED:
      return judge_ragged(op, row, can_read, unreadable);
    case BARACUDA_ADDRESSING_POSITIONS:
      return judge_position(op, row, can_read, unreadable);
    case BARACUDA_ADDRESSING_SLOTS:
      return judge_slot(op, row);
    default:
      if (is_decode(op)) return judge_decode(op, row, can_read, unreadable);
      return judge_newest(op, row, nth, 0, 1, 0, can_read, unreadable);
  }
}

bool is_refused(const baracuda_paged_kv_append* op, const ModelRow* row) {
  return row->verdict == CORRUPT || (row->verdict == PADDING && is_mirrored(op));
}

/* Whether the first or the last of the entries begin .. end - 1 of indices names a page. */
static bool names_pages(const baracuda_paged_kv_append* op, int64_t begin, int64_t end) {
  if (begin == end) return false;
  return table_entry(op, BARACUDA_OPERAND_INDICES, begin) > 0 || table_entry(op, BARACUDA_OPERAND_INDICES, end - 1) > 0;
}

bool owns_every_id(const baracuda_paged_kv_append* op) {
  const bool states_table = op->total_used_pages > 0 && op->total_used_pages < INT32_MAX;
  if (is_dense(op) || op->addressing == BARACUDA_ADDRESSING_SLOTS || rows_of(op) == 0 || !states_table) return true;
  const int64_t first = table_entry(op, BARACUDA_OPERAND_INDPTR, 0);
  const int64_t last = table_entry(op, BARACUDA_OPERAND_INDPTR, op->batch_size);
  if (first < 0 || first >= last || last > op->total_used_pages) return true;
  return !names_pages(op, 0, first) && !names_pages(op, last, op->total_used_pages);
}

const uint8_t* source_of(const ModelPart* part, int32_t row, int32_t head) {
  return (const uint8_t*)((uintptr_t)part->rows + (uintptr_t)(part->token * row + part->head * head));
}

uint8_t* place_of(const ModelPart* part, const ModelRow* row, int32_t head) {
  return (uint8_t*)((uintptr_t)part->cache +
                    (uintptr_t)(part->page * row->record.page + part->slot * row->slot + part->cache_head * head));
}

uint8_t* scales_of(const ModelPart* part, const ModelRow* row, int32_t head) {
  return (uint8_t*)((uintptr_t)part->scales + (uintptr_t)(part->scales_page * row->record.page +
                                                          part->scales_slot * row->slot + part->scales_head * head));
}

const uint8_t* scale_of(const ModelPart* part, int32_t head) {
  return part->scale == NULL ? NULL : (const uint8_t*)((uintptr_t)part->scale + (uintptr_t)(part->scale_head * head));
}

void make_row(const baracuda_paged_kv_append* op, int part, const uint8_t* from, const uint8_t* scale, uint8_t* to,
              uint8_t* scales) {
  float given = 0;
  if (scale != NULL) memcpy(&given, scale, sizeof(given));
  convert_row(op, part, from, part_of(op, part).width, given, to, scales);
}
