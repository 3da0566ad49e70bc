// Sixteen floats at a time: the operations of AVX-512 that vector_rows.h is written in.
#ifndef BARACUDA_SRC_HOST_FORMATS_AVX512_H_
#define BARACUDA_SRC_HOST_FORMATS_AVX512_H_

#include <cstddef>
#include <cstdint>

// Before gcc 13 its own header makes it warn of what is left undefined on purpose.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#define BARACUDA_VECTOR_SET avx512
#define BARACUDA_VECTOR_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#define BARACUDA_VECTOR BARACUDA_VECTOR_TARGET __attribute__((always_inline)) inline

#include "host/formats/avx_magnitudes.h"

namespace baracuda::host::avx512 {

using Floats = __m512;
using Ints = __m512i;

constexpr size_t kLanes = 16;

inline bool is_supported() noexcept {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

BARACUDA_VECTOR Floats all(float x) { return _mm512_set1_ps(x); }
BARACUDA_VECTOR Ints all(uint32_t x) { return _mm512_set1_epi32(static_cast<int32_t>(x)); }
BARACUDA_VECTOR Ints bits_of(Floats x) { return _mm512_castps_si512(x); }
BARACUDA_VECTOR Floats floats_of(Ints x) { return _mm512_castsi512_ps(x); }

BARACUDA_VECTOR Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
BARACUDA_VECTOR Floats multiply(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
BARACUDA_VECTOR Floats divide(Floats a, Floats b) { return _mm512_div_ps(a, b); }
BARACUDA_VECTOR Ints truncate(Floats x) { return _mm512_cvttps_epi32(x); }

BARACUDA_VECTOR Ints add(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
BARACUDA_VECTOR Ints greater(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
BARACUDA_VECTOR Ints both(Ints a, Ints b) { return _mm512_and_si512(a, b); }
BARACUDA_VECTOR Ints either(Ints a, Ints b) { return _mm512_or_si512(a, b); }
template <int kBits>
BARACUDA_VECTOR Ints shift_right(Ints x) {
  return _mm512_srli_epi32(x, kBits);
}
// Of each bit of the mask that is set a's, of the others b's.
BARACUDA_VECTOR Ints choose(Ints mask, Ints a, Ints b) { return _mm512_ternarylogic_epi32(mask, a, b, 0xca); }
BARACUDA_VECTOR Ints replace_nan(Floats values, Ints x, Ints other) {
  return _mm512_mask_mov_epi32(x, _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q), other);
}
// Magnitudes up to `most`; of what is not a number some magnitude.
BARACUDA_VECTOR Ints magnitudes_up_to(Floats most, Floats values) {
  constexpr int kLesserMagnitudeWithoutSign = 0x0a;
  return bits_of(_mm512_range_ps(values, most, kLesserMagnitudeWithoutSign));
}

BARACUDA_VECTOR Floats load_f32(const unsigned char* from) { return _mm512_loadu_ps(from); }
BARACUDA_VECTOR Floats load_f16(const unsigned char* from) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
BARACUDA_VECTOR Floats load_bf16(const unsigned char* from) {
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return floats_of(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

// The least 8 bits of each.
BARACUDA_VECTOR void store_bytes(unsigned char* to, Ints x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(x));
}
BARACUDA_VECTOR void store_bytes(unsigned char* to, Ints a, Ints b, Ints c, Ints d) {
  store_bytes(to, a);
  store_bytes(to + kLanes, b);
  store_bytes(to + 2 * kLanes, c);
  store_bytes(to + 3 * kLanes, d);
}
// The least 4 bits of each, two a byte, the first of two in the lesser bits.
BARACUDA_VECTOR void store_nibbles(unsigned char* to, Ints x) {
  const Ints nibbles = both(x, all(0xfu));
  const __m128i bytes = _mm512_cvtepi64_epi8(either(nibbles, _mm512_srli_epi64(nibbles, 28)));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), bytes);
}

}  // namespace baracuda::host::avx512

#endif  // BARACUDA_SRC_HOST_FORMATS_AVX512_H_
