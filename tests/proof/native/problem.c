#include "problem.h"

#include <string.h>

#include "require.h"

uint64_t next_random(uint64_t* state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void* new_bytes(uint64_t bytes, uint64_t* state) {
  uint8_t* block = aligned_alloc(64, (bytes + 63) / 64 * 64);
  REQUIRE(block != NULL, "out of memory");
  for (uint64_t i = 0; i < bytes; i += 8) {
    const uint64_t word = next_random(state);
    memcpy(block + i, &word, bytes - i < 8 ? bytes - i : 8);
  }
  return block;
}

static void* copy_of(const void* bytes, uint64_t count) {
  uint8_t* block = malloc(count);
  REQUIRE(block != NULL, "out of memory");
  memcpy(block, bytes, count);
  return block;
}

/* Pages in random order, each once. */
static int32_t* new_permutation(int32_t count, uint64_t* state) {
  int32_t* order = malloc((size_t)count * sizeof(int32_t));
  REQUIRE(order != NULL, "out of memory");
  for (int32_t i = 0; i < count; ++i) order[i] = i;
  for (int32_t i = count - 1; i > 0; --i) {
    const int32_t j = (int32_t)(next_random(state) % (uint64_t)(i + 1));
    const int32_t swapped = order[i];
    order[i] = order[j];
    order[j] = swapped;
  }
  return order;
}

/* Every request owns one page, the first few also what is left over. */
static void fill_table(Problem* problem, uint64_t* state) {
  baracuda_paged_kv_append* op = &problem->op;
  const size_t batch = (size_t)op->batch_size;
  int32_t* indptr = malloc((batch + 1) * sizeof(int32_t));
  int32_t* last_page_len = malloc(batch * sizeof(int32_t));
  REQUIRE(indptr != NULL && last_page_len != NULL, "out of memory");
  op->total_used_pages = op->num_total_pages;
  indptr[0] = 0;
  for (int32_t b = 0; b < op->batch_size; ++b) {
    const int32_t left = op->num_total_pages - indptr[b] - (op->batch_size - b);
    indptr[b + 1] = indptr[b] + 1 + (int32_t)(next_random(state) % (uint64_t)(left + 1));
    last_page_len[b] = (int32_t)(next_random(state) % (uint64_t)op->page_size) + op->length_convention;
  }
  op->indices = new_permutation(op->num_total_pages, state);
  op->indptr = indptr;
  op->last_page_len = last_page_len;
}

static bool can_read_anything(const void* address, uint64_t bytes) { return address != NULL && bytes > 0; }

static void expect(Problem* problem) {
  const baracuda_paged_kv_append* op = &problem->op;
  const Extents extents = extents_of(op);
  bool unreadable = false;
  problem->expected_k = copy_of(op->k_data, extents.cache);
  problem->expected_v = copy_of(op->v_data, extents.cache);
  for (int32_t b = 0; b < op->batch_size; ++b) {
    const Request judged = judge(op, b, can_read_anything, &unreadable);
    REQUIRE(judged.verdict == SERVED, "request %d of a right table", b);
    for (int32_t head = 0; head < op->num_heads; ++head) {
      const uint64_t to = row_offset(op, &judged, head);
      const uint64_t from = ((uint64_t)b * (uint64_t)op->num_heads + (uint64_t)head) * extents.row;
      memcpy(problem->expected_k + to, (const uint8_t*)op->key + from, extents.row);
      memcpy(problem->expected_v + to, (const uint8_t*)op->value + from, extents.row);
    }
  }
}

Problem* new_problem(const baracuda_paged_kv_append* op, uint64_t* state) {
  Problem* problem = calloc(1, sizeof(Problem));
  REQUIRE(problem != NULL, "out of memory");
  problem->op = *op;
  fill_table(problem, state);
  const Extents extents = extents_of(&problem->op);
  problem->op.k_data = new_bytes(extents.cache, state);
  problem->op.v_data = new_bytes(extents.cache, state);
  problem->op.key = new_bytes(extents.rows, state);
  problem->op.value = new_bytes(extents.rows, state);
  expect(problem);
  return problem;
}

void free_problem(Problem* problem) {
  const baracuda_paged_kv_append* op = &problem->op;
  const void* blocks[] = {op->k_data,        op->v_data,          op->key,
                          op->value,         op->indices,         op->indptr,
                          op->last_page_len, problem->expected_k, problem->expected_v};
  for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); ++i) free((void*)(uintptr_t)blocks[i]);
  free(problem);
}

void check_problem_done(const Problem* problem) {
  const uint64_t bytes = extents_of(&problem->op).cache;
  REQUIRE(memcmp(problem->op.k_data, problem->expected_k, bytes) == 0, "k_data differs from the model's");
  REQUIRE(memcmp(problem->op.v_data, problem->expected_v, bytes) == 0, "v_data differs from the model's");
}
