/* A random, right append over memory of its own, each operand in a block as large as it is stated to be. */
#ifndef BARACUDA_PROOF_PROBLEM_H_
#define BARACUDA_PROOF_PROBLEM_H_

#include "model.h"

typedef struct Problem {
  baracuda_paged_kv_append op;
  uint8_t* expected_k; /* the caches after the append, by the model */
  uint8_t* expected_v;
} Problem;

uint64_t next_random(uint64_t* state);

/* `op` states the problem, total_used_pages and the pointers excepted. No two requests get the same page: there are
 * at least as many pages as requests. */
Problem* new_problem(const baracuda_paged_kv_append* op, uint64_t* state);
void free_problem(Problem* problem);

/* Both caches, every byte. */
void check_problem_done(const Problem* problem);

#endif
