#include "formats.h"

#include <stdbool.h>
#include <string.h>

#include "model.h"

enum { DS_MLA_TILE = 128 };

/* A small float type: a sign, an exponent, a mantissa, and its largest number's bits. */
typedef struct Small {
  int mantissa_bits, bias;
  uint8_t sign, largest, nan;
} Small;

static const Small kE4m3 = {3, 7, 0x80, 0x7e, 0x7f};
static const Small kE5m2 = {2, 15, 0x80, 0x7b, 0x7f};
static const Small kE2m1 = {1, 1, 0x8, 0x7, 0};

static float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

static uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}

static bool is_nan(float value) { return value != value; }
static bool is_infinite(float value) { return (bits_of(value) & 0x7fffffffu) == 0x7f800000u; }
static float magnitude_of(float value) { return float_of(bits_of(value) & 0x7fffffffu); }

/* As a float has it: of exponents from -126 to 127. */
static double power_of_two(int exponent) { return (double)float_of((uint32_t)(127 + exponent) << 23); }

/* A positive number by its bits. */
static double value_of(const Small* type, uint8_t code) {
  const int one = 1 << type->mantissa_bits;
  const int exponent = code / one;
  const int mantissa = code % one;
  const int power = (exponent == 0 ? 1 : exponent) - type->bias - type->mantissa_bits;
  return (double)(exponent == 0 ? mantissa : mantissa + one) * power_of_two(power);
}

static uint8_t to_small(const Small* type, float value) {
  if (is_nan(value)) return type->nan;
  const double magnitude = (double)magnitude_of(value);
  const uint8_t sign = (uint8_t)(bits_of(value) >> 31 != 0 ? type->sign : 0);
  uint8_t below = 0;
  for (uint8_t step = 64; step > 0; step = (uint8_t)(step / 2)) /* the largest number that is not above it */
    if (below + step <= type->largest && value_of(type, (uint8_t)(below + step)) <= magnitude)
      below = (uint8_t)(below + step);
  if (below == type->largest) return sign | below;
  const double to_below = magnitude - value_of(type, below);
  const double to_above = value_of(type, (uint8_t)(below + 1)) - magnitude;
  const bool is_above = to_above < to_below || (to_above == to_below && below % 2 != 0);
  return (uint8_t)(sign | (below + is_above));
}

static uint8_t to_int8(float value) {
  if (is_nan(value)) return 0;
  if (value > 127.0f) value = 127.0f;
  if (value < -127.0f) value = -127.0f;
  return (uint8_t)(int8_t)(value + (bits_of(value) >> 31 != 0 ? -0.5f : 0.5f));
}

static float widen_f16(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int mantissa = bits & 1023;
  const float sign = bits >> 15 != 0 ? -1.0f : 1.0f;
  if (exponent == 31 && mantissa != 0) return float_of(0x7fc00000u);
  if (exponent == 31) return sign * float_of(0x7f800000u);
  return sign * (float)((double)(exponent == 0 ? mantissa : mantissa + 1024) *
                        power_of_two((exponent == 0 ? 1 : exponent) - 25));
}

static float element_at(int32_t element, const uint8_t* row, int64_t at) {
  uint16_t half;
  float value;
  if (element == BARACUDA_ELEMENT_F32) {
    memcpy(&value, row + at * 4, sizeof(value));
    return value;
  }
  memcpy(&half, row + at * 2, sizeof(half));
  return element == BARACUDA_ELEMENT_F16 ? widen_f16(half) : float_of((uint32_t)half << 16);
}

