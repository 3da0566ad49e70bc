#include "take_append.h"

#include <stddef.h>
#include <string.h>

#include "arena.h"
#include "formats.h"
#include "model.h"
#include "require.h"

enum { MOST_REQUESTS = 16, MOST_LISTED = 4, NUM_TRANSFORMS = BARACUDA_TRANSFORM_NVFP4 + 1 };

/* The next operand's place; once in 16 somewhere it should not be. */
static uint8_t* take_place(Input* input, uint64_t* cursor, Reach reach, uint64_t alignment, uint8_t* const* others,
                           int count) {
  const uint8_t choice = take8(input);
  if (choice < 240) {
    const uint64_t below = reach.below < ARENA_BYTES ? reach.below : 0;
    const uint64_t above = reach.above < ARENA_BYTES ? reach.above : ARENA_BYTES;
    const uint64_t at = (*cursor + below + alignment - 1) / alignment * alignment;
    *cursor = at + above + 4 * (uint64_t)take_below(input, 9);
    return arena + (at < ARENA_BYTES ? at : 0);
  }
  uint8_t* other = count > 0 ? others[take_below(input, (uint32_t)count)] : arena;
  switch (choice % 6) {
    case 0:
      return NULL;
    case 1:
      return (uint8_t*)((uintptr_t)other + take_below(input, 32));
    case 2:
      return (uint8_t*)((uintptr_t)other + 16 * (uintptr_t)take_below(input, 64));
    case 3:
      return (uint8_t*)(UINTPTR_MAX - take_below(input, 64));
    case 4:
      return (uint8_t*)(uintptr_t)take_below(input, 64);
    default:
      return arena + take_below(input, ARENA_BYTES);
  }
}

static void put32(uint8_t* base, int64_t index, int32_t value) {
  uint8_t* at = (uint8_t*)((uintptr_t)base + (uintptr_t)index * 4);
  if (arena_holds(at, 4)) memcpy(at, &value, 4);
}

/* An entry of an operand that says places, as wide as `op` says. */
static void put_entry(const baracuda_paged_kv_append* op, int operand, int64_t index, int64_t value) {
  const uint64_t bytes = entry_bytes(op, operand);
  const int32_t narrow = (int32_t)value;
  uint8_t* at = (uint8_t*)((uintptr_t)pointer_of(op, operand) + (uintptr_t)index * bytes);
  if (arena_holds(at, bytes)) memcpy(at, bytes == 8 ? (const void*)&value : (const void*)&narrow, bytes);
}

/* Numbers at which arithmetic on 64-bit integers goes wrong, too. */
static int64_t take_hostile64(Input* input) {
  static const int64_t kHostile[] = {INT64_MIN,           INT64_MAX,        INT64_MIN + 1,       INT64_MAX - 1,
                                     (int64_t)1 << 31,    (int64_t)1 << 32, -((int64_t)1 << 32), (int64_t)1 << 61,
                                     -((int64_t)1 << 61), (int64_t)1 << 62, (int64_t)1 << 40};
  const uint32_t which = take_below(input, 2 * sizeof(kHostile) / sizeof(kHostile[0]));
  return which < sizeof(kHostile) / sizeof(kHostile[0]) ? kHostile[which] : take_hostile(input);
}

static uint32_t at_most(int32_t stated, uint32_t most, uint32_t otherwise) {
  return stated > 0 && (uint32_t)stated < most ? (uint32_t)stated : otherwise;
}

