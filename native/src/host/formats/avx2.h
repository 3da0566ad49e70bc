// Eight floats at a time: the operations of AVX2 and F16C that vector_rows.h is written in.
#ifndef BARACUDA_SRC_HOST_FORMATS_AVX2_H_
#define BARACUDA_SRC_HOST_FORMATS_AVX2_H_

#include <cpuid.h>
#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#define BARACUDA_VECTOR_SET avx2
#define BARACUDA_VECTOR_TARGET __attribute__((target("avx2,f16c")))
#define BARACUDA_VECTOR BARACUDA_VECTOR_TARGET __attribute__((always_inline)) inline

#include "host/formats/avx_magnitudes.h"

namespace baracuda::host::avx2 {

using Floats = __m256;
using Ints = __m256i;

constexpr size_t kLanes = 8;

// Not every compiler that knows of AVX2 can ask for F16C, which a hypervisor may hide by itself.
inline bool is_supported() noexcept {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __builtin_cpu_supports("avx2") && __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
}

BARACUDA_VECTOR Floats all(float x) { return _mm256_set1_ps(x); }
BARACUDA_VECTOR Ints all(uint32_t x) { return _mm256_set1_epi32(static_cast<int32_t>(x)); }
BARACUDA_VECTOR Ints bits_of(Floats x) { return _mm256_castps_si256(x); }
BARACUDA_VECTOR Floats floats_of(Ints x) { return _mm256_castsi256_ps(x); }

BARACUDA_VECTOR Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
BARACUDA_VECTOR Floats multiply(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
BARACUDA_VECTOR Floats divide(Floats a, Floats b) { return _mm256_div_ps(a, b); }
BARACUDA_VECTOR Ints truncate(Floats x) { return _mm256_cvttps_epi32(x); }

BARACUDA_VECTOR Ints add(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
BARACUDA_VECTOR Ints greater(Ints a, Ints b) { return _mm256_max_epi32(a, b); }
BARACUDA_VECTOR Ints both(Ints a, Ints b) { return _mm256_and_si256(a, b); }
BARACUDA_VECTOR Ints either(Ints a, Ints b) { return _mm256_or_si256(a, b); }
template <int kBits>
BARACUDA_VECTOR Ints shift_right(Ints x) {
  return _mm256_srli_epi32(x, kBits);
}
// Of each bit of the mask that is set a's, of the others b's.
BARACUDA_VECTOR Ints choose(Ints mask, Ints a, Ints b) { return either(both(mask, a), _mm256_andnot_si256(mask, b)); }
BARACUDA_VECTOR Ints replace_nan(Floats values, Ints x, Ints other) {
  return _mm256_blendv_epi8(x, other, bits_of(_mm256_cmp_ps(values, values, _CMP_UNORD_Q)));
}
// Magnitudes up to `most`; of what is not a number some magnitude.
BARACUDA_VECTOR Ints magnitudes_up_to(Floats most, Floats values) {
  return _mm256_min_epi32(bits_of(most), both(bits_of(values), all(0x7fffffffu)));
}

BARACUDA_VECTOR Floats load_f32(const unsigned char* from) {
  return _mm256_loadu_ps(reinterpret_cast<const float*>(from));
}
BARACUDA_VECTOR Floats load_f16(const unsigned char* from) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
BARACUDA_VECTOR Floats load_bf16(const unsigned char* from) {
  const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return floats_of(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

// The least 8 bits of each.
BARACUDA_VECTOR void store_bytes(unsigned char* to, Ints x) {
  const Ints bytes = both(x, all(0xffu));
  const __m128i halves = _mm_packus_epi32(_mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm_packus_epi16(halves, halves));
}
BARACUDA_VECTOR void store_bytes(unsigned char* to, Ints a, Ints b, Ints c, Ints d) {
  const Ints bytes = all(0xffu);
  const Ints ab = _mm256_packus_epi32(both(a, bytes), both(b, bytes));
  const Ints cd = _mm256_packus_epi32(both(c, bytes), both(d, bytes));
  // Packed within each half: a table of 2 x 4 times four bytes, to be transposed.
  const Ints transposed = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                      _mm256_permutevar8x32_epi32(_mm256_packus_epi16(ab, cd), transposed));
}
// The least 4 bits of each, two a byte, the first of two in the lesser bits.
BARACUDA_VECTOR void store_nibbles(unsigned char* to, Ints x) {
  const Ints nibbles = both(x, all(0xfu));
  const Ints pairs = either(nibbles, _mm256_srli_epi64(nibbles, 28));
  const __m128 low = _mm_castsi128_ps(_mm256_castsi256_si128(pairs));
  const __m128 high = _mm_castsi128_ps(_mm256_extracti128_si256(pairs, 1));
  const __m128i ints = _mm_castps_si128(_mm_shuffle_ps(low, high, 0x88));  // the lesser 32 bits of each 64
  const __m128i halves = _mm_packus_epi32(ints, ints);
  const int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(halves, halves));
  std::memcpy(to, &bytes, sizeof(bytes));
}

}  // namespace baracuda::host::avx2

#endif  // BARACUDA_SRC_HOST_FORMATS_AVX2_H_
