/* Sixteen threads append at once, some so much that the host backend uses threads of its own, into one cache and into
 * caches of their own, while the limit on threads changes and other calls are refused. For ThreadSanitizer. */
#include <pthread.h>
#include <string.h>

#include "problem.h"
#include "require.h"

enum { THREADS = 16, ROUNDS = 6 };

typedef struct Job {
  Problem* problem; /* the thread's own */
  const baracuda_paged_kv_append* shared;
  baracuda_paged_kv_append share; /* one of THREADS shares of the shared problem */
  int number;
} Job;

static pthread_barrier_t start;

static void refuse_by_number(const Job* job) {
  char wanted[32];
  baracuda_paged_kv_append op = job->problem->op;
  op.page_size = -1 - job->number;
  snprintf(wanted, sizeof(wanted), "page_size is %d;", op.page_size);
  REQUIRE(baracuda_paged_kv_append_run(&op) == BARACUDA_INVALID_PROBLEM, "page_size %d was not refused", op.page_size);
  REQUIRE(strstr(baracuda_last_error_message(), wanted) != NULL, "not this thread's message: %s",
          baracuda_last_error_message());
}

/* The planted error is two threads' race. A helper that is the one's and then the other's puts them in an order. */
static int32_t limit_for(int number, int round) {
#if defined(PLANTED_ERROR)
  (void)number, (void)round;
  return 1;
#else
  return (number + round) % 5;
#endif
}

static void* work(void* argument) {
  const Job* job = argument;
  pthread_barrier_wait(&start);
  for (int round = 0; round < ROUNDS; ++round) {
    REQUIRE(baracuda_host_set_max_threads(limit_for(job->number, round)) == BARACUDA_OK, "set_max_threads");
    REQUIRE(baracuda_paged_kv_append_run(&job->problem->op) == BARACUDA_OK, "%s", baracuda_last_error_message());
    refuse_by_number(job);
    REQUIRE(baracuda_paged_kv_append_can_implement(job->shared) == BARACUDA_OK, "%s", baracuda_last_error_message());
    REQUIRE(baracuda_paged_kv_append_run(&job->share) == BARACUDA_OK, "%s", baracuda_last_error_message());
  }
  return NULL;
}

/* Rows [first, first + count) of `op`. */
static baracuda_paged_kv_append share_of(const baracuda_paged_kv_append* op, int32_t first, int32_t count) {
  const ModelPart key = part_of(op, 0);
  const ModelPart value = part_of(op, 1);
  baracuda_paged_kv_append share = *op;
  share.batch_size = count;
  share.key = source_of(&key, first, 0);
  share.value = source_of(&value, first, 0);
  share.indptr = (const uint8_t*)op->indptr + (uint64_t)first * entry_bytes(op, BARACUDA_OPERAND_INDPTR);
  share.last_page_len =
      (const uint8_t*)op->last_page_len + (uint64_t)first * entry_bytes(op, BARACUDA_OPERAND_LAST_PAGE_LEN);
  return share;
}

int main(void) {
  uint64_t state = 7;
  const baracuda_paged_kv_append own = {.struct_size = sizeof(own),
                                        .backend = BARACUDA_BACKEND_HOST,
                                        .element = BARACUDA_ELEMENT_F32,
                                        .batch_size = 20,
                                        .page_size = 1,
                                        .num_heads = 32,
                                        .head_dim = 256,
                                        .num_total_pages = 162};
  baracuda_paged_kv_append whole = own;
  whole.flags = BARACUDA_FLAG_GUARDED | BARACUDA_FLAG_STRIDED;
  whole.int64_operands = 1u << BARACUDA_OPERAND_INDPTR;
  whole.layout = BARACUDA_LAYOUT_NHD;
  whole.batch_size = THREADS * 5;
  whole.page_size = 2;
  baracuda_paged_kv_append large = own;
  large.batch_size = 160; /* 10 MiB */
  baracuda_paged_kv_append strided = own;
  strided.flags = BARACUDA_FLAG_STRIDED;
  baracuda_paged_kv_append ragged = large;
  ragged.addressing = BARACUDA_ADDRESSING_RAGGED;
  ragged.table = BARACUDA_TABLE_DENSE;
  ragged.lengths = BARACUDA_LENGTHS_SEQ_LENS;
  ragged.page_size = 4;
  baracuda_paged_kv_append slots = strided;
  slots.addressing = BARACUDA_ADDRESSING_SLOTS;
  slots.page_size = 3;
  baracuda_paged_kv_append fp8 = large;
  fp8.transform = BARACUDA_TRANSFORM_FP8;
  fp8.element = BARACUDA_ELEMENT_FP8_E4M3;
  fp8.source_element = BARACUDA_ELEMENT_F32;
  fp8.k_scale_stride = 1;
  baracuda_paged_kv_append scaled = slots;
  scaled.transform = BARACUDA_TRANSFORM_PER_TOKEN_HEAD;
  scaled.element = BARACUDA_ELEMENT_I8;
  scaled.source_element = BARACUDA_ELEMENT_BF16;
  enum { KINDS = 7 };
  const baracuda_paged_kv_append* const kinds[KINDS] = {&large, &strided, &own, &ragged, &slots, &fp8, &scaled};
  Problem* shared = new_problem(&whole, &state);
  Job jobs[THREADS];
  pthread_t threads[THREADS];
  pthread_barrier_init(&start, NULL, THREADS);
  for (int i = 0; i < THREADS; ++i) {
#if defined(PLANTED_ERROR)
    const int32_t first = 0; /* the same slots for every thread */
#else
    const int32_t first = i * 5;
#endif
    jobs[i] = (Job){new_problem(kinds[i % KINDS], &state), &shared->op, share_of(&shared->op, first, 5), i};
    REQUIRE(pthread_create(&threads[i], NULL, work, &jobs[i]) == 0, "no thread");
  }
  for (int i = 0; i < THREADS; ++i) pthread_join(threads[i], NULL);
  check_problem_done(shared);
  free_problem(shared);
  for (int i = 0; i < THREADS; ++i) {
    check_problem_done(jobs[i].problem);
    free_problem(jobs[i].problem);
  }
  printf("threads: %d appends by %d threads as the model says\n", 2 * ROUNDS * THREADS, THREADS);
  return 0;
}