/* Entries of every operand that says places, wanted or not: those that are not have no memory. */
static void fill_places(Input* input, const baracuda_paged_kv_append* op) {
  const int32_t batch = op->batch_size < MOST_REQUESTS ? op->batch_size : MOST_REQUESTS;
  const uint32_t pages = at_most(op->num_total_pages, 16, 3);
  const uint32_t slots = at_most(op->page_size, 256, 1);
  const bool after = op->length_convention == BARACUDA_AFTER_APPEND;
  int32_t end = 0;
  int64_t rows = 0;
  put_entry(op, BARACUDA_OPERAND_INDPTR, 0, 0);
  put_entry(op, BARACUDA_OPERAND_APPEND_INDPTR, 0, 0);
  for (int32_t b = 0; b < batch; ++b) {
    end += 1 + (int32_t)take_below(input, 2);
    put_entry(op, BARACUDA_OPERAND_INDPTR, b + 1, end);
    put_entry(op, BARACUDA_OPERAND_LAST_PAGE_LEN, b, (int64_t)take_below(input, slots) + after);
    if (op->lengths != 0) put_entry(op, BARACUDA_OPERAND_SEQ_LENS, b, (int64_t)take_below(input, slots) + after);
    if (op->addressing == BARACUDA_ADDRESSING_RAGGED) rows += take_below(input, 3);
    if (rows > op->num_rows) rows = op->num_rows;
    put_entry(op, BARACUDA_OPERAND_APPEND_INDPTR, b + 1, rows);
    for (int64_t i = 0; op->table != 0 && i < op->max_pages && i < MOST_LISTED; ++i)
      put_entry(op, BARACUDA_OPERAND_BLOCK_TABLE,
                (int64_t)((uint64_t)b * (uint64_t)op->block_table_stride + (uint64_t)i), take_below(input, pages));
  }
  for (int32_t entry = 0; entry < end; ++entry)
    put_entry(op, BARACUDA_OPERAND_INDICES, entry, take_below(input, pages));
  for (int64_t row = 0; op->addressing >= BARACUDA_ADDRESSING_POSITIONS && row < op->num_rows && row < 32; ++row) {
    put_entry(op, BARACUDA_OPERAND_BATCH_INDICES, row, (int64_t)take_below(input, (uint32_t)(batch > 0 ? batch : 1)));
    put_entry(op, BARACUDA_OPERAND_POSITIONS, row, take_below(input, slots));
    put_entry(op, BARACUDA_OPERAND_SLOT_MAPPING, row, take_below(input, pages * slots));
  }
}

/* Right entries, and then up to three wrong ones. */
static void fill_table(Input* input, const baracuda_paged_kv_append* op) {
  int wanted[BARACUDA_NUM_OPERANDS];
  uint32_t count = 0;
  for (int i = BARACUDA_OPERAND_INDICES; i <= BARACUDA_OPERAND_SEQ_LENS; ++i)
    if (is_wanted(op, i)) wanted[count++] = i;
  fill_places(input, op);
  for (uint32_t damage = take8(input) % 8; damage > 4 && count > 0; --damage) {
    const int operand = wanted[take_below(input, count)];
    const int64_t entry = take_below(input, MOST_REQUESTS + 1);
    put_entry(op, operand, entry, take8(input) % 2 ? (int64_t)take_below(input, 20) - 2 : take_hostile64(input));
  }
}

/* The strides of dimensions that nest in some order, some with gaps, some negative, once in a while hostile. Steps over
 * as many elements as all of it takes, times `together`. */
static void take_strides(Input* input, int count, const int32_t* extents, int64_t width, int64_t together,
                         int64_t* strides) {
  const uint8_t turn = take8(input);
  const uint8_t odd = take8(input);
  int64_t step = width * (odd % 4 == 0 ? together : 1);
  for (int i = 0; i < count; ++i) {
    const int dimension = (i * (turn % 2 ? 1 : count - 1) + turn / 2) % count;
    if (odd / 4 % 4 == 1 && i == count - 1) step *= together; /* between the two of a pair of caches */
    if (odd / 16 % 4 == 1) step += take_below(input, 17);
    strides[dimension] = odd / 64 == (uint8_t)dimension ? -step : step;
    step = (int64_t)((uint64_t)step *
                     (uint64_t)(extents[dimension] > 0 && extents[dimension] < 64 ? extents[dimension] : 1));
  }
  if (take8(input) >= 248) strides[take_below(input, (uint32_t)count)] = take_hostile64(input);
}

