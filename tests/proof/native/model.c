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
  made.token *= op->batch_size > 1 ? bytes : 0;
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
  return reach_over(from.row, 2, (Wide[]){from.token, from.head}, (int64_t[]){op->batch_size, op->num_heads});
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
  const uint64_t batch = (uint64_t)op->batch_size;
  uint64_t entries = 0;
  if (operand == BARACUDA_NUM_OPERANDS) return (Reach){0, op->error_record != NULL ? 64 : 0};
  if (batch == 0) return none;
  switch (operand) {
    case BARACUDA_OPERAND_KEY:
      return reach_of_rows(op, 0);
    case BARACUDA_OPERAND_K_DATA:
      return reach_of_cache(op, 0);
    case BARACUDA_OPERAND_VALUE:
      return num_parts(op) == 2 ? reach_of_rows(op, 1) : none;
    case BARACUDA_OPERAND_V_DATA:
      return num_parts(op) == 2 ? reach_of_cache(op, 1) : none;
    case BARACUDA_OPERAND_INDICES: /* where they are not counted, one at least */
      entries = most_entries(op) == INT32_MAX && op->total_used_pages == 0 ? 1 : (uint64_t)op->total_used_pages;
      break;
    case BARACUDA_OPERAND_INDPTR:
      entries = batch + 1;
      break;
    case BARACUDA_OPERAND_LAST_PAGE_LEN:
      entries = batch;
      break;
    default:
      break;
  }
  return (Reach){0, entries * entry_bytes(op, operand)};
}

static bool is_head_dim_of_kernels(int32_t head_dim) { return head_dim == 64 || head_dim == 128 || head_dim == 256; }

static int32_t limits_of_flashinfer(const baracuda_paged_kv_append* op) {
  const Wide two_to_the_32 = (Wide)1 << 32;
  if (!is_head_dim_of_kernels(op->head_dim)) return BARACUDA_UNSUPPORTED;
  if (num_parts(op) != 2 || width_of(op, 1) != op->head_dim || op->int64_operands != 0) return BARACUDA_UNSUPPORTED;
  const int64_t bytes = (int64_t)element_bytes(op->element);
  const int64_t vector = 16 / bytes > op->head_dim / 32 ? 16 / bytes : op->head_dim / 32;
  const Wide token = (Wide)op->num_heads * op->head_dim;
  if (token / vector > 1024) return BARACUDA_UNSUPPORTED;
  Wide page = token * op->page_size;
  if (has(op, BARACUDA_FLAG_STRIDED)) page = op->num_total_pages > 1 ? op->k_data_strides[0] : 0;
  if (page < 0 || page >= two_to_the_32) return BARACUDA_UNSUPPORTED;
  if (token * op->batch_size >= two_to_the_32) return BARACUDA_UNSUPPORTED;
  if (op->total_used_pages == 0) return BARACUDA_OK;
  if (op->total_used_pages < op->batch_size) return BARACUDA_INVALID_PROBLEM; /* some request has no page */
  const Wide most_pages = (Wide)(op->total_used_pages - op->batch_size) + 1;
  return most_pages * op->page_size >= two_to_the_32 / 2 ? BARACUDA_UNSUPPORTED : BARACUDA_OK;
}

