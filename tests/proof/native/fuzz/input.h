/* A fuzzer's bytes, read as small numbers. When they are spent there are only zeros. */
#ifndef BARACUDA_PROOF_INPUT_H_
#define BARACUDA_PROOF_INPUT_H_

#include <stddef.h>
#include <stdint.h>

typedef struct Input {
  const uint8_t* at;
  const uint8_t* end;
} Input;

static inline uint8_t take8(Input* input) { return input->at < input->end ? *input->at++ : 0; }

static inline uint32_t take32(Input* input) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value |= (uint32_t)take8(input) << (8 * i);
  return value;
}

static inline uint32_t take_below(Input* input, uint32_t limit) {
  const uint32_t value = limit > 256 ? take8(input) | (uint32_t)take8(input) << 8 : take8(input);
  return value % limit;
}

/* Numbers at which arithmetic on 32-bit integers goes wrong, or anything at all. */
static inline int32_t take_hostile(Input* input) {
  static const int32_t kHostile[] = {
      0, -1, INT32_MIN, INT32_MAX, INT32_MIN + 1, INT32_MAX - 1, 1 << 16, 1 << 20, 1 << 24, 1 << 30, 255, 256, -2};
  const uint32_t which = take_below(input, sizeof(kHostile) / sizeof(kHostile[0]) + 1);
  return which < sizeof(kHostile) / sizeof(kHostile[0]) ? kHostile[which] : (int32_t)take32(input);
}

/* Mostly one of `values`, once in 32 something hostile. */
static inline int32_t take_extent(Input* input, const int32_t* values, uint32_t count) {
  const uint8_t choice = take8(input);
  return choice < 248 ? values[choice % count] : take_hostile(input);
}
#define TAKE_EXTENT(input, ...) \
  take_extent((input), (const int32_t[]){__VA_ARGS__}, sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t))

#endif