static void take_all_strides(Input* input, baracuda_paged_kv_append* op) {
  const int32_t cache[] = {op->num_total_pages, op->page_size, op->num_heads};
  const int64_t tokens = rows_of(op);
  const int32_t rows[] = {tokens < 64 ? (int32_t)tokens : 64, op->num_heads};
  const int64_t width = op->value_head_dim > op->head_dim ? op->value_head_dim : op->head_dim;
  const int64_t in_cache = cache_width(op, width);
  const int64_t scales = op->transform == BARACUDA_TRANSFORM_NVFP4 ? width / NVFP4_BLOCK : 1;
  const bool same = take8(input) % 2 == 0;
  take_strides(input, 3, cache, in_cache, 2, op->k_data_strides);
  take_strides(input, 2, rows, width, 3, op->key_strides);
  take_strides(input, 3, cache, scales, 2, op->k_scales_strides);
  if (same) {
    memcpy(op->v_data_strides, op->k_data_strides, sizeof(op->v_data_strides));
    memcpy(op->value_strides, op->key_strides, sizeof(op->value_strides));
    memcpy(op->v_scales_strides, op->k_scales_strides, sizeof(op->v_scales_strides));
  } else {
    take_strides(input, 3, cache, in_cache, 2, op->v_data_strides);
    take_strides(input, 2, rows, width, 3, op->value_strides);
    take_strides(input, 3, cache, scales, 2, op->v_scales_strides);
  }
  if (take8(input) >= 224) op->key_strides[take_below(input, 2)] = 0;
}

/* A transform with elements and widths that it has, mostly. */
static void take_transform(Input* input, baracuda_paged_kv_append* op) {
  const uint8_t choice = take8(input);
  op->backend = choice < 224 ? BARACUDA_BACKEND_HOST : op->backend;
  op->transform = 1 + (int32_t)take_below(input, NUM_TRANSFORMS - 1);
  op->source_element = TAKE_EXTENT(input, 1, 2, 3, 1, 2, 3, 4, 0);
  op->element = BARACUDA_ELEMENT_U8;
  if (op->transform == BARACUDA_TRANSFORM_FP8) op->element = TAKE_EXTENT(input, 4, 5, 4, 5, 6);
  if (op->transform == BARACUDA_TRANSFORM_PER_TOKEN_HEAD) op->element = TAKE_EXTENT(input, 4, 6, 4, 6, 5);
  if (op->transform == BARACUDA_TRANSFORM_NVFP4) op->head_dim = TAKE_EXTENT(input, 16, 32, 64, 128, 48, 24);
  if (op->transform == BARACUDA_TRANSFORM_NVFP4 && op->value_head_dim != 0 && choice % 4 != 0) op->value_head_dim = 32;
  op->k_scale_stride = TAKE_EXTENT(input, 0, 1, 1, 0);
  op->v_scale_stride = TAKE_EXTENT(input, 0, 1, 1, 0);
  if (op->transform != BARACUDA_TRANSFORM_FP8_DS_MLA) return;
  op->head_dim = TAKE_EXTENT(input, DS_MLA_RANK, DS_MLA_RANK, DS_MLA_RANK, DS_MLA_RANK, 64);
  op->value_head_dim = TAKE_EXTENT(input, DS_MLA_ROPE, DS_MLA_ROPE, DS_MLA_ROPE, DS_MLA_ROPE, 0);
  op->num_heads = TAKE_EXTENT(input, 1, 1, 1, 1, 2);
  if (op->page_size > 3) op->page_size = 3;
  if (op->num_total_pages > 3) op->num_total_pages = 3;
}

