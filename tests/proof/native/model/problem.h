/* A random, right append over memory of its own: each operand in a block as large as what it reaches, or two of them in
 * one block, beside or between each other. */
#ifndef BARACUDA_PROOF_PROBLEM_H_
#define BARACUDA_PROOF_PROBLEM_H_

#include "model.h"

/* Memory, and what it is to be after the append, by the model. */
typedef struct Block {
  uint8_t* bytes;
  uint8_t* expected;
  uint64_t size;
} Block;

enum { MOST_BLOCKS = 12 };

typedef struct Problem {
  baracuda_paged_kv_append op;
  Block blocks[MOST_BLOCKS];
  int num_blocks;
} Problem;

uint64_t next_random(uint64_t* state);

/* Uniform below `limit`. */
int64_t random_below(uint64_t* state, int64_t limit);

/* `op` states the problem, total_used_pages, num_rows, max_pages, skip_slot, strides and pointers excepted: with
 * BARACUDA_FLAG_STRIDED, strides of every kind are made; what a scale's stride is, is stated. No two requests get the
 * same page: there are at least as many pages as requests. Where padding may be, some requests are. */
Problem* new_problem(const baracuda_paged_kv_append* op, uint64_t* state);
void free_problem(Problem* problem);

/* Every block, every byte. */
void check_problem_done(const Problem* problem);

#endif
