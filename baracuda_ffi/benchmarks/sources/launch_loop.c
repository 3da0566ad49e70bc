/* The floor of the launch suite: the library's own function, called from C with nothing in between. */
#include <stdint.h>
#include <string.h>

typedef int32_t (*append_run)(const void* op);

/* Calls `run` `number` times, over `count` appends in turn. The first status that is not 0 ends the loop. */
int32_t bench_loop(append_run run, const void* const* ops, int64_t count, int64_t number) {
  int64_t i;
  int64_t which = 0;
  for (i = 0; i < number; ++i) {
    const int32_t status = run(ops[which]);
    if (status != 0) {
      return status;
    }
    if (++which == count) {
      which = 0;
    }
  }
  return 0;
}

/* A C function that does nothing: what a call through ctypes costs by itself. */
int32_t bench_nothing(const void* pointer) { return pointer == NULL; }

/* A plain copy of key and value on the calling thread. */
void bench_copy(void* k_copy, void* v_copy, const void* key, const void* value, size_t bytes, int64_t number) {
  int64_t i;
  for (i = 0; i < number; ++i) {
    memcpy(k_copy, key, bytes);
    memcpy(v_copy, value, bytes);
    __asm__ volatile("" ::: "memory"); /* keeps the compiler from dropping repeated copies */
  }
}