/* Numbers that a scale is, and some that it should not be. */
static void put_scales(Input* input, const uint8_t* at, const baracuda_paged_kv_append* op) {
  static const float kScales[] = {1.0f, 0.037f, 3.0f, 0.25f, 1e-3f, 1e-40f, 3e38f, 0.0f, -0.5f, 1.0f / 3};
  for (int32_t head = 0; head < op->num_heads && head < 64; ++head) {
    const float scale = kScales[take_below(input, sizeof(kScales) / sizeof(kScales[0]))];
    uint8_t* place = (uint8_t*)((uintptr_t)at + 4 * (uintptr_t)head);
    if (take8(input) < 240 && arena_holds(place, sizeof(scale))) memcpy(place, &scale, sizeof(scale));
  }
}

/* A way to say places, mostly one that there is. */
static void take_placing(Input* input, baracuda_paged_kv_append* op) {
  static const int32_t kWays[][3] = {{0, 0, 1}, {0, 1, 1}, {1, 0, 0}, {1, 0, 1}, {1, 1, 1}, {2, 0, 0}, {3, 0, 0}};
  const int32_t* way = kWays[take_below(input, sizeof(kWays) / sizeof(kWays[0]))];
  const uint8_t choice = take8(input);
  op->addressing = way[0];
  op->table = way[1];
  op->lengths = way[2];
  if (op->addressing == BARACUDA_ADDRESSING_RAGGED && op->lengths == 0 && choice < 240)
    op->length_convention = BARACUDA_AFTER_APPEND;
  op->num_rows = TAKE_EXTENT(input, 1, 3, 6, 12, 16, 0);
  op->max_pages = TAKE_EXTENT(input, 1, 2, 3, MOST_LISTED, 0);
  op->block_table_stride = TAKE_EXTENT(input, 4, 5, MOST_LISTED, 0, 1, 9);
  if (choice % 32 == 1) op->num_rows = take_hostile64(input);
  if (choice % 32 == 2) op->max_pages = take_hostile64(input);
  if (choice % 32 == 3) op->block_table_stride = take_hostile64(input);
  if (choice % 4 == 0 && op->addressing == BARACUDA_ADDRESSING_SLOTS) op->flags |= BARACUDA_FLAG_SKIP_SLOT;
  op->skip_slot = choice % 32 == 4 ? take_hostile64(input) : take_below(input, 4);
}

