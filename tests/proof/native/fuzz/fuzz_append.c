/* libFuzzer's bytes become one append over an arena: struct sizes, flags, extents, strides, page tables and pointers,
 * sane and not. The status and every byte of the arena must be what the model says. */
#include <stddef.h>
#include <string.h>

#include "arena.h"
#include "formats.h"
#include "input.h"
#include "model.h"
#include "require.h"

enum {
  MOST_REQUESTS = 16,
  MOST_LISTED = 4,
  NUM_ADDRESSINGS = 4,
  NUM_TRANSFORMS = BARACUDA_TRANSFORM_NVFP4 + 1,
  MOST_ROWS = ARENA_BYTES / 4
};

static uint8_t before[ARENA_BYTES];
static uint8_t expected[ARENA_BYTES];
static uint8_t writers[ARENA_BYTES];

/* What became of the inputs, told at the exit: a fuzzer that never gets to an append proves nothing. */
static struct {
  unsigned long inputs, appended, refused, beyond_the_arena, strided;
  unsigned long by_addressing[NUM_ADDRESSINGS], dense, by_seq_lens, out_of_order;
  unsigned long by_transform[NUM_TRANSFORMS];
} outcomes;

static void report(void) {
  printf(
      "fuzz_append: %lu inputs: %lu appended, %lu refused, %lu with operands beyond the arena; of those appended "
      "%lu had strides; %lu last page, %lu ragged, %lu positions, %lu slots; %lu dense, %lu by seq_lens; %lu were out "
      "of order; %lu copies, %lu fp8, %lu per token and head, %lu fp8_ds_mla, %lu nvfp4\n",
      outcomes.inputs, outcomes.appended, outcomes.refused, outcomes.beyond_the_arena, outcomes.strided,
      outcomes.by_addressing[0], outcomes.by_addressing[1], outcomes.by_addressing[2], outcomes.by_addressing[3],
      outcomes.dense, outcomes.by_seq_lens, outcomes.out_of_order, outcomes.by_transform[0], outcomes.by_transform[1],
      outcomes.by_transform[2], outcomes.by_transform[3], outcomes.by_transform[4]);
}

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

