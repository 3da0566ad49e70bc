/* `random_problems SECONDS [SEED]`: right appends of every kind, large ones too, by the general and by the mirrored
 * functions of the host twin. */
#include <string.h>
#include <time.h>

#include "problem.h"
#include "require.h"

static uint64_t state;

static int32_t below(int32_t limit) { return (int32_t)(next_random(&state) % (uint64_t)limit); }

static baracuda_paged_kv_append random_problem(void) {
  static const int32_t kHeadDims[] = {64, 128, 256};
  baracuda_paged_kv_append op;
  memset(&op, 0, sizeof(op));
  op.struct_size = sizeof(op);
  op.backend = BARACUDA_BACKEND_HOST;
  op.element = 1 + below(5);
  op.layout = below(2);
  op.length_convention = below(2);
  op.flags = (uint32_t)below(2);
  op.batch_size = 1 + below(below(8) == 0 ? 300 : 20);
  op.page_size = 1 + below(17);
  op.num_heads = 1 + below(below(4) == 0 ? 40 : 8);
  op.head_dim = kHeadDims[below(3)];
  /* 16, 32, ... 512 elements: a multiple of 16 bytes in every type. */
  if (op.flags == BARACUDA_FLAG_GUARDED && below(2) == 0) op.head_dim = 16 * (1 + below(32));
  op.num_total_pages = op.batch_size + below(8);
  return op;
}

static int32_t run_mirrored(const baracuda_paged_kv_append* op) {
  switch (op->element) {
#define CASE(ENUM, name, number, dlpack_code, bits)                                                                \
  case number:                                                                                                     \
    return baracuda_kernels_host_paged_kv_append_decode_##name##_run(                                              \
        op->batch_size, op->page_size, op->num_heads, op->head_dim, op->k_data, op->v_data,                        \
        (void*)(uintptr_t)op->indices, (void*)(uintptr_t)op->indptr, (void*)(uintptr_t)op->last_page_len, op->key, \
        op->value, NULL);
    BARACUDA_FOR_EACH_ELEMENT(CASE)
#undef CASE
    default:
      return -1;
  }
}

int main(int count, char** arguments) {
  const time_t end = time(NULL) + (time_t)(count > 1 ? atoi(arguments[1]) : 5);
  const unsigned long long seed = count > 2 ? strtoull(arguments[2], NULL, 10) : 1;
  unsigned long appends = 0;
  state = seed * 2 + 1;
  do {
    const baracuda_paged_kv_append wanted = random_problem();
    const Extents extents = extents_of(&(baracuda_paged_kv_append){
        .element = wanted.element,
        .head_dim = wanted.head_dim,
        .num_heads = wanted.num_heads,
        .page_size = wanted.page_size,
        .batch_size = wanted.batch_size,
        .num_total_pages = wanted.num_total_pages,
    });
    if (extents.cache > (16u << 20)) continue;
    Problem* problem = new_problem(&wanted, &state);
#if defined(PLANTED_ERROR)
    /* A page more than there is memory for. */
    ((int32_t*)(uintptr_t)problem->op.indices)[problem->op.indptr[1] - 1] = problem->op.num_total_pages++;
#endif
    const baracuda_paged_kv_append* op = &problem->op;
    const bool is_mirrored = op->layout == BARACUDA_LAYOUT_HND && op->length_convention == BARACUDA_BEFORE_APPEND &&
                             op->flags == 0 && below(2) == 0;
    const int32_t status = is_mirrored ? run_mirrored(op) : baracuda_paged_kv_append_run(op);
#if defined(PLANTED_ERROR)
    if (status == BARACUDA_INVALID_PROBLEM) continue; /* the page that is not there was in another operand */
#endif
    REQUIRE(status == BARACUDA_OK, "status %d: %s", status, baracuda_last_error_message());
    check_problem_done(problem);
    free_problem(problem);
    ++appends;
  } while (time(NULL) < end);
  printf("random_problems: %lu appends as the model says, seed %llu\n", appends, seed);
  return 0;
}