void take_append(Input* input, baracuda_paged_kv_append* op) {
  memset(op, 0, sizeof(*op));
  op->struct_size = sizeof(*op);
  op->backend = TAKE_EXTENT(input, BARACUDA_BACKEND_HOST, BARACUDA_BACKEND_HOST, BARACUDA_BACKEND_HOST,
                            BARACUDA_BACKEND_FLASHINFER, BARACUDA_BACKEND_BESPOKE);
  const uint8_t flags = take8(input);
  op->flags = flags < 250 ? (uint32_t)(flags % 4) | (flags / 4 % 8 == 0 ? BARACUDA_FLAG_MIRRORED : 0) : take32(input);
  if ((op->flags & BARACUDA_FLAG_MIRRORED) != 0 && flags < 240) op->flags = BARACUDA_FLAG_MIRRORED;
  op->element = TAKE_EXTENT(input, 1, 2, 3, 4, 5, 6, 7);
  op->layout = TAKE_EXTENT(input, 0, 1);
  op->length_convention = TAKE_EXTENT(input, 0, 1);
  op->batch_size = TAKE_EXTENT(input, 1, 2, 3, 4, 7, MOST_REQUESTS, 0);
  op->page_size = TAKE_EXTENT(input, 1, 2, 3, 7, 16);
  op->num_heads = TAKE_EXTENT(input, 1, 2, 3, 4, 8);
  op->head_dim = TAKE_EXTENT(input, 64, 64, 128, 256, 8, 16, 32, 80, 512, 1, 3, 5, 33);
  op->num_total_pages = TAKE_EXTENT(input, 1, 2, 3, 5, 8, 0);
  op->total_used_pages = TAKE_EXTENT(input, 2 * MOST_REQUESTS, 2 * MOST_REQUESTS, 16, 8, 1, 0);
  const uint8_t choices = take8(input);
  if (choices % 8 == 1) op->value_head_dim = TAKE_EXTENT(input, 64, 16, 1, 7, 24);
  if (choices % 16 == 2) op->parts = TAKE_EXTENT(input, 1, 1, 0);
  if (choices / 16 % 4 == 1) op->int64_operands = take_below(input, 512) << BARACUDA_OPERAND_INDICES;
  if (choices % 4 != 3 && (op->flags & BARACUDA_FLAG_MIRRORED) == 0) take_placing(input, op);
  if (choices >= 250) {
    int32_t* const others[] = {&op->addressing, &op->table, &op->lengths, &op->transform, &op->source_element};
    *others[take_below(input, 5)] = TAKE_EXTENT(input, 0, 1, 2, 3, 4);
  }
  if (take8(input) >= 252) op->stream = (void*)(uintptr_t)take32(input);
  if (choices / 4 % 8 >= 5 && (op->flags & BARACUDA_FLAG_MIRRORED) == 0) take_transform(input, op);
  if ((op->flags & BARACUDA_FLAG_STRIDED) != 0) take_all_strides(input, op);

  uint8_t* places[BARACUDA_NUM_OPERANDS + 1] = {NULL};
  uint64_t cursor = 16 * (uint64_t)take_below(input, 5) + (take8(input) % 4 == 0 ? take_below(input, 16) : 0);
  const bool is_right = status_of_problem(op) == BARACUDA_OK;
  const bool is_packed = is_right && take8(input) % 4 == 0;
  static const int kOrder[] = {
      BARACUDA_OPERAND_K_DATA,        BARACUDA_OPERAND_V_DATA,        BARACUDA_OPERAND_KEY,
      BARACUDA_OPERAND_VALUE,         BARACUDA_NUM_OPERANDS,          BARACUDA_OPERAND_INDICES,
      BARACUDA_OPERAND_INDPTR,        BARACUDA_OPERAND_LAST_PAGE_LEN, BARACUDA_OPERAND_APPEND_INDPTR,
      BARACUDA_OPERAND_BATCH_INDICES, BARACUDA_OPERAND_POSITIONS,     BARACUDA_OPERAND_SLOT_MAPPING,
      BARACUDA_OPERAND_BLOCK_TABLE,   BARACUDA_OPERAND_SEQ_LENS,      BARACUDA_OPERAND_K_SCALE,
      BARACUDA_OPERAND_V_SCALE,       BARACUDA_OPERAND_K_SCALES,      BARACUDA_OPERAND_V_SCALES};
  enum { PLACED = sizeof(kOrder) / sizeof(kOrder[0]), RECORD = 4 };
  static baracuda_error_record none;
  op->error_record = &none; /* so that it has a size */
  for (int i = 0; i < PLACED; ++i) {
    const Reach reach = is_right ? reach_of(op, kOrder[i]) : (Reach){0, 16};
    const uint64_t alignment = is_packed ? alignment_of(op, kOrder[i]) : 16;
    const bool is_index = kOrder[i] >= BARACUDA_OPERAND_INDICES && kOrder[i] <= BARACUDA_OPERAND_SEQ_LENS;
    if (kOrder[i] == BARACUDA_NUM_OPERANDS || is_wanted(op, kOrder[i]))
      places[i] = take_place(input, &cursor, reach, is_index ? 8 : alignment, places, i);
  }
  op->error_record = NULL;
  op->k_data = places[0];
  op->v_data = places[1];
  /* In the same block as k_data: beside it, or between its rows. */
  if (take8(input) % 4 == 0 && op->head_dim > 0) {
    const int64_t steps[] = {cache_width(op, op->head_dim), op->k_data_strides[0] / 2, op->k_data_strides[1] / 2,
                             op->k_data_strides[2] / 2,     op->head_dim / 2,          -op->head_dim};
    const uint64_t step = (uint64_t)steps[take_below(input, 6)];
    op->v_data = (void*)((uintptr_t)op->k_data + (uintptr_t)(step * element_bytes(op->element)));
  }
  op->key = places[2];
  op->value = take8(input) % 8 == 0 ? places[2] : places[3];
  op->indices = places[5];
  op->indptr = places[6];
  op->last_page_len = places[7];
  op->append_indptr = places[8];
  op->batch_indices = places[9];
  op->positions = places[10];
  op->slot_mapping = places[11];
  op->block_table = places[12];
  op->seq_lens = places[13];
  op->k_scale = places[14];
  op->v_scale = take8(input) % 8 == 0 ? places[14] : places[15];
  op->k_scales = places[16];
  op->v_scales = places[17];
  if (is_wanted(op, BARACUDA_OPERAND_K_SCALE)) put_scales(input, places[14], op);
  if (is_wanted(op, BARACUDA_OPERAND_V_SCALE)) put_scales(input, places[15], op);
  /* The scales of a head behind its row, in one block. */
  if (take8(input) % 4 == 0 && op->k_scales != NULL)
    op->k_scales = (void*)((uintptr_t)op->k_data + (uintptr_t)cache_width(op, op->head_dim));
  fill_table(input, op);
  /* Guarded appends mostly have a record, some of them claimed already; others mostly have none. */
  if (take8(input) % 16 >= ((op->flags & BARACUDA_FLAG_GUARDED) != 0 ? 13 : 1)) return;
  op->error_record = (baracuda_error_record*)(void*)places[RECORD];
  if (arena_holds(places[RECORD], sizeof(baracuda_error_record)))
    memset(places[RECORD], 0, sizeof(baracuda_error_record));
  if (take8(input) % 4 == 0) put32(places[RECORD], 0, BARACUDA_CORRUPT_PAGE);
}