static void take_append(Input* input, baracuda_paged_kv_append* op) {
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

/* The struct alone in a block of its own, of as many bytes as it says. *status is 2 if that must be refused. */
static baracuda_paged_kv_append* take_struct(Input* input, baracuda_paged_kv_append* op, int32_t* status) {
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

static void check_status(const char* function, int32_t status, int32_t wanted) {
  REQUIRE(status == wanted, "%s returned %d, the model says %d; the message is \"%s\"", function, status, wanted,
          baracuda_last_error_message());
}

static void check_unchanged(const char* function) {
  arena_open_all();
  REQUIRE(memcmp(arena, before, ARENA_BYTES) == 0, "%s wrote", function);
}

static bool states_operands(const baracuda_paged_kv_append* op) {
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i)
    if (pointer_of(op, i) != NULL) return true;
  return false;
}

static bool operands_are_in_the_arena(const baracuda_paged_kv_append* op) {
  for (int i = 0; i <= BARACUDA_NUM_OPERANDS; ++i) {
    const Reach reach = reach_of(op, i);
    const uint8_t* begin = (const uint8_t*)((uintptr_t)pointer_of(op, i) - reach.below);
    if (reach.above != 0 && !arena_holds(begin, reach.below + reach.above)) return false;
  }
  return true;
}

/* Nothing but what an append may read and write is usable then: of key, value and the caches the rows alone. */
static void open_operands(const baracuda_paged_kv_append* op, const ModelRow* judged, int32_t count) {
  arena_close();
  for (int i = BARACUDA_OPERAND_INDICES; i <= BARACUDA_NUM_OPERANDS; ++i) {
    const Reach reach = reach_of(op, i);
    const bool is_written = i == BARACUDA_OPERAND_K_SCALES || i == BARACUDA_OPERAND_V_SCALES;
    if (reach.above != 0 && !is_written) arena_open(pointer_of(op, i), reach.above);
  }
  for (int32_t row = 0; row < count; ++row) {
    const uint64_t bytes = entry_bytes(op, table_of(op));
    /* Where the table's length is not stated it may lie beyond. */
    if (judged[row].entry >= 0)
      arena_open((const uint8_t*)pointer_of(op, table_of(op)) + (uint64_t)judged[row].entry * bytes, bytes);
    if (judged[row].verdict != SERVED) continue;
    for (int i = 0; i < num_parts(op); ++i) {
      const ModelPart part = part_of(op, i);
      for (int32_t head = 0; head < op->num_heads; ++head) {
        arena_open(source_of(&part, row, head), (uint64_t)part.row);
        uint8_t* place = place_of(&part, &judged[row], head);
        uint8_t* scales = scales_of(&part, &judged[row], head);
        if (arena_holds(place, (uint64_t)part.written)) arena_open(place, (uint64_t)part.written);
        if (part.scales != NULL && arena_holds(scales, (uint64_t)part.scales_written))
          arena_open(scales, (uint64_t)part.scales_written);
      }
    }
  }
}

static void expect_bytes(const uint8_t* place, const uint8_t* bytes, int64_t count) {
  const size_t at = (size_t)(place - arena);
  memcpy(expected + at, bytes, (size_t)count);
  for (int64_t byte = 0; byte < count; ++byte) writers[at + (size_t)byte] += writers[at + (size_t)byte] < 2;
}

/* Writes what one served row writes into `expected`. False where that is outside the arena: a cache that is not as
 * large as its page table says, without num_total_pages to hold that against. */
static bool expect_row(const baracuda_paged_kv_append* op, int32_t row, const ModelRow* judged) {
  static uint8_t made[ARENA_BYTES];
  static uint8_t made_scales[ARENA_BYTES];
  for (int i = 0; i < num_parts(op); ++i) {
    const ModelPart part = part_of(op, i);
    for (int32_t head = 0; head < op->num_heads; ++head) {
      const uint8_t* place = place_of(&part, judged, head);
      if (!arena_holds(place, (uint64_t)part.written)) return false;
      const uint8_t* given = scale_of(&part, head);
      make_row(op, i, before + (source_of(&part, row, head) - arena), given == NULL ? NULL : before + (given - arena),
               made, made_scales);
      expect_bytes(place, made, part.written);
      if (part.scales != NULL) expect_bytes(scales_of(&part, judged, head), made_scales, part.scales_written);
    }
  }
  return true;
}

static bool describes(const baracuda_error_record* record, const baracuda_paged_kv_append* op) {
  baracuda_error_record lost;
  if (judge_append_indptr(op, &lost) == LOST && memcmp(record, &lost, sizeof(lost)) == 0) return true;
  if (record->row < 0 || record->row >= rows_of(op)) return false;
  bool unreadable = false;
  const ModelRow judged = judge(op, (int32_t)record->row, arena_holds, &unreadable);
  return judged.verdict == CORRUPT && memcmp(record, &judged.record, sizeof(*record)) == 0;
}

/* The record's bytes in the arena, whatever they are, are as they should be; `expected` is made to agree. */
static void check_record(const baracuda_paged_kv_append* op, bool corrupt) {
  if (op->error_record == NULL) return;
  const size_t at = (size_t)((uint8_t*)op->error_record - arena);
  baracuda_error_record was;
  memcpy(&was, before + at, sizeof(was));
  if (!corrupt || was.reason != BARACUDA_CORRUPT_NONE) return;
  REQUIRE(
      describes(op->error_record, op),
      "addressing %d, table %d, lengths %d: reason %d, operand %d, row %lld of request %lld, seen %lld, limit %lld, "
      "page %lld",
      op->addressing, op->table, op->lengths, op->error_record->reason, op->error_record->operand,
      (long long)op->error_record->row, (long long)op->error_record->request, (long long)op->error_record->seen,
      (long long)op->error_record->limit, (long long)op->error_record->page);
  memcpy(expected + at, op->error_record, sizeof(was));
}

static bool is_written(const void* data, uint64_t bytes) {
  const size_t at = (size_t)((const uint8_t*)data - arena);
  for (uint64_t i = 0; i < bytes; ++i)
    if (writers[at + i] != 0) return true;
  return false;
}

/* Whether pages or entries that nobody stated lie on top of what is read: not for the library to know. */
static bool overlaps_unstated(const baracuda_paged_kv_append* op, const ModelRow* judged, int32_t count) {
  static const int kRead[] = {BARACUDA_OPERAND_KEY, BARACUDA_OPERAND_VALUE, BARACUDA_OPERAND_INDICES,
                              BARACUDA_OPERAND_INDPTR, BARACUDA_OPERAND_LAST_PAGE_LEN};
  if ((op->flags & BARACUDA_FLAG_MIRRORED) == 0 || (op->num_total_pages > 0 && op->total_used_pages > 0)) return false;
  for (size_t i = 0; i < sizeof(kRead) / sizeof(kRead[0]); ++i) {
    const Reach reach = reach_of(op, kRead[i]);
    if (is_written((const uint8_t*)pointer_of(op, kRead[i]) - reach.below, reach.below + reach.above)) return true;
  }
  const uint64_t bytes = entry_bytes(op, BARACUDA_OPERAND_INDICES);
  for (int32_t row = 0; row < count; ++row) {
    const int64_t entry = judged[row].entry;
    if (entry >= 0 && is_written((const uint8_t*)op->indices + (uint64_t)entry * bytes, bytes)) return true;
  }
  return false;
}

static void count_appended(const baracuda_paged_kv_append* op) {
  ++outcomes.appended;
  outcomes.strided += (op->flags & BARACUDA_FLAG_STRIDED) != 0;
  ++outcomes.by_addressing[op->addressing];
  outcomes.dense += op->table == BARACUDA_TABLE_DENSE;
  outcomes.by_seq_lens += op->lengths == BARACUDA_LENGTHS_SEQ_LENS;
  ++outcomes.by_transform[op->transform];
}

/* What decreasing entries leave is not said to the row: every row is skipped or goes to a page that the table names,
 * and nothing else changes. */
static void check_out_of_order(const baracuda_paged_kv_append* op, const baracuda_paged_kv_append* passed) {
  const Reach reach = reach_of(op, table_of(op));
  const uint64_t entries = reach.above / entry_bytes(op, table_of(op));
  const int32_t wanted = is_guarded(op) ? BARACUDA_OK : BARACUDA_INVALID_PROBLEM;
  check_status("can_implement", baracuda_paged_kv_append_can_implement(passed), wanted);
  check_status("run", baracuda_paged_kv_append_run(passed), wanted);
  if (wanted != BARACUDA_OK) {
    check_unchanged("a refused run");
    ++outcomes.refused;
    return;
  }
  memset(writers, 0, ARENA_BYTES);
  for (uint64_t entry = 0; entry < entries; ++entry) {
    ModelRow row = {.record.page = table_entry(op, table_of(op), (int64_t)entry)};
    if (row.record.page < 0 || row.record.page >= op->num_total_pages) continue;
    for (row.slot = 0; row.slot < op->page_size; ++row.slot)
      for (int i = 0; i < num_parts(op); ++i) {
        const ModelPart part = part_of(op, i);
        for (int32_t head = 0; head < op->num_heads; ++head) {
          memset(writers + (place_of(&part, &row, head) - arena), 1, (size_t)part.written);
          if (part.scales != NULL)
            memset(writers + (scales_of(&part, &row, head) - arena), 1, (size_t)part.scales_written);
        }
      }
  }
  const uint8_t* record = (const uint8_t*)op->error_record;
  for (size_t i = 0; i < ARENA_BYTES; ++i) {
    const bool is_recorded = record != NULL && arena + i >= record && arena + i < record + 64;
    REQUIRE(arena[i] == before[i] || writers[i] != 0 || is_recorded, "byte %zu was written", i);
  }
  ++outcomes.out_of_order;
  count_appended(op);
}

/* False where nothing was run, since it would leave the arena. */
static bool check_host_run(const baracuda_paged_kv_append* op, const baracuda_paged_kv_append* passed) {
  static ModelRow judged[MOST_ROWS];
  baracuda_error_record lost;
  const AppendIndptr order = judge_append_indptr(op, &lost);
  bool corrupt = order != IN_ORDER;
  bool unreadable = false;
  bool fits = true;
  int32_t count = 0;
  if (order == DECREASING) {
    check_out_of_order(op, passed);
    return true;
  }
  memcpy(expected, before, ARENA_BYTES);
  memset(writers, 0, ARENA_BYTES);
  while (count < rows_of(op) && (is_guarded(op) || !corrupt)) { /* no entry beyond the first wrong one is read */
    judged[count] = judge(op, count, arena_holds, &unreadable);
    if (unreadable) return false;
    if (judged[count].verdict == SERVED) fits = fits && expect_row(op, count, &judged[count]);
    corrupt = corrupt || is_refused(op, &judged[count]);
    ++count;
  }
  if (!is_guarded(op) && !corrupt && !owns_every_id(op)) corrupt = true;
  bool claims = order == LOST;
  for (int32_t row = 0; row < count; ++row) claims = claims || judged[row].verdict == CORRUPT;
  const bool serves = is_guarded(op) || !corrupt;
  if (serves && (!fits || overlaps_unstated(op, judged, count))) return false;
  open_operands(op, judged, count);
  const int32_t wanted = serves ? BARACUDA_OK : BARACUDA_INVALID_PROBLEM;
  check_status("can_implement", baracuda_paged_kv_append_can_implement(passed), wanted);
  check_status("run", baracuda_paged_kv_append_run(passed), wanted);
  if (wanted != BARACUDA_OK) {
    check_unchanged("a refused run");
    ++outcomes.refused;
    return true;
  }
  arena_open_all();
  check_record(op, claims);
  count_appended(op);
  if (memcmp(arena, expected, ARENA_BYTES) == 0) return true;
  for (size_t i = 0; i < ARENA_BYTES; ++i) /* of rows that share a place, any may be the last */
    REQUIRE(arena[i] == expected[i] || writers[i] > 1, "byte %zu is %02x, the model says %02x; it was %02x", i,
            arena[i], expected[i], before[i]);
  return true;
}

static void check_append(const baracuda_paged_kv_append* op, const baracuda_paged_kv_append* passed, int32_t status) {
  int32_t arch = -1;
  bool may_refuse = false;
  arena_close();
  if (status == BARACUDA_OK) status = status_of_problem(op);
  const bool is_host = op->backend == BARACUDA_BACKEND_HOST;
  const int32_t preloaded = status != BARACUDA_OK || is_host ? status : BARACUDA_UNSUPPORTED;
  check_status("preload", baracuda_paged_kv_append_preload(passed, &arch), preloaded);
  REQUIRE(arch == (preloaded == BARACUDA_OK ? 0 : -1), "arch is %d", arch);
  const bool problem_only = !states_operands(op);
  if (problem_only) check_status("can_implement", baracuda_paged_kv_append_can_implement(passed), status);
  if (status == BARACUDA_OK) status = status_of_operands(op, &may_refuse);
  if (status == BARACUDA_OK && is_host && rows_of(op) > 0) {
    arena_open_all();
    if (!operands_are_in_the_arena(op) || rows_of(op) > MOST_ROWS) { /* which repeat a row, of a stride of 0 */
      ++outcomes.beyond_the_arena;
      return;
    }
    if (may_refuse && baracuda_paged_kv_append_can_implement(passed) == BARACUDA_INVALID_PROBLEM) {
      status = BARACUDA_INVALID_PROBLEM;
    } else {
      if (!check_host_run(op, passed)) ++outcomes.beyond_the_arena;
      return;
    }
  }
  if (may_refuse && baracuda_paged_kv_append_can_implement(passed) == BARACUDA_INVALID_PROBLEM)
    status = BARACUDA_INVALID_PROBLEM;
  if (!problem_only) check_status("can_implement", baracuda_paged_kv_append_can_implement(passed), status);
  /* No CUDA is built in here. */
  const bool runs = is_host || rows_of(op) == 0;
  const int32_t wanted = status == BARACUDA_OK && !runs ? BARACUDA_UNSUPPORTED : status;
  check_status("run", baracuda_paged_kv_append_run(passed), wanted);
  check_unchanged("a refused run");
  ++outcomes.refused;
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input = {data, data + size};
  baracuda_paged_kv_append op;
  int32_t status;
  if (outcomes.inputs++ == 0) atexit(report);
  arena_open_all();
  arena_fill();
  take_append(&input, &op);
  baracuda_paged_kv_append* passed = take_struct(&input, &op, &status);
  memcpy(before, arena, ARENA_BYTES);
  check_append(&op, passed, status);
  free(passed);
  return 0;
}
