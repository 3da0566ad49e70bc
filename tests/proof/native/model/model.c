#include "model.h"

#include <stddef.h>
#include <string.h>

#include "formats.h"
#include "model_op.h"

static uint64_t narrow(Wide number) { return number > (Wide)UINT64_MAX ? UINT64_MAX : (uint64_t)number; }

bool is_guarded(const baracuda_paged_kv_append* op) { return has(op, BARACUDA_FLAG_GUARDED); }

int64_t rows_of(const baracuda_paged_kv_append* op) {
  if (op->addressing == BARACUDA_ADDRESSING_LAST_PAGE) return op->batch_size;
  return op->addressing == BARACUDA_ADDRESSING_RAGGED && op->batch_size == 0 ? 0 : op->num_rows;
}

int table_of(const baracuda_paged_kv_append* op) {
  if (op->addressing == BARACUDA_ADDRESSING_SLOTS) return BARACUDA_NUM_OPERANDS;
  return is_dense(op) ? BARACUDA_OPERAND_BLOCK_TABLE : BARACUDA_OPERAND_INDICES;
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

Reach reach_over(int64_t row, int count, const Wide* strides, const int64_t* extents) {
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

Written written_of(const baracuda_paged_kv_append* op, int operand) {
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
