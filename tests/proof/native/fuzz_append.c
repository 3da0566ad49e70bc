/* libFuzzer's bytes become one append over an arena: struct sizes, flags, extents, page tables and pointers, sane and
 * not. The status and every byte of the arena must be what the model says. */
#include <string.h>

#include "arena.h"
#include "input.h"
#include "model.h"
#include "require.h"

enum { MOST_REQUESTS = 16 };

static uint8_t before[ARENA_BYTES];
static uint8_t expected[ARENA_BYTES];
static uint8_t writers[ARENA_BYTES];

/* What became of the inputs, told at the exit: a fuzzer that never gets to an append proves nothing. */
static struct {
  unsigned long inputs, appended, refused, beyond_the_arena;
} outcomes;

static void report(void) {
  printf("fuzz_append: %lu inputs: %lu appended, %lu refused, %lu with operands beyond the arena\n", outcomes.inputs,
         outcomes.appended, outcomes.refused, outcomes.beyond_the_arena);
}

/* The next operand's place; once in 16 somewhere it should not be. */
static uint8_t* take_place(Input* input, uint64_t* cursor, uint64_t bytes, uint64_t alignment, uint8_t* const* others,
                           int count) {
  const uint8_t choice = take8(input);
  if (choice < 240) {
    *cursor = (*cursor + alignment - 1) / alignment * alignment;
    uint8_t* place = arena + (*cursor < ARENA_BYTES ? *cursor : 0);
    *cursor += (bytes < ARENA_BYTES ? bytes : ARENA_BYTES) + 4 * (uint64_t)take_below(input, 9);
    return place;
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

/* A right table, and then up to three wrong entries. */
static void fill_table(Input* input, const baracuda_paged_kv_append* op, uint8_t* indices, uint8_t* indptr,
                       uint8_t* last_page_len) {
  const int32_t batch = op->batch_size < MOST_REQUESTS ? op->batch_size : MOST_REQUESTS;
  const uint32_t pages = op->num_total_pages > 0 && op->num_total_pages < 16 ? (uint32_t)op->num_total_pages : 3;
  const uint32_t slots = op->page_size > 0 && op->page_size < 256 ? (uint32_t)op->page_size : 1;
  int32_t end = 0;
  put32(indptr, 0, 0);
  for (int32_t b = 0; b < batch; ++b) {
    end += 1 + (int32_t)take_below(input, 2);
    put32(indptr, b + 1, end);
    put32(last_page_len, b, (int32_t)take_below(input, slots) + (op->length_convention == BARACUDA_AFTER_APPEND));
  }
  for (int32_t entry = 0; entry < end; ++entry) put32(indices, entry, (int32_t)take_below(input, pages));
  for (uint32_t damage = take8(input) % 8; damage > 4; --damage) {
    uint8_t* tables[] = {indices, indptr, last_page_len};
    uint8_t* table = tables[take_below(input, 3)];
    const int64_t entry = take_below(input, MOST_REQUESTS + 1);
    put32(table, entry, take8(input) % 2 ? (int32_t)take_below(input, 20) - 2 : take_hostile(input));
  }
}

static void take_append(Input* input, baracuda_paged_kv_append* op) {
  memset(op, 0, sizeof(*op));
  op->struct_size = sizeof(*op);
  op->backend = TAKE_EXTENT(input, BARACUDA_BACKEND_HOST, BARACUDA_BACKEND_HOST, BARACUDA_BACKEND_HOST,
                            BARACUDA_BACKEND_FLASHINFER, BARACUDA_BACKEND_BESPOKE);
  const uint8_t flags = take8(input);
  op->flags = flags < 250 ? flags % 2 : take32(input);
  op->element = TAKE_EXTENT(input, 1, 2, 3, 4, 5);
  op->layout = TAKE_EXTENT(input, 0, 1);
  op->length_convention = TAKE_EXTENT(input, 0, 1);
  op->batch_size = TAKE_EXTENT(input, 1, 2, 3, 4, 7, MOST_REQUESTS);
  op->page_size = TAKE_EXTENT(input, 1, 2, 3, 7, 16);
  op->num_heads = TAKE_EXTENT(input, 1, 2, 3, 4, 8);
  op->head_dim = TAKE_EXTENT(input, 64, 64, 128, 256, 8, 16, 32, 80, 512);
  op->num_total_pages = TAKE_EXTENT(input, 1, 2, 3, 5, 8, 0);
  op->total_used_pages = TAKE_EXTENT(input, 2 * MOST_REQUESTS, 2 * MOST_REQUESTS, 16, 8, 1, 0);
  if (take8(input) >= 252) op->stream = (void*)(uintptr_t)take32(input);

  const Extents extents = status_of_problem(op) == BARACUDA_OK ? extents_of(op) : (Extents){16, 16, 16, 16, 4, 8, 4, 0};
  uint8_t* places[8];
  uint64_t cursor = 16 * (uint64_t)take_below(input, 5);
  const uint64_t bytes[8] = {extents.cache,   extents.cache,  extents.rows,          extents.rows,
                             extents.indices, extents.indptr, extents.last_page_len, sizeof(baracuda_error_record)};
  for (int i = 0; i < 8; ++i) places[i] = take_place(input, &cursor, bytes[i], i < 4 ? 16 : 4, places, i);
  op->k_data = places[0];
  op->v_data = places[1];
  op->key = places[2];
  op->value = take8(input) % 8 == 0 ? places[2] : places[3];
  op->indices = (const int32_t*)(const void*)places[4];
  op->indptr = (const int32_t*)(const void*)places[5];
  op->last_page_len = (const int32_t*)(const void*)places[6];
  fill_table(input, op, places[4], places[5], places[6]);
  /* Guarded appends mostly have a record, some of them claimed already; others mostly have none. */
  if (take8(input) % 16 >= ((op->flags & BARACUDA_FLAG_GUARDED) != 0 ? 13 : 1)) return;
  op->error_record = (baracuda_error_record*)(void*)places[7];
  if (arena_holds(places[7], sizeof(baracuda_error_record))) memset(places[7], 0, sizeof(baracuda_error_record));
  if (take8(input) % 4 == 0) put32(places[7], 0, BARACUDA_CORRUPT_PAGE);
}

/* The struct alone in a block of its own, of as many bytes as it says. *status is 2 if that must be refused. */
static baracuda_paged_kv_append* take_struct(Input* input, const baracuda_paged_kv_append* op, int32_t* status) {
  static const uint32_t kSizes[] = {0,
                                    1,
                                    4,
                                    8,
                                    40,
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
  *status = bytes < sizeof(*op) || bytes % sizeof(void*) != 0 ? BARACUDA_INVALID_PROBLEM : BARACUDA_OK;
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
  return op->k_data || op->v_data || op->key || op->value || op->indices || op->indptr || op->last_page_len;
}

typedef struct Operand {
  const void* data;
  uint64_t bytes;
} Operand;

/* The operands that have any bytes, as large as they are stated to be. */
static int list_operands(const baracuda_paged_kv_append* op, Operand operands[8]) {
  const Extents extents = extents_of(op);
  const Operand all[8] = {{op->k_data, extents.cache},
                          {op->v_data, extents.cache},
                          {op->key, extents.rows},
                          {op->value, extents.rows},
                          {op->indices, extents.indices},
                          {op->indptr, extents.indptr},
                          {op->last_page_len, extents.last_page_len},
                          {op->error_record, extents.record}};
  int count = 0;
  for (int i = 0; i < 8; ++i)
    if (all[i].bytes != 0) operands[count++] = all[i];
  return count;
}

static bool operands_are_in_the_arena(const baracuda_paged_kv_append* op) {
  Operand operands[8];
  for (int i = list_operands(op, operands) - 1; i >= 0; --i)
    if (!arena_holds(operands[i].data, operands[i].bytes)) return false;
  return true;
}

/* Nothing but the operands is usable then. */
static void open_operands(const baracuda_paged_kv_append* op) {
  Operand operands[8];
  arena_close();
  for (int i = list_operands(op, operands) - 1; i >= 0; --i) arena_open(operands[i].data, operands[i].bytes);
}

/* Writes what one served request writes into `expected`. False where that is outside the arena: a cache that is
 * not as large as its page table says, without num_total_pages to hold that against. */
static bool expect_request(const baracuda_paged_kv_append* op, int32_t request, const Request* judged) {
  const uint64_t row = extents_of(op).row;
  const uint8_t* sources[] = {op->key, op->value};
  uint8_t* caches[] = {op->k_data, op->v_data};
  for (int which = 0; which < 2; ++which)
    for (int32_t head = 0; head < op->num_heads; ++head) {
      const uint64_t offset = row_offset(op, judged, head);
      if (offset > ARENA_BYTES || !arena_holds(caches[which] + offset, row)) return false;
      const size_t at = (size_t)(caches[which] - arena) + offset;
      const uint8_t* source = sources[which] + ((uint64_t)request * (uint64_t)op->num_heads + (uint64_t)head) * row;
      memcpy(expected + at, before + (source - arena), row);
      for (uint64_t i = 0; i < row; ++i) writers[at + i] += writers[at + i] < 2;
    }
  return true;
}

/* What lies beyond the stated operands because its extent is not stated. */
static void open_unstated(const baracuda_paged_kv_append* op, const Request* judged) {
  if (judged->entry >= 0) arena_open(&op->indices[judged->entry], sizeof(int32_t));
  if (judged->verdict != SERVED) return;
  for (int32_t head = 0; head < op->num_heads; ++head) {
    const uint64_t offset = row_offset(op, judged, head);
    const uint64_t row = extents_of(op).row;
    if (arena_holds((uint8_t*)op->k_data + offset, row)) arena_open((uint8_t*)op->k_data + offset, row);
    if (arena_holds((uint8_t*)op->v_data + offset, row)) arena_open((uint8_t*)op->v_data + offset, row);
  }
}

static bool describes(const baracuda_error_record* record, const baracuda_paged_kv_append* op) {
  if (record->request < 0 || record->request >= op->batch_size) return false;
  bool unreadable = false;
  const Request judged = judge(op, record->request, arena_holds, &unreadable);
  return judged.verdict >= CORRUPT_INDPTR && record->reason == (int32_t)(judged.verdict - CORRUPT_INDPTR) + 1 &&
         record->indptr_begin == op->indptr[record->request] && record->indptr_end == op->indptr[record->request + 1] &&
         record->page == (int32_t)judged.page && record->last_page_len == op->last_page_len[record->request] &&
         record->reserved[0] == 0 && record->reserved[1] == 0;
}

/* The record's bytes in the arena, whatever they are, are as they should be; `expected` is made to agree. */
static void check_record(const baracuda_paged_kv_append* op, bool corrupt) {
  if (op->error_record == NULL) return;
  const size_t at = (size_t)((uint8_t*)op->error_record - arena);
  baracuda_error_record was;
  memcpy(&was, before + at, sizeof(was));
  if (!corrupt || was.reason != BARACUDA_CORRUPT_NONE) return;
  REQUIRE(describes(op->error_record, op), "reason %d, request %d", op->error_record->reason,
          op->error_record->request);
  memcpy(expected + at, op->error_record, sizeof(was));
}

static bool is_written(const void* data, uint64_t bytes) {
  const size_t at = (size_t)((const uint8_t*)data - arena);
  for (uint64_t i = 0; i < bytes; ++i)
    if (writers[at + i] != 0) return true;
  return false;
}

/* Whether pages or entries that nobody stated lie on top of what is read: not for the library to know. */
static bool overlaps_unstated(const baracuda_paged_kv_append* op, const Request* judged, int32_t count) {
  Operand operands[8];
  if (op->num_total_pages > 0 && op->total_used_pages > 0) return false;
  for (int i = list_operands(op, operands) - 1; i >= 2; --i)
    if (is_written(operands[i].data, operands[i].bytes)) return true;
  for (int32_t request = 0; request < count; ++request)
    if (judged[request].entry >= 0 && is_written(&op->indices[judged[request].entry], sizeof(int32_t))) return true;
  return false;
}

/* False where nothing was run, since it would leave the arena. */
static bool check_host_run(const baracuda_paged_kv_append* op, const baracuda_paged_kv_append* passed) {
  const bool guarded = (op->flags & BARACUDA_FLAG_GUARDED) != 0;
  static Request judged[ARENA_BYTES / sizeof(int32_t)];
  bool corrupt = false;
  bool unreadable = false;
  bool fits = true;
  int32_t count = 0;
  memcpy(expected, before, ARENA_BYTES);
  memset(writers, 0, ARENA_BYTES);
  for (; count < op->batch_size; ++count) {
    judged[count] = judge(op, count, arena_holds, &unreadable);
    if (unreadable) return false;
    if (judged[count].verdict == SERVED) fits = fits && expect_request(op, count, &judged[count]);
    const bool refused = judged[count].verdict != SERVED && !(guarded && judged[count].verdict == PADDING);
    corrupt = corrupt || refused;
    if (refused && !guarded) break; /* no later entry is read */
  }
  const bool serves = guarded || !corrupt;
  if (serves && (!fits || overlaps_unstated(op, judged, count))) return false;
  open_operands(op);
  for (int32_t request = 0; request < count; ++request) open_unstated(op, &judged[request]);
  if (count < op->batch_size) open_unstated(op, &judged[count]);
  const int32_t wanted = corrupt && !guarded ? BARACUDA_INVALID_PROBLEM : BARACUDA_OK;
  check_status("can_implement", baracuda_paged_kv_append_can_implement(passed), wanted);
  check_status("run", baracuda_paged_kv_append_run(passed), wanted);
  if (wanted != BARACUDA_OK) {
    check_unchanged("a refused run");
    ++outcomes.refused;
    return true;
  }
  arena_open_all();
  check_record(op, corrupt);
  ++outcomes.appended;
  if (memcmp(arena, expected, ARENA_BYTES) == 0) return true;
  for (size_t i = 0; i < ARENA_BYTES; ++i) /* of requests that share a slot, any may be the last */
    REQUIRE(arena[i] == expected[i] || writers[i] > 1, "byte %zu is %02x, the model says %02x; it was %02x", i,
            arena[i], expected[i], before[i]);
  return true;
}

static void check_append(const baracuda_paged_kv_append* op, const baracuda_paged_kv_append* passed, int32_t status) {
  int32_t arch = -1;
  arena_close();
  if (status == BARACUDA_OK) status = status_of_problem(op);
  const bool is_host = op->backend == BARACUDA_BACKEND_HOST;
  const int32_t preloaded = status != BARACUDA_OK || is_host ? status : BARACUDA_UNSUPPORTED;
  check_status("preload", baracuda_paged_kv_append_preload(passed, &arch), preloaded);
  REQUIRE(arch == (preloaded == BARACUDA_OK ? 0 : -1), "arch is %d", arch);
  const bool problem_only = !states_operands(op);
  if (problem_only) check_status("can_implement", baracuda_paged_kv_append_can_implement(passed), status);
  if (status == BARACUDA_OK) status = status_of_operands(op);
  if (status == BARACUDA_OK && is_host) {
    arena_open_all();
    if (!operands_are_in_the_arena(op) || !check_host_run(op, passed)) ++outcomes.beyond_the_arena;
    return;
  }
  if (!problem_only) check_status("can_implement", baracuda_paged_kv_append_can_implement(passed), status);
  /* No CUDA is built in here. */
  const int32_t wanted = status == BARACUDA_OK ? BARACUDA_UNSUPPORTED : status;
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