int32_t status_of_problem(const baracuda_paged_kv_append* op) {
  const uint32_t known = BARACUDA_FLAG_GUARDED | BARACUDA_FLAG_STRIDED | BARACUDA_FLAG_INFER | BARACUDA_FLAG_MIRRORED;
  if ((op->flags & ~known) != 0) return BARACUDA_UNSUPPORTED;
  if (op->backend < 1 || op->backend > 3) return BARACUDA_UNSUPPORTED;
  if (op->backend == BARACUDA_BACKEND_FLASHINFER && is_guarded(op)) return BARACUDA_UNSUPPORTED;
  if (op->backend == BARACUDA_BACKEND_BESPOKE && !is_guarded(op)) return BARACUDA_UNSUPPORTED;
  if (op->layout < 0 || op->layout > 1) return BARACUDA_UNSUPPORTED;
  if (op->length_convention < 0 || op->length_convention > 1) return BARACUDA_UNSUPPORTED;
  if (op->addressing != 0 || op->table != 0 || op->lengths != 0 || op->transform != 0) return BARACUDA_UNSUPPORTED;
  if (op->parts < 0 || op->parts > 1) return BARACUDA_UNSUPPORTED;
  if (is_mirrored(op) && (has(op, BARACUDA_FLAG_STRIDED) || is_guarded(op) || num_parts(op) != 2 ||
                          width_of(op, 1) != op->head_dim || op->int64_operands != 0))
    return BARACUDA_UNSUPPORTED;
  if (op->batch_size < (is_mirrored(op) ? 1 : 0)) return BARACUDA_INVALID_PROBLEM;
  if (op->page_size < 1 || op->num_heads < 1) return BARACUDA_INVALID_PROBLEM;
  if (op->num_total_pages < 0 || op->total_used_pages < 0) return BARACUDA_INVALID_PROBLEM;
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
  if (op->batch_size == 0) return BARACUDA_OK;
  const ModelPart parts[] = {part_of(op, 0), part_of(op, 1)};
  const int64_t bytes = (int64_t)element_bytes(op->element);
  for (int i = 0; i < 2; ++i) {
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
  for (int part = 0; part < num_parts(op) && op->batch_size > 0; ++part)
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

ModelRow judge(const baracuda_paged_kv_append* op, int32_t request, bool (*can_read)(const void*, uint64_t),
               bool* unreadable) {
  const int64_t begin = table_entry(op, BARACUDA_OPERAND_INDPTR, request);
  const int64_t end = table_entry(op, BARACUDA_OPERAND_INDPTR, (int64_t)request + 1);
  const int64_t length = table_entry(op, BARACUDA_OPERAND_LAST_PAGE_LEN, request);
  const int64_t pages = op->num_total_pages > 0 ? op->num_total_pages : INT64_MAX;
  const int64_t least = op->length_convention == BARACUDA_AFTER_APPEND ? 1 : 0;
  ModelRow row = {PADDING, -1, -1, {.row = request, .request = request, .page = -1}};
  if (begin == end) return row;
  if (begin < 0) return corrupt(row, BARACUDA_CORRUPT_INDPTR, BARACUDA_OPERAND_INDPTR, begin, 0);
  if (end < begin) return corrupt(row, BARACUDA_CORRUPT_INDPTR, BARACUDA_OPERAND_INDPTR, end, begin);
  if (end > most_entries(op))
    return corrupt(row, BARACUDA_CORRUPT_INDPTR, BARACUDA_OPERAND_INDPTR, end, most_entries(op) + 1);
  row.entry = end - 1;
  const uint8_t* indices = op->indices;
  if (!can_read(indices + (uint64_t)row.entry * entry_bytes(op, BARACUDA_OPERAND_INDICES),
                entry_bytes(op, BARACUDA_OPERAND_INDICES))) {
    *unreadable = true;
    return row;
  }
  row.record.page = table_entry(op, BARACUDA_OPERAND_INDICES, row.entry);
  if (row.record.page < 0) return row;
  if (row.record.page >= pages)
    return corrupt(row, BARACUDA_CORRUPT_PAGE, BARACUDA_OPERAND_INDICES, row.record.page, pages);
  if (length < least)
    return corrupt(row, BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_LAST_PAGE_LEN, length, least);
  if (length >= op->page_size + least)
    return corrupt(row, BARACUDA_CORRUPT_LAST_PAGE_LEN, BARACUDA_OPERAND_LAST_PAGE_LEN, length, op->page_size + least);
  row.verdict = SERVED;
  row.slot = length - least;
  return row;
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
