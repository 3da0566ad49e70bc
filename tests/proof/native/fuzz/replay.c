/* Runs a fuzz target without libFuzzer: `replay SECONDS [SEED]` on random bytes, `replay FILE...` on files. */
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "require.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

enum { MOST_BYTES = 4096 };

static void replay(const char* path) {
  static uint8_t bytes[MOST_BYTES];
  FILE* file = fopen(path, "rb");
  REQUIRE(file != NULL, "%s cannot be opened", path);
  const size_t size = fread(bytes, 1, MOST_BYTES, file);
  fclose(file);
  LLVMFuzzerTestOneInput(bytes, size);
}

static uint64_t next(uint64_t* state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

static void run_random(double seconds, uint64_t seed) {
  uint8_t bytes[512];
  uint64_t state = seed * 2 + 1;
  unsigned long runs = 0;
  const time_t end = time(NULL) + (time_t)seconds;
  do {
    for (int batch = 0; batch < 500; ++batch, ++runs) {
      for (size_t i = 0; i < sizeof(bytes); i += 8) {
        const uint64_t word = next(&state);
        memcpy(bytes + i, &word, 8);
      }
      LLVMFuzzerTestOneInput(bytes, sizeof(bytes));
    }
  } while (time(NULL) < end);
  printf("%lu random inputs, seed %llu\n", runs, (unsigned long long)seed);
}

int main(int count, char** arguments) {
  char* rest = NULL;
  const double seconds = count > 1 ? strtod(arguments[1], &rest) : 0;
  if (count > 1 && *rest == '\0') {
    run_random(seconds, count > 2 ? strtoull(arguments[2], NULL, 10) : 1);
    return 0;
  }
  for (int i = 1; i < count; ++i) replay(arguments[i]);
  printf("%d inputs\n", count - 1);
  return 0;
}
