/* libFuzzer's bytes become one append over an arena: struct sizes, flags, extents, strides, page tables and pointers,
 * sane and not. The status and every byte of the arena must be what the model says. */
#include <string.h>

#include "arena.h"
#include "formats.h"
#include "input.h"
#include "model.h"
#include "require.h"
#include "take_append.h"

enum { NUM_ADDRESSINGS = 4, NUM_TRANSFORMS = BARACUDA_TRANSFORM_NVFP4 + 1, MOST_ROWS = ARENA_BYTES / 4 };

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
