/* An assertion that NDEBUG does not take away. */
#ifndef BARACUDA_PROOF_REQUIRE_H_
#define BARACUDA_PROOF_REQUIRE_H_

#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(condition, ...)                                       \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #condition); \
      fprintf(stderr, __VA_ARGS__);                                   \
      fputc('\n', stderr);                                            \
      abort();                                                        \
    }                                                                 \
  } while (0)

#endif
