/* `edited_table SECONDS`: appends by a page table, not guarded, into which another thread writes wrong entries and
 * right ones all the time. Whatever of both an append sees, it writes rows into the caches, each whole, or is refused
 * and writes nothing. */
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "problem.h"
#include "require.h"

/* A wrong page or slot is at most AROUND rows outside. */
enum { ROWS = 200, ROW = 1024, AROUND = 4096, CACHE = ROWS * ROW, MEMORY = CACHE + 2 * AROUND * ROW };

static int32_t indices[ROWS], indptr[ROWS + 1], last_page_len[ROWS];
static atomic_bool over;

static void store(int32_t* entry, int32_t number) { __atomic_store_n(entry, number, __ATOMIC_RELAXED); }

/* For about as long as an append takes, so that entries change while one is under way. */
static void dwell(uint64_t* state) {
  for (int64_t i = random_below(state, 40000); i > 0; --i) atomic_load_explicit(&over, memory_order_relaxed);
}

static void* edit(void* unused) {
  uint64_t state = 99;
  (void)unused;
  while (!atomic_load_explicit(&over, memory_order_relaxed)) {
    const int32_t row = (int32_t)random_below(&state, ROWS);
    const int32_t beyond = 1 + (int32_t)random_below(&state, AROUND - 2);
    int32_t* const entry = random_below(&state, 2) == 0 ? &indices[row] : &last_page_len[row];
    const int32_t right = *entry;
    store(entry, entry == &indices[row] ? ROWS + beyond : random_below(&state, 2) == 0 ? beyond : -beyond);
    dwell(&state);
    store(entry, right);
    dwell(&state);
  }
  return NULL;
}

static uint8_t* new_memory(int byte) {
  uint8_t* memory = malloc(MEMORY);
  REQUIRE(memory != NULL, "out of memory");
  memset(memory, byte, MEMORY);
  return memory;
}

static void check_around(const uint8_t* memory, int byte) {
  for (size_t i = 0; i < MEMORY; ++i)
    if (i < (size_t)AROUND * ROW || i >= (size_t)AROUND * ROW + CACHE)
      REQUIRE(memory[i] == byte, "byte %zd of a cache of %d was written", (ssize_t)i - AROUND * ROW, CACHE);
}

/* The same places, of one page a request, said in each way by turns. */
static baracuda_paged_kv_append said_otherwise(baracuda_paged_kv_append op, unsigned way) {
  op.num_rows = ROWS;
  switch (way % 5) {
    case 1: /* of a dense table of one column */
      op.table = BARACUDA_TABLE_DENSE;
      op.lengths = BARACUDA_LENGTHS_SEQ_LENS;
      op.block_table = indices;
      op.max_pages = op.block_table_stride = 1;
      op.seq_lens = last_page_len;
      return op;
    case 2:
      op.addressing = BARACUDA_ADDRESSING_RAGGED;
      op.lengths = BARACUDA_LENGTHS_SEQ_LENS;
      op.seq_lens = last_page_len;
      op.append_indptr = indptr;
      return op;
    case 3:
      op.addressing = BARACUDA_ADDRESSING_POSITIONS;
      op.batch_indices = indptr;
      op.positions = last_page_len;
      return op;
    case 4:
      op.addressing = BARACUDA_ADDRESSING_SLOTS;
      op.slot_mapping = indices;
      return op;
    default:
      return op;
  }
}

int main(int count, char** arguments) {
  const time_t end = time(NULL) + (time_t)(count > 1 ? atoi(arguments[1]) : 3);
  static uint8_t rows[2][CACHE], before[2][CACHE];
  unsigned long appended = 0;
  unsigned long refused = 0;
  pthread_t editor;
  uint8_t* memory[2] = {new_memory(0x5a), new_memory(0x5b)};
  uint8_t* caches[2] = {memory[0] + AROUND * ROW, memory[1] + AROUND * ROW};
  for (int row = 0; row < ROWS; ++row) indices[row] = indptr[row] = row;
  indptr[ROWS] = ROWS;
  const baracuda_paged_kv_append op = {.struct_size = sizeof(op),
                                       .backend = BARACUDA_BACKEND_HOST,
                                       .element = BARACUDA_ELEMENT_F16,
                                       .batch_size = ROWS,
                                       .page_size = 1,
                                       .num_heads = ROW / 256,
                                       .head_dim = 128,
                                       .num_total_pages = ROWS,
                                       .total_used_pages = ROWS,
                                       .k_data = caches[0],
                                       .v_data = caches[1],
                                       .indices = indices,
                                       .indptr = indptr,
                                       .last_page_len = last_page_len,
                                       .key = rows[0],
                                       .value = rows[1]};
  REQUIRE(pthread_create(&editor, NULL, edit, NULL) == 0, "no thread");
  for (unsigned round = 0; time(NULL) < end; ++round) {
    for (int part = 0; part < 2; ++part) {
      memset(rows[part], (int)(round % 251), CACHE);
      memcpy(before[part], caches[part], CACHE);
    }
    const baracuda_paged_kv_append said = said_otherwise(op, round);
    const int32_t status = baracuda_paged_kv_append_run(&said);
    REQUIRE(status == BARACUDA_OK || status == BARACUDA_INVALID_PROBLEM, "status %d", status);
    for (int part = 0; part < 2; ++part) {
      const void* wanted = status == BARACUDA_OK ? rows[part] : before[part];
      REQUIRE(memcmp(caches[part], wanted, CACHE) == 0, "status %d, and the cache is another", status);
    }
    if (round % 64 == 0)
      for (int part = 0; part < 2; ++part) check_around(memory[part], 0x5a + part);
    appended += status == BARACUDA_OK;
    refused += status != BARACUDA_OK;
  }
  atomic_store(&over, true);
  pthread_join(editor, NULL);
  for (int part = 0; part < 2; ++part) check_around(memory[part], 0x5a + part);
  printf("edited_table: %lu appends whole, %lu refused\n", appended, refused);
  return 0;
}