/* The largest magnitude of the elements that are numbers, and finite ones where infinity does not count. */
static float largest_of(int32_t element, const uint8_t* row, int64_t first, int64_t count, bool counts_infinity) {
  float largest = 0;
  for (int64_t i = first; i < first + count; ++i) {
    const float magnitude = magnitude_of(element_at(element, row, i));
    if (is_nan(magnitude) || (is_infinite(magnitude) && !counts_infinity)) continue;
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}

int32_t source_element(const baracuda_paged_kv_append* op) {
  return op->source_element != BARACUDA_ELEMENT_NONE ? op->source_element : op->element;
}

int64_t cache_width(const baracuda_paged_kv_append* op, int64_t width) {
  if (op->transform == BARACUDA_TRANSFORM_NVFP4) return width / 2;
  return op->transform == BARACUDA_TRANSFORM_FP8_DS_MLA ? DS_MLA_ROW : width;
}

int64_t scales_bytes(const baracuda_paged_kv_append* op, int64_t width) {
  if (op->transform == BARACUDA_TRANSFORM_PER_TOKEN_HEAD) return 4;
  return op->transform == BARACUDA_TRANSFORM_NVFP4 ? width / NVFP4_BLOCK : 0;
}

int64_t converted_bytes(const baracuda_paged_kv_append* op, int part, int64_t width) {
  if (op->transform != BARACUDA_TRANSFORM_FP8_DS_MLA)
    return cache_width(op, width) * (int64_t)element_bytes(op->element);
  if (part == 1) return width * 2;
  return num_parts(op) == 1 ? DS_MLA_ROW : DS_MLA_RANK + DS_MLA_SCALES;
}

static void to_nvfp4(int32_t element, const uint8_t* from, int64_t width, float global, uint8_t* to, uint8_t* scales) {
  for (int64_t block = 0; block < width / NVFP4_BLOCK; ++block) {
    const float largest = largest_of(element, from, block * NVFP4_BLOCK, NVFP4_BLOCK, true);
    const bool is_zero = !(largest > 0 && global > 0);
    const float six = 6.0f * global;
    scales[block] = is_zero ? 0 : to_small(&kE4m3, largest / six);
    const bool has_scale = scales[block] != 0 && scales[block] != kE4m3.nan;
    const float divisor = (float)value_of(&kE4m3, scales[block]) * global;
    const float multiplier = has_scale ? 1.0f / divisor : 0.0f;
    for (int64_t i = block * NVFP4_BLOCK; i < (block + 1) * NVFP4_BLOCK; ++i) {
      const uint8_t code = to_small(&kE2m1, element_at(element, from, i) * multiplier);
      to[i / 2] = (uint8_t)(i % 2 == 0 ? code : to[i / 2] | code << 4);
    }
  }
}

static void to_ds_mla(int32_t element, const uint8_t* from, uint8_t* to) {
  for (int64_t tile = 0; tile < DS_MLA_RANK / DS_MLA_TILE; ++tile) {
    const float amax = largest_of(element, from, tile * DS_MLA_TILE, DS_MLA_TILE, true);
    const float least = amax / 448.0f > 1e-4f ? amax / 448.0f : 1e-4f;
    float scale = 0x1p-20f;
    while (scale < least) scale *= 2; /* up to infinity */
    memcpy(to + DS_MLA_RANK + 4 * tile, &scale, sizeof(scale));
    for (int64_t i = tile * DS_MLA_TILE; i < (tile + 1) * DS_MLA_TILE; ++i)
      to[i] = to_small(&kE4m3, element_at(element, from, i) / scale);
  }
}

void convert_row(const baracuda_paged_kv_append* op, int part, const uint8_t* from, int64_t width, float scale,
                 uint8_t* to, uint8_t* scales) {
  const int32_t element = source_element(op);
  const Small* type = op->element == BARACUDA_ELEMENT_FP8_E5M2 ? &kE5m2 : &kE4m3;
  const bool is_int8 = op->element == BARACUDA_ELEMENT_I8;
  const int64_t bytes = converted_bytes(op, part, width);
  switch (op->transform) {
    case BARACUDA_TRANSFORM_FP8:
      for (int64_t i = 0; i < width; ++i) to[i] = to_small(type, element_at(element, from, i) / scale);
      break;
    case BARACUDA_TRANSFORM_PER_TOKEN_HEAD: {
      const float of_amax = largest_of(element, from, 0, width, false) / (is_int8 ? 127.0f : 448.0f);
      const float written = of_amax > 1e-6f ? of_amax : 1e-6f;
      const float multiplier = 1.0f / written;
      memcpy(scales, &written, sizeof(written));
      for (int64_t i = 0; i < width; ++i) {
        const float value = element_at(element, from, i) * multiplier;
        to[i] = is_int8 ? to_int8(value) : to_small(type, value);
      }
      break;
    }
    case BARACUDA_TRANSFORM_FP8_DS_MLA:
      memset(to, 0, (size_t)bytes);
      if (part == 0)
        to_ds_mla(element, from, to);
      else
        memcpy(to, from, (size_t)bytes);
      break;
    case BARACUDA_TRANSFORM_NVFP4:
      to_nvfp4(element, from, width, scale, to, scales);
      break;
    default:
      memcpy(to, from, (size_t)bytes);
      break;
  }
}
