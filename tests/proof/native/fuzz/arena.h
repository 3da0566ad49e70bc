/* One block of memory that holds all operands of a fuzzed append. Under AddressSanitizer everything in it but the
 * operands is poisoned, so that a read beside an operand is found as well as a write. */
#ifndef BARACUDA_PROOF_ARENA_H_
#define BARACUDA_PROOF_ARENA_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ARENA_BYTES = 32 * 1024 };

extern uint8_t arena[ARENA_BYTES];

/* Random bytes, the same ones each time. */
void arena_fill(void);

bool arena_holds(const void* address, uint64_t bytes);

/* Poison all of the arena, or make one operand of it usable again, or all. No-ops without AddressSanitizer. */
void arena_close(void);
void arena_open(const void* address, uint64_t bytes);
void arena_open_all(void);

#endif
