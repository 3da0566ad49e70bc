#include "model.h"

#include <stddef.h>
#include <string.h>

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

bool is_wanted(const baracuda_paged_kv_append* op, int operand) {
  const bool slots = op->addressing == BARACUDA_ADDRESSING_SLOTS;
  const bool positions = op->addressing == BARACUDA_ADDRESSING_POSITIONS;
  switch (operand) {
    case BARACUDA_OPERAND_KEY:
    case BARACUDA_OPERAND_K_DATA:
      return true;
    case BARACUDA_OPERAND_VALUE:
    case BARACUDA_OPERAND_V_DATA:
      return num_parts(op) == 2;
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

ModelPart part_of(const baracuda_paged_kv_append* op, int part) {
  const int64_t bytes = (int64_t)element_bytes(op->element);
  const Wide width = width_of(op, part);
  const Wide heads = op->num_heads;
  const Wide slots = op->page_size;
  ModelPart made = {part == 0 ? op->key : op->value,
                    part == 0 ? op->k_data : op->v_data,
                    (int64_t)(width * bytes),
                    heads * width,
                    width,
                    heads * slots * width,
                    0,
                    0};
  if (op->layout == BARACUDA_LAYOUT_HND) {
    made.slot = width;
    made.cache_head = slots * width;
  } else {
    made.slot = heads * width;
    made.cache_head = width;
  }
  if (has(op, BARACUDA_FLAG_STRIDED)) {
    const int64_t* rows = part == 0 ? op->key_strides : op->value_strides;
    const int64_t* cache = part == 0 ? op->k_data_strides : op->v_data_strides;
    made.token = rows[0];
    made.head = rows[1];
    made.page = cache[0];
    made.slot = cache[1];
    made.cache_head = cache[2];
  }
  made.token *= rows_of(op) > 1 ? bytes : 0;
  made.head *= op->num_heads > 1 ? bytes : 0;
  made.page *= op->num_total_pages != 1 ? bytes : 0; /* 0: not stated, there may be many */
  made.slot *= op->page_size > 1 ? bytes : 0;
  made.cache_head *= op->num_heads > 1 ? bytes : 0;
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

static Reach reach_of_cache(const baracuda_paged_kv_append* op, int part) {
  const ModelPart to = part_of(op, part);
  return reach_over(to.row, 3, (Wide[]){to.page, to.slot, to.cache_head},
                    (int64_t[]){known_pages(op), op->page_size, op->num_heads});
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
      return reach_of_cache(op, operand == BARACUDA_OPERAND_V_DATA);
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

int32_t status_of_problem(const baracuda_paged_kv_append* op) {
  const uint32_t known = BARACUDA_FLAG_GUARDED | BARACUDA_FLAG_STRIDED | BARACUDA_FLAG_INFER | BARACUDA_FLAG_MIRRORED |
                         BARACUDA_FLAG_SKIP_SLOT;
  if ((op->flags & ~known) != 0) return BARACUDA_UNSUPPORTED;
  if (op->backend < 1 || op->backend > 3) return BARACUDA_UNSUPPORTED;
  if (op->backend == BARACUDA_BACKEND_FLASHINFER && is_guarded(op)) return BARACUDA_UNSUPPORTED;
  if (op->backend == BARACUDA_BACKEND_BESPOKE && !is_guarded(op)) return BARACUDA_UNSUPPORTED;
  if (op->layout < 0 || op->layout > 1) return BARACUDA_UNSUPPORTED;
  if (op->length_convention < 0 || op->length_convention > 1) return BARACUDA_UNSUPPORTED;
  if (op->addressing < 0 || op->addressing > 3 || op->transform != 0) return BARACUDA_UNSUPPORTED;
  if (op->table < 0 || op->table > 1 || op->lengths < 0 || op->lengths > 1) return BARACUDA_UNSUPPORTED;
  if (op->parts < 0 || op->parts > 1) return BARACUDA_UNSUPPORTED;
  if (!go_together(op)) return BARACUDA_UNSUPPORTED;
  if (is_mirrored(op) && (!is_decode(op) || has(op, BARACUDA_FLAG_STRIDED) || is_guarded(op) || num_parts(op) != 2 ||
                          width_of(op, 1) != op->head_dim || op->int64_operands != 0))
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
  if (op->source_element != 0 && op->source_element != op->element) return BARACUDA_UNSUPPORTED;
  return op->backend == BARACUDA_BACKEND_FLASHINFER ? limits_of_flashinfer(op) : BARACUDA_OK;
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

typedef struct Boxes {
  Wide strides[3]; /* of both caches */
  int64_t extents[3];
  int64_t rows[2];
  Wide distance; /* from k_data to v_data */
} Boxes;

/* Every row of one against every row of the other. By translation, one row of k_data against v_data moved every way. */
static bool rows_meet(const Boxes* boxes) {
  for (int64_t a = 1 - boxes->extents[0]; a < boxes->extents[0]; ++a)
    for (int64_t b = 1 - boxes->extents[1]; b < boxes->extents[1]; ++b)
      for (int64_t c = 1 - boxes->extents[2]; c < boxes->extents[2]; ++c) {
        const Wide begin = boxes->distance + a * boxes->strides[0] + b * boxes->strides[1] + c * boxes->strides[2];
        if (begin < boxes->rows[0] && begin + boxes->rows[1] > 0) return true;
      }
  return false;
}

/* Whether each stride leads past all that the smaller ones reach. */
static bool are_nested(const Boxes* boxes) {
  const Wide row = boxes->rows[0] > boxes->rows[1] ? boxes->rows[0] : boxes->rows[1];
  for (int i = 0; i < 3; ++i) {
    if (boxes->extents[i] <= 1) continue;
    Wide within = row;
    for (int j = 0; j < 3; ++j) {
      const bool smaller = absolute(boxes->strides[j]) < absolute(boxes->strides[i]);
      const bool is_inner = smaller || (absolute(boxes->strides[j]) == absolute(boxes->strides[i]) && j > i);
      if (j != i && is_inner) within += absolute(boxes->strides[j]) * (boxes->extents[j] - 1);
    }
    if (absolute(boxes->strides[i]) < within) return false;
  }
  return true;
}

/* Of caches whose spans overlap. */
static bool caches_overlap(const baracuda_paged_kv_append* op, bool* may_refuse) {
  const ModelPart k = part_of(op, 0);
  const ModelPart v = part_of(op, 1);
  if (k.page != v.page || k.slot != v.slot || k.cache_head != v.cache_head) return true;
  const Boxes boxes = {{k.page, k.slot, k.cache_head},
                       {known_pages(op), op->page_size, op->num_heads},
                       {k.row, v.row},
                       (Wide)(uintptr_t)v.cache - (Wide)(uintptr_t)k.cache};
  const bool few = (Wide)boxes.extents[0] * boxes.extents[1] * boxes.extents[2] <= MOST_PLACES;
  if (few && rows_meet(&boxes)) return true;
  /* Nor is it of memory that no machine has. */
  const bool is_far =
      (Wide)reach_of(op, BARACUDA_OPERAND_K_DATA).above + reach_of(op, BARACUDA_OPERAND_K_DATA).below >= (Wide)1 << 60;
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

static uint64_t alignment_of(const baracuda_paged_kv_append* op, int operand) {
  if (operand == BARACUDA_NUM_OPERANDS) return 8;
  if (operand > BARACUDA_OPERAND_V_DATA) return entry_bytes(op, operand);
  return is_mirrored(op) ? 16 : element_bytes(op->element);
}

static bool is_written(int operand) {
  return operand == BARACUDA_OPERAND_K_DATA || operand == BARACUDA_OPERAND_V_DATA || operand == BARACUDA_NUM_OPERANDS;
}

static bool repeats_a_place(const baracuda_paged_kv_append* op, int part) {
  const ModelPart to = part_of(op, part);
  return (known_pages(op) > 1 && to.page == 0) || (op->page_size > 1 && to.slot == 0) ||
         (op->num_heads > 1 && to.cache_head == 0);
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
    if (!is_empty(op, i) && (uintptr_t)pointer_of(op, i) % alignment_of(op, i) != 0) return BARACUDA_MISALIGNED_OPERAND;
  for (int part = 0; part < num_parts(op) && rows_of(op) > 0; ++part)
    if (repeats_a_place(op, part)) return BARACUDA_INVALID_PROBLEM;
  for (int i = 0; i <= BARACUDA_NUM_OPERANDS; ++i)
    for (int j = 0; j <= BARACUDA_NUM_OPERANDS; ++j) {
      if (i == j || !is_written(i) || !spans_overlap(op, i, j)) continue;
      const bool caches = i != BARACUDA_NUM_OPERANDS && j != BARACUDA_NUM_OPERANDS && is_written(j);
      if (!caches || caches_overlap(op, may_refuse)) return BARACUDA_INVALID_PROBLEM;
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

const uint8_t* source_of(const ModelPart* part, int32_t row, int32_t head) {
  return (const uint8_t*)((uintptr_t)part->rows + (uintptr_t)(part->token * row + part->head * head));
}

uint8_t* place_of(const ModelPart* part, const ModelRow* row, int32_t head) {
  return (uint8_t*)((uintptr_t)part->cache +
                    (uintptr_t)(part->page * row->record.page + part->slot * row->slot + part->cache_head * head));
}
