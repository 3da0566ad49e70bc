/* `overlap SECONDS [SEED]`: caches of every small shape, every way in and beside each other, and then random ones. That
 * they are taken means that no row of one shares a byte with a row of the other, found by looking at all of them; and
 * where the header says that they are found to be disjoint they are taken. Addresses alone: nothing is read or
 * written. */
#include <string.h>
#include <time.h>

#include "model.h"
#include "problem.h"
#include "require.h"

static unsigned long asked, taken, refused_in_doubt;

static const uintptr_t kBase = (uintptr_t)1 << 46; /* far from both ends and from the other operands */

static baracuda_paged_kv_append caches(void) {
  static const uintptr_t kElsewhere = 1 << 20;
  baracuda_paged_kv_append op;
  memset(&op, 0, sizeof(op));
  op.struct_size = sizeof(op);
  op.flags = BARACUDA_FLAG_GUARDED | BARACUDA_FLAG_STRIDED; /* guarded: the page table is not read */
  op.backend = BARACUDA_BACKEND_HOST;
  op.element = BARACUDA_ELEMENT_U8;
  op.batch_size = 1;
  op.total_used_pages = 1;
  op.key = op.value = (const void*)kElsewhere;
  op.indices = op.indptr = op.last_page_len = (const void*)(2 * kElsewhere);
  op.k_data = (void*)kBase;
  return op;
}

static void ask(const baracuda_paged_kv_append* op) {
  bool may_refuse = false;
  const int32_t wanted = status_of_operands(op, &may_refuse);
  const int32_t found = baracuda_paged_kv_append_can_implement(op);
  ++asked;
  taken += found == BARACUDA_OK;
  if (found == wanted) return;
  ++refused_in_doubt;
  REQUIRE(
      may_refuse && found == BARACUDA_INVALID_PROBLEM,
      "status %d, by the rows %d: extents %d, %d, %d, strides %lld, %lld, %lld and %lld, %lld, %lld, widths %d and %d, "
      "distance %lld",
      found, wanted, op->num_total_pages, op->page_size, op->num_heads, (long long)op->k_data_strides[0],
      (long long)op->k_data_strides[1], (long long)op->k_data_strides[2], (long long)op->v_data_strides[0],
      (long long)op->v_data_strides[1], (long long)op->v_data_strides[2], op->head_dim, op->value_head_dim,
      (long long)((uintptr_t)op->v_data - kBase));
}

static void ask_of_each_distance(baracuda_paged_kv_append* op, int64_t most, int64_t step) {
  for (int64_t distance = -most; distance <= most; distance += step) {
    op->v_data = (void*)(kBase + (uintptr_t)distance);
    ask(op);
  }
}

/* Extents up to 3, strides up to 3 either way, rows up to 2. */
static void ask_of_small_ones(void) {
  enum { MOST_EXTENT = 3, MOST_STRIDE = 3, MOST_WIDTH = 2 };
  baracuda_paged_kv_append op = caches();
  int64_t* const strides = op.k_data_strides;
  for (op.num_total_pages = 1; op.num_total_pages <= MOST_EXTENT; ++op.num_total_pages)
    for (op.page_size = 1; op.page_size <= MOST_EXTENT; ++op.page_size)
      for (op.num_heads = 1; op.num_heads <= MOST_EXTENT; ++op.num_heads)
        for (op.head_dim = 1; op.head_dim <= MOST_WIDTH; ++op.head_dim)
          for (op.value_head_dim = 1; op.value_head_dim <= MOST_WIDTH; ++op.value_head_dim)
            for (strides[0] = -MOST_STRIDE; strides[0] <= MOST_STRIDE; ++strides[0])
              for (strides[1] = -MOST_STRIDE; strides[1] <= MOST_STRIDE; ++strides[1])
                for (strides[2] = -MOST_STRIDE; strides[2] <= MOST_STRIDE; ++strides[2]) {
                  /* Of one place the stride means nothing: one is as good as another. */
                  if ((op.num_total_pages == 1 && strides[0] != 1) || (op.page_size == 1 && strides[1] != 1) ||
                      (op.num_heads == 1 && strides[2] != 1))
                    continue;
                  memcpy(op.v_data_strides, strides, sizeof(op.v_data_strides));
                  ask_of_each_distance(&op, MOST_EXTENT * MOST_STRIDE * 3 + MOST_WIDTH, 1);
                }
}

/* Of strides that nest, nearly nest, or do not, some of them other ones in v_data; all times a scale, up to what no
 * memory has. */
static void ask_of_random_ones(uint64_t* state) {
  baracuda_paged_kv_append op = caches();
  const int64_t scale = (int64_t)1 << random_below(state, 28);
  const int64_t width = 1 + random_below(state, 6);
  int32_t* const extents[] = {&op.num_total_pages, &op.page_size, &op.num_heads};
  int64_t step = width;
  const int64_t first = random_below(state, 3);
  op.head_dim = (int32_t)(width * scale);
  op.value_head_dim = (int32_t)(random_below(state, 2) == 0 ? width * scale : (1 + random_below(state, 6)) * scale);
  for (int i = 0; i < 3; ++i) {
    const int64_t dimension = (first + i) % 3;
    *extents[dimension] = 1 + (int32_t)random_below(state, 6);
    if (random_below(state, 2) == 0) step *= 2; /* of two caches between each other */
    step += random_below(state, 4) - (random_below(state, 8) == 0 ? 2 : 0);
    if (step < 1) step = 1;
    op.k_data_strides[dimension] = (random_below(state, 4) == 0 ? -step : step) * scale;
    step *= *extents[dimension];
  }
  memcpy(op.v_data_strides, op.k_data_strides, sizeof(op.v_data_strides));
  if (random_below(state, 4) == 0) op.v_data_strides[random_below(state, 3)] += scale;
  for (int i = 0; i < 16; ++i) {
    op.v_data = (void*)(kBase + (uintptr_t)((random_below(state, 2 * step + 2 * width + 1) - step - width) * scale));
    ask(&op);
  }
}

int main(int count, char** arguments) {
  const time_t end = time(NULL) + (time_t)(count > 1 ? atoi(arguments[1]) : 5);
  const unsigned long long seed = count > 2 ? strtoull(arguments[2], NULL, 10) : 1;
  uint64_t state = seed * 2 + 1;
  ask_of_small_ones();
  const unsigned long small = asked;
  do {
    for (int i = 0; i < 1000; ++i) ask_of_random_ones(&state);
  } while (time(NULL) < end);
  printf("overlap: %lu small and %lu random caches as the model says, %lu taken, %lu refused in doubt, seed %llu\n",
         small, asked - small, taken, refused_in_doubt, seed);
  return 0;
}
