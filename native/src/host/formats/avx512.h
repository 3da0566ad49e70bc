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
BARACUDA_VECTOR Ints subtract(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
BARACUDA_VECTOR Ints lesser(Ints a, Ints b) { return _mm512_min_epi32(a, b); }
BARACUDA_VECTOR Ints greater(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
BARACUDA_VECTOR Ints both(Ints a, Ints b) { return _mm512_and_si512(a, b); }
BARACUDA_VECTOR Ints either(Ints a, Ints b) { return _mm512_or_si512(a, b); }
template <int kBits>
BARACUDA_VECTOR Ints shift_right(Ints x) {
  return _mm512_srli_epi32(x, kBits);
}
// `other` where a is more than b, x elsewhere.
BARACUDA_VECTOR Ints replace_above(Ints x, Ints a, Ints b, Ints other) {
  return _mm512_mask_mov_epi32(x, _mm512_cmpgt_epi32_mask(a, b), other);
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
// Of numbers below 256.
BARACUDA_VECTOR void store_bytes(unsigned char* to, Ints a, Ints b, Ints c, Ints d) {
  // Packed within each quarter: a table of 4 x 4 times four bytes, to be transposed.
  const Ints packed = _mm512_packus_epi16(_mm512_packus_epi32(a, b), _mm512_packus_epi32(c, d));
  const Ints transposed = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  _mm512_storeu_si512(to, _mm512_permutexvar_epi32(transposed, packed));
}
// Of numbers below 16, two a byte, the first of two in the lesser bits.
BARACUDA_VECTOR void store_nibbles(unsigned char* to, Ints x) {
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), _mm512_cvtepi64_epi8(either(x, _mm512_srli_epi64(x, 28))));
}

}  // namespace baracuda::host::avx512

#endif  // BARACUDA_SRC_HOST_FORMATS_AVX512_H_
