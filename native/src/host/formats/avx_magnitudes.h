// The magnitudes of 32 bytes of elements, for avx2.h and avx512.h alike: both sets have vectors of that size.
#ifndef BARACUDA_SRC_HOST_FORMATS_AVX_MAGNITUDES_H_
#define BARACUDA_SRC_HOST_FORMATS_AVX_MAGNITUDES_H_

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace baracuda::host::BARACUDA_VECTOR_SET {

using Raw = __m256i;

constexpr size_t kRawBytes = sizeof(Raw);

BARACUDA_VECTOR Raw load_raw(const unsigned char* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

struct Halves {
  using Bits = uint16_t;

  static BARACUDA_VECTOR Raw magnitudes_below(Raw elements, uint32_t limit) {
    const Raw magnitudes = _mm256_and_si256(elements, _mm256_set1_epi16(0x7fff));
    const Raw limits = _mm256_set1_epi16(static_cast<int16_t>(limit));
    return _mm256_and_si256(magnitudes, _mm256_cmpgt_epi16(limits, magnitudes));
  }
  static BARACUDA_VECTOR Raw greater(Raw a, Raw b) { return _mm256_max_epi16(a, b); }
  static BARACUDA_VECTOR uint32_t greatest(Raw x) {
    const __m128i eight = _mm_max_epi16(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    // The least of the complements is the one that there is an instruction for.
    const __m128i ones = _mm_set1_epi32(-1);
    const auto complement = static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_minpos_epu16(_mm_xor_si128(eight, ones))));
    return ~complement & 0xffffu;
  }
};

struct Words {
  using Bits = uint32_t;

  static BARACUDA_VECTOR Raw magnitudes_below(Raw elements, uint32_t limit) {
    const Raw magnitudes = _mm256_and_si256(elements, _mm256_set1_epi32(0x7fffffff));
    const Raw limits = _mm256_set1_epi32(static_cast<int32_t>(limit));
    return _mm256_and_si256(magnitudes, _mm256_cmpgt_epi32(limits, magnitudes));
  }
  static BARACUDA_VECTOR Raw greater(Raw a, Raw b) { return _mm256_max_epi32(a, b); }
  static BARACUDA_VECTOR uint32_t greatest(Raw x) {
    const __m128i four = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    const __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_max_epi32(two, _mm_shuffle_epi32(two, 0xb1))));
  }
};

}  // namespace baracuda::host::BARACUDA_VECTOR_SET

#endif  // BARACUDA_SRC_HOST_FORMATS_AVX_MAGNITUDES_H_
