/* `cancel TRIALS`: a thread appends again and again, so many rows that the host backend uses threads of its own, and is
 * cancelled at some moment. The process goes on, and every row is one that was appended whole. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "problem.h"
#include "require.h"

enum { ROWS = 256, HEADS = 32, HEAD_DIM = 256, TOKEN = HEADS * HEAD_DIM * 4 };

static uint8_t* key[2]; /* all of one byte each: what is in a cache says of which append it is */
static uint8_t* value[2];
static baracuda_paged_kv_append op;
static atomic_int started; /* appends so far */
static atomic_bool inside;

static uint8_t* new_bytes(int byte) {
  uint8_t* block = malloc((size_t)ROWS * TOKEN);
  REQUIRE(block != NULL, "out of memory");
  memset(block, byte, (size_t)ROWS * TOKEN);
  return block;
}

static void* append(void* unused) {
  (void)unused;
  for (;;) {
    const int version = atomic_fetch_add(&started, 1) % 2;
    baracuda_paged_kv_append mine = op;
    mine.key = key[version];
    mine.value = value[version];
    atomic_store(&inside, true);
    REQUIRE(baracuda_paged_kv_append_run(&mine) == BARACUDA_OK, "%s", baracuda_last_error_message());
    atomic_store(&inside, false);
    pthread_testcancel();
  }
}

static void sleep_for(int64_t nanoseconds) {
  const struct timespec time = {0, nanoseconds};
  nanosleep(&time, NULL);
}

int main(int count, char** arguments) {
  static int32_t indices[ROWS], indptr[ROWS + 1], last_page_len[ROWS];
  const int trials = count > 1 ? atoi(arguments[1]) : 50;
  int trials_inside = 0;
  uint64_t state = 77;
  for (int row = 0; row < ROWS; ++row) indices[row] = indptr[row] = row;
  indptr[ROWS] = ROWS;
  op = (baracuda_paged_kv_append){.struct_size = sizeof(op),
                                  .backend = BARACUDA_BACKEND_HOST,
                                  .element = BARACUDA_ELEMENT_F32,
                                  .batch_size = ROWS,
                                  .page_size = 1,
                                  .num_heads = HEADS,
                                  .head_dim = HEAD_DIM,
                                  .num_total_pages = ROWS,
                                  .total_used_pages = ROWS,
                                  .indices = indices,
                                  .indptr = indptr,
                                  .last_page_len = last_page_len};
  op.k_data = new_bytes(0);
  op.v_data = new_bytes(0);
  for (int version = 0; version < 2; ++version) {
    key[version] = new_bytes(1 + version);
    value[version] = new_bytes(3 + version);
  }
  for (int trial = 0; trial < trials; ++trial) {
    pthread_t thread;
    void* result = NULL;
    REQUIRE(pthread_create(&thread, NULL, append, NULL) == 0, "no thread");
    sleep_for(1000 * random_below(&state, 8000));
    while (!atomic_load(&inside)) sched_yield();
    trials_inside += atomic_load(&inside);
    REQUIRE(pthread_cancel(thread) == 0, "pthread_cancel");
    REQUIRE(pthread_join(thread, &result) == 0, "pthread_join");
    REQUIRE(result == PTHREAD_CANCELED, "the thread was not cancelled");
    atomic_store(&inside, false);
    const int last = (atomic_load(&started) - 1) % 2;
    REQUIRE(memcmp(op.k_data, key[last], (size_t)ROWS * TOKEN) == 0, "k_data is not of the last append");
    REQUIRE(memcmp(op.v_data, value[last], (size_t)ROWS * TOKEN) == 0, "v_data is not of the last append");
  }
  printf("cancel: %d threads cancelled, %d of them inside an append, %d appends whole\n", trials, trials_inside,
         atomic_load(&started));
  return 0;
}
