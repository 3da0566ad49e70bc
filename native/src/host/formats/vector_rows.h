// Rows by vectors, in the operations of avx2.h, avx512.h or neon.h: whichever was included before. A source each
// includes both, so that everything here is compiled once for each set, in a namespace of its own.
#ifndef BARACUDA_SRC_HOST_FORMATS_VECTOR_ROWS_H_
#define BARACUDA_SRC_HOST_FORMATS_VECTOR_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "format/arithmetic.h"
#include "format/e2m1.h"
#include "format/fp8.h"
#include "format/int8.h"
#include "format/scales.h"
#include "format/widen.h"
#include "host/formats/row_writers.h"

namespace baracuda::host::BARACUDA_VECTOR_SET {

// To nearest even among the numbers of a small float type, of magnitudes up to its largest: the type's bits, in the
// least 8 of an int. A sum with a power of two is rounded at its last bit: with the one that makes this the last bit
// that the type has at this magnitude, it counts the type's steps from 0; and the power's exponent, in its place, how
// many there are before.
template <typename Small>
BARACUDA_VECTOR Ints round_magnitudes(Ints magnitudes) {
  constexpr uint32_t kDropped = 23 - Small::kMantissaBits;
  // What the least exponent would count, the other way. Even, so that it leaves alone which of two steps is the even
  // one.
  constexpr uint32_t kBack = (0u - ((Small::kLeastExponent + kDropped) << Small::kMantissaBits)) & 0xffu;
  static_assert(kBack % 2 == 0);
  const Ints exponents = greater(both(magnitudes, all(kInfinityBits)), all(Small::kLeastExponent << 23));
  const Ints powers = add(exponents, all(kDropped << 23 | kBack));
  const Ints rounded = bits_of(add(floats_of(magnitudes), floats_of(powers)));
  return add(rounded, shift_right<kDropped>(rounded));
}

// What a value becomes, as the rule of the same name in native/src/format has it, in the least bits of an int.
template <typename Small>
struct ToFp8 {
  BARACUDA_VECTOR Ints operator()(Floats values) const {
    const Ints codes = round_magnitudes<Small>(magnitudes_up_to(all(Small::kTop), values));
    const Ints is_signed = shift_right<24>(bits_of(values));
    return replace_nan(values, choose(all(0x80u), is_signed, codes), all(uint32_t{kFp8Nan}));
  }
};

struct ToInt8 {
  BARACUDA_VECTOR Ints operator()(Floats values) const {
    const Ints signs = both(bits_of(values), all(kSignBit));
    const Ints clamped = either(magnitudes_up_to(all(kInt8Top), values), signs);
    const Ints half = either(bits_of(all(0.5f)), signs);
    return replace_nan(values, truncate(add(floats_of(clamped), floats_of(half))), all(0u));
  }
};

struct E2m1 {
  static constexpr uint32_t kMantissaBits = 1;
  static constexpr uint32_t kLeastExponent = 127;
  static constexpr float kTop = 6.0f;
};

struct ToE2m1 {
  BARACUDA_VECTOR Ints operator()(Floats values) const {
    const Ints codes = round_magnitudes<E2m1>(magnitudes_up_to(all(E2m1::kTop), values));
    const Ints is_signed = shift_right<28>(bits_of(values));
    return replace_nan(values, choose(all(8u), is_signed, codes), all(0u));
  }
};

template <typename Convert>
struct Divided {
  Floats divisors;
  BARACUDA_VECTOR Ints operator()(Floats values) const { return Convert{}(divide(values, divisors)); }
};

template <typename Convert>
struct Multiplied {
  Floats multipliers;
  BARACUDA_VECTOR Ints operator()(Floats values) const { return Convert{}(multiply(values, multipliers)); }
};

// Sources of rows. Halves and Words say what the magnitudes of a vector of elements as they lie in memory are, which
// compare as ints of their size do: with 0 for those that are not below a limit, the greater of two vectors', and the
// greatest of one.
struct F16 : Halves {
  static constexpr uint32_t kInfinity = 0x7c00u;
  static BARACUDA_VECTOR Floats load(const unsigned char* from) { return load_f16(from); }
  static float widen(uint32_t bits) noexcept { return widen_f16(static_cast<uint16_t>(bits)); }
};

struct Bf16 : Halves {
  static constexpr uint32_t kInfinity = 0x7f80u;
  static BARACUDA_VECTOR Floats load(const unsigned char* from) { return load_bf16(from); }
  static float widen(uint32_t bits) noexcept { return widen_bf16(static_cast<uint16_t>(bits)); }
};

struct F32 : Words {
  static constexpr uint32_t kInfinity = kInfinityBits;
  static BARACUDA_VECTOR Floats load(const unsigned char* from) { return load_f32(from); }
  static float widen(uint32_t bits) noexcept { return float_of(bits); }
};

// A byte an element. The last of them are converted with as many before them as fill a vector, if that many there are.
template <typename Source, typename Convert>
BARACUDA_VECTOR void convert_row(const unsigned char* from, size_t elements, Convert convert, unsigned char* to) {
  constexpr size_t kElement = sizeof(typename Source::Bits);
  constexpr size_t kVector = kLanes * kElement;
  size_t at = 0;
  for (; at + 4 * kLanes <= elements; at += 4 * kLanes) {
    const unsigned char* const four = from + at * kElement;
    store_bytes(to + at, convert(Source::load(four)), convert(Source::load(four + kVector)),
                convert(Source::load(four + 2 * kVector)), convert(Source::load(four + 3 * kVector)));
  }
  for (; at + kLanes <= elements; at += kLanes) store_bytes(to + at, convert(Source::load(from + at * kElement)));
  if (at == elements) return;
  if (elements >= kLanes) {
    at = elements - kLanes;
    store_bytes(to + at, convert(Source::load(from + at * kElement)));
    return;
  }
  unsigned char padded[kVector] = {};
  unsigned char converted[kLanes];
  std::memcpy(padded, from, elements * kElement);
  store_bytes(converted, convert(Source::load(padded)));
  std::memcpy(to, converted, elements);
}

// The largest magnitude among elements of which it is below the limit, as the source has it.
template <typename Source>
BARACUDA_VECTOR float largest_below(uint32_t limit, const unsigned char* from, size_t elements) {
  const size_t bytes = elements * sizeof(typename Source::Bits);
  if (bytes < kRawBytes) {
    unsigned char padded[kRawBytes] = {};
    std::memcpy(padded, from, bytes);
    return Source::widen(Source::greatest(Source::magnitudes_below(load_raw(padded), limit)));
  }
  Raw most = Source::magnitudes_below(load_raw(from + bytes - kRawBytes), limit);
  for (size_t at = 0; at + kRawBytes < bytes; at += kRawBytes)
    most = Source::greater(most, Source::magnitudes_below(load_raw(from + at), limit));
  return Source::widen(Source::greatest(most));
}

template <typename Source>
BARACUDA_VECTOR float largest_finite(const unsigned char* from, size_t elements) {
  return largest_below<Source>(Source::kInfinity, from, elements);
}

template <typename Source>
BARACUDA_VECTOR float largest_number(const unsigned char* from, size_t elements) {
  return largest_below<Source>(Source::kInfinity + 1, from, elements);
}

// Whether the reciprocal is a number as exact as this one: a product with it is the same as a quotient, and there
// sooner.
inline bool is_power_of_two(float scale) noexcept {
  const uint32_t bits = baracuda::bits_of(scale) & ~kSignBit;
  constexpr uint32_t kOneExponent = 1u << 23;
  return bits % kOneExponent == 0 && bits >= kOneExponent && bits < kInfinityBits - kOneExponent;
}

template <typename Source, typename Fp8>
BARACUDA_VECTOR_TARGET void fp8(const unsigned char* from, size_t elements, float scale, unsigned char* to,
                                unsigned char*) noexcept {
  if (is_power_of_two(scale))
    convert_row<Source>(from, elements, Multiplied<ToFp8<Fp8>>{all(reciprocal(scale))}, to);
  else
    convert_row<Source>(from, elements, Divided<ToFp8<Fp8>>{all(scale)}, to);
}

template <typename Source, typename Convert>
BARACUDA_VECTOR void token_head(const unsigned char* from, size_t elements, float top, unsigned char* to,
                                unsigned char* scales) {
  const float scale = token_head_scale(largest_finite<Source>(from, elements), top);
  std::memcpy(scales, &scale, sizeof(scale));
  convert_row<Source>(from, elements, Multiplied<Convert>{all(reciprocal(scale))}, to);
}

template <typename Source>
BARACUDA_VECTOR_TARGET void token_head_e4m3(const unsigned char* from, size_t elements, float, unsigned char* to,
                                            unsigned char* scales) noexcept {
  token_head<Source, ToFp8<E4m3>>(from, elements, E4m3::kTop, to, scales);
}

template <typename Source>
BARACUDA_VECTOR_TARGET void token_head_int8(const unsigned char* from, size_t elements, float, unsigned char* to,
                                            unsigned char* scales) noexcept {
  token_head<Source, ToInt8>(from, elements, kInt8Top, to, scales);
}

template <typename Source>
BARACUDA_VECTOR_TARGET void ds_mla(const unsigned char* from, size_t elements, float, unsigned char* to,
                                   unsigned char* scales) noexcept {
  for (size_t at = 0; at < elements; at += kDsMlaTile, scales += sizeof(float)) {
    const unsigned char* const tile = from + at * sizeof(typename Source::Bits);
    const float scale = ds_mla_scale(largest_number<Source>(tile, kDsMlaTile));
    std::memcpy(scales, &scale, sizeof(scale));
    // A power of two or, where an element is infinite, infinity: by its reciprocal it is the same quotient.
    convert_row<Source>(tile, kDsMlaTile, Multiplied<ToFp8<E4m3>>{all(reciprocal(scale))}, to + at);
  }
}

template <typename Source>
BARACUDA_VECTOR_TARGET void nvfp4(const unsigned char* from, size_t elements, float scale, unsigned char* to,
                                  unsigned char* scales) noexcept {
  constexpr size_t kElement = sizeof(typename Source::Bits);
  for (size_t at = 0; at < elements; at += kNvfp4Block) {
    const unsigned char* const block = from + at * kElement;
    const uint8_t block_scale = nvfp4_block_scale(largest_number<Source>(block, kNvfp4Block), scale);
    const Multiplied<ToE2m1> convert = {all(nvfp4_multiplier(block_scale, scale))};
    *scales++ = block_scale;
    for (size_t i = 0; i < kNvfp4Block; i += kLanes)
      store_nibbles(to + (at + i) / 2, convert(Source::load(block + i * kElement)));
  }
}

template <typename Source>
constexpr RowWriters kWriters = {fp8<Source, E4m3>,       fp8<Source, E5m2>, token_head_e4m3<Source>,
                                 token_head_int8<Source>, ds_mla<Source>,    nvfp4<Source>};

constexpr WayToWrite kWay = {kWriters<F16>, kWriters<Bf16>, kWriters<F32>};

}  // namespace baracuda::host::BARACUDA_VECTOR_SET

#endif  // BARACUDA_SRC_HOST_FORMATS_VECTOR_ROWS_H_