baracuda_paged_kv_append* take_struct(Input* input, baracuda_paged_kv_append* op, int32_t* status) {
  enum { SMALLEST = offsetof(baracuda_paged_kv_append, addressing) };
  static const uint32_t kSizes[] = {0,
                                    1,
                                    4,
                                    8,
                                    40,
                                    SMALLEST - 8,
                                    SMALLEST - 4,
                                    SMALLEST,
                                    SMALLEST + 4,
                                    SMALLEST + 8,
                                    SMALLEST + 64,
                                    sizeof(*op) - 8,
                                    sizeof(*op) - 4,
                                    sizeof(*op) - 1,
                                    sizeof(*op) + 1,
                                    sizeof(*op) + 4,
                                    sizeof(*op) + 8,
                                    sizeof(*op) + 64,
                                    1024};
  uint32_t bytes = sizeof(*op);
  if (take8(input) >= 232) bytes = kSizes[take_below(input, sizeof(kSizes) / sizeof(kSizes[0]))];
  const size_t allocated = bytes < sizeof(uint32_t) ? sizeof(uint32_t) : bytes;
  uint8_t* block = calloc(1, allocated);
  REQUIRE(block != NULL, "out of memory");
  memcpy(block, op, allocated < sizeof(*op) ? allocated : sizeof(*op));
  memcpy(block, &bytes, sizeof(bytes));
  *status = bytes < SMALLEST || bytes % sizeof(void*) != 0 ? BARACUDA_INVALID_PROBLEM : BARACUDA_OK;
  /* What an older caller does not know is zero. */
  if (bytes < sizeof(*op)) memset((uint8_t*)op + allocated, 0, sizeof(*op) - allocated);
  if (bytes > sizeof(*op) && take8(input) % 2 == 0) {
    block[sizeof(*op) + take_below(input, bytes - (uint32_t)sizeof(*op))] = 1;
    *status = BARACUDA_INVALID_PROBLEM;
  }
  return (baracuda_paged_kv_append*)(void*)block;
}
