/* One append of a fuzzer's bytes, sane and not, with its operands in the arena. */
#ifndef BARACUDA_PROOF_TAKE_APPEND_H_
#define BARACUDA_PROOF_TAKE_APPEND_H_

#include <stdint.h>

#include "baracuda_ffi.h"
#include "input.h"

/* Fills `op`, and what its operands hold where that is in the arena. */
void take_append(Input* input, baracuda_paged_kv_append* op);

/* The struct alone in a block of its own, of as many bytes as it says. *status is 2 if that must be refused. */
baracuda_paged_kv_append* take_struct(Input* input, baracuda_paged_kv_append* op, int32_t* status);

#endif
