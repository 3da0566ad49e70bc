/* `random_problems SECONDS [SEED]`: right appends of every kind, large ones too, by the general and by the mirrored
 * functions of the host backend. */
#include <string.h>
#include <time.h>

#include "problem.h"
#include "require.h"

static uint64_t state;

static int32_t below(int32_t limit) { return (int32_t)random_below(&state, limit); }

static const int32_t kHeadDims[] = {64, 128, 256};

static void choose_placing(baracuda_paged_kv_append* op) {
  static const int32_t kWays[][3] = {{0, 0, 1}, {0, 1, 1}, {1, 0, 0}, {1, 0, 1}, {1, 1, 1}, {2, 0, 0}, {3, 0, 0}};
  const int32_t* way = kWays[below(7)];
  op->addressing = way[0];
  op->table = way[1];
  op->lengths = way[2];
  op->num_total_pages += below(2 * op->batch_size + 1);
  if (op->addressing == BARACUDA_ADDRESSING_RAGGED && op->lengths == 0) op->length_convention = BARACUDA_AFTER_APPEND;
  if (op->addressing == BARACUDA_ADDRESSING_SLOTS && below(2) == 0) op->flags |= BARACUDA_FLAG_SKIP_SLOT;
}

/* A transform, with what it takes. */
static void choose_transform(baracuda_paged_kv_append* op) {
  op->transform = 1 + below(4);
  op->source_element = 1 + below(3);
  op->element = BARACUDA_ELEMENT_U8;
  op->k_scale_stride = below(2);
  op->v_scale_stride = below(2);
  switch (op->transform) {
    case BARACUDA_TRANSFORM_FP8:
      op->element = below(2) == 0 ? BARACUDA_ELEMENT_FP8_E4M3 : BARACUDA_ELEMENT_FP8_E5M2;
      break;
    case BARACUDA_TRANSFORM_PER_TOKEN_HEAD:
      op->element = below(2) == 0 ? BARACUDA_ELEMENT_FP8_E4M3 : BARACUDA_ELEMENT_I8;
      break;
    case BARACUDA_TRANSFORM_FP8_DS_MLA:
      op->source_element = 1 + below(2);
      op->num_heads = 1;
      op->head_dim = 512;
      op->value_head_dim = 64;
      break;
    default:
      op->head_dim = 16 * (1 + below(16));
      if (op->value_head_dim != 0) op->value_head_dim = 16 * (1 + below(16));
      break;
  }
}

static baracuda_paged_kv_append random_problem(void) {
  baracuda_paged_kv_append op;
  memset(&op, 0, sizeof(op));
  op.struct_size = sizeof(op);
  op.backend = BARACUDA_BACKEND_HOST;
  op.element = 1 + below(7);
  op.layout = below(2);
  op.length_convention = below(2);
  op.flags = (uint32_t)below(2);
  op.batch_size = below(32) == 0 ? 0 : 1 + below(below(8) == 0 ? 300 : 20);
  op.page_size = 1 + below(17);
  op.num_heads = below(4) == 0 ? 1 : 1 + below(below(4) == 0 ? 40 : 8);
  op.head_dim = below(2) == 0 ? kHeadDims[below(3)] : 1 + below(below(2) == 0 ? 16 : 300);
  op.num_total_pages = op.batch_size + 1 + below(8);
  if (below(4) != 0) op.flags |= BARACUDA_FLAG_STRIDED;
  if (below(4) == 0) op.value_head_dim = 1 + below(200);
  if (below(6) == 0) op.parts = BARACUDA_PARTS_KEY;
  if (below(3) == 0) op.int64_operands = (uint32_t)below(512) << BARACUDA_OPERAND_INDICES;
  if (below(3) != 0) choose_placing(&op);
  if (below(2) == 0) choose_transform(&op);
  return op;
}

/* What the mirrored functions take. */
static baracuda_paged_kv_append random_mirrored_problem(void) {
  baracuda_paged_kv_append op = random_problem();
  op.flags = BARACUDA_FLAG_MIRRORED;
  op.element = 1 + op.element % 5;
  op.transform = op.source_element = 0;
  op.layout = BARACUDA_LAYOUT_HND;
  op.length_convention = BARACUDA_BEFORE_APPEND;
  op.batch_size += op.batch_size == 0;
  op.head_dim = kHeadDims[below(3)];
  op.value_head_dim = op.parts = op.addressing = op.table = op.lengths = 0;
  op.int64_operands = 0;
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
    BARACUDA_FOR_EACH_MIRRORED_ELEMENT(CASE)
#undef CASE
    default:
      return -1;
  }
}

int main(int count, char** arguments) {
  const time_t end = time(NULL) + (time_t)(count > 1 ? atoi(arguments[1]) : 5);
  const unsigned long long seed = count > 2 ? strtoull(arguments[2], NULL, 10) : 1;
  unsigned long appends = 0;
  unsigned long transformed = 0;
  state = seed * 2 + 1;
  do {
    const bool mirrored = below(6) == 0;
    baracuda_paged_kv_append wanted = mirrored ? random_mirrored_problem() : random_problem();
#if defined(PLANTED_ERROR)
    wanted.flags &= ~BARACUDA_FLAG_STRIDED; /* pages are outermost then */
#endif
    if ((uint64_t)wanted.num_total_pages * (uint64_t)wanted.page_size * (uint64_t)wanted.num_heads *
            (uint64_t)wanted.head_dim >
        8u << 20)
      continue;
    Problem* problem = new_problem(&wanted, &state);
#if defined(PLANTED_ERROR)
    /* A page more than there is memory for, for the first row. */
    const bool decodes = (wanted.addressing | wanted.table | wanted.lengths) == 0;
    const bool plants = decodes && wanted.batch_size > 0 && wanted.int64_operands == 0;
    const int32_t first = plants ? ((const int32_t*)problem->op.indptr)[1] : 0;
    if (first > 0) ((int32_t*)(uintptr_t)problem->op.indices)[first - 1] = problem->op.num_total_pages++;
#endif
    const baracuda_paged_kv_append* op = &problem->op;
    const int32_t status = mirrored && below(2) == 0 ? run_mirrored(op) : baracuda_paged_kv_append_run(op);
#if defined(PLANTED_ERROR)
    if (status == BARACUDA_INVALID_PROBLEM) continue; /* the page that is not there was in another operand */
#endif
    REQUIRE(status == BARACUDA_OK, "status %d: %s", status, baracuda_last_error_message());
    check_problem_done(problem);
    free_problem(problem);
    ++appends;
    transformed += wanted.transform != BARACUDA_TRANSFORM_COPY;
  } while (time(NULL) < end);
  printf("random_problems: %lu appends as the model says, %lu of them transformed, seed %llu\n", appends, transformed,
         seed);
  return 0;
}
