#include "arena.h"

#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif

#if defined(HAS_ASAN)
#include <sanitizer/asan_interface.h>
#endif

_Alignas(64) uint8_t arena[ARENA_BYTES];

void arena_fill(void) {
  static uint8_t pattern[ARENA_BYTES];
  static uint64_t state;
  if (state == 0) {
    state = 0x9E3779B97F4A7C15u;
    for (size_t i = 0; i < ARENA_BYTES; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      pattern[i] = (uint8_t)(state >> 56);
    }
  }
  memcpy(arena, pattern, ARENA_BYTES);
}

bool arena_holds(const void* address, uint64_t bytes) {
  const uintptr_t begin = (uintptr_t)arena;
  const uintptr_t at = (uintptr_t)address;
  return at >= begin && at <= begin + ARENA_BYTES && bytes <= begin + ARENA_BYTES - at;
}

void arena_close(void) {
#if defined(HAS_ASAN)
  __asan_poison_memory_region(arena, ARENA_BYTES);
#endif
}

void arena_open(const void* address, uint64_t bytes) {
  (void)address;
  (void)bytes;
#if defined(HAS_ASAN)
  /* AddressSanitizer's unit is eight bytes, of which only the first few can be usable. */
  const uintptr_t begin = (uintptr_t)address & ~(uintptr_t)7;
  __asan_unpoison_memory_region((const void*)begin, (uintptr_t)address + bytes - begin);
#endif
}

void arena_open_all(void) { arena_open(arena, ARENA_BYTES); }
