// What key and value are read as, 16 bytes of a row at a time: a unit.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_SOURCE_H_
#define BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_SOURCE_H_

#include <cuda_fp16.h>

#include <cstdint>

#include "cuda/bespoke/search.h"
#include "cuda/device_code.h"
#include "format/widen.h"

namespace baracuda::cuda::bespoke {

// The types of an append that a kernel has instructions for both of: a kernel for each pair would be several times as
// many.
struct Types {
  bool is_f32;     // key and value
  bool is_bf16;    // not f16, where they are of 16 bits
  bool is_second;  // the caches' element is the second that the rule knows
  int32_t transform;
};

struct Halves {
  using Element = uint16_t;
  static __device__ __forceinline__ uint32_t infinity(Types types) { return types.is_bf16 ? 0x7f80u : 0x7c00u; }
  static __device__ __forceinline__ float widen(uint32_t bits, Types types) {
    const auto half = static_cast<uint16_t>(bits);
    return types.is_bf16 ? widen_bf16(half) : __half2float(__ushort_as_half(half));
  }
};

struct Floats {
  using Element = uint32_t;
  static __device__ __forceinline__ uint32_t infinity(Types) { return kInfinityBits; }
  static __device__ __forceinline__ float widen(uint32_t bits, Types) { return float_of(bits); }
};

template <typename Source>
constexpr int kUnit = sizeof(uint4) / sizeof(typename Source::Element);

template <typename Source>
constexpr bool kIsHalf = sizeof(typename Source::Element) == sizeof(uint16_t);

// The bits of one element.
template <typename Source>
__device__ __forceinline__ uint32_t element_of(const uint4& unit, int i) {
  const uint32_t words[] = {unit.x, unit.y, unit.z, unit.w};
  if constexpr (kIsHalf<Source>)
    return i % 2 == 0 ? words[i / 2] & 0xffffu : words[i / 2] >> 16;
  else
    return words[i];
}

// Each of the units.
template <typename Source, int kUnits>
__device__ __forceinline__ void widen(const uint4 (&units)[kUnits], Types types,
                                      float (&values)[kUnits * kUnit<Source>]) {
  const auto widen_all = [&](Types of) {
#pragma unroll
    for (int i = 0; i < kUnits * kUnit<Source>; ++i)
      values[i] = Source::widen(element_of<Source>(units[i / kUnit<Source>], i % kUnit<Source>), of);
  };
  if (types.is_bf16)
    widen_all({false, true, false, 0});
  else
    widen_all({false, false, false, 0});
}

// The magnitudes of a word's elements, as their bits without the sign: above all others is what is not a number.
template <typename Source>
__device__ __forceinline__ uint32_t magnitudes_of(uint32_t word) {
  return word & (kIsHalf<Source> ? 0x7fff7fffu : ~kSignBit);
}

// The larger ones of two words'.
template <typename Source>
__device__ __forceinline__ uint32_t larger(uint32_t magnitudes, uint32_t others) {
  return kIsHalf<Source> ? __vmaxu2(magnitudes, others) : max(magnitudes, others);
}

// The larger ones of a word's and of a unit's.
template <typename Source>
__device__ __forceinline__ uint32_t larger(uint32_t magnitudes, const uint4& unit) {
  for (const uint32_t word : {unit.x, unit.y, unit.z, unit.w})
    magnitudes = larger<Source>(magnitudes, magnitudes_of<Source>(word));
  return magnitudes;
}

// The largest of a word's.
template <typename Source>
__device__ __forceinline__ uint32_t largest_of(uint32_t magnitudes) {
  return kIsHalf<Source> ? max(magnitudes & 0xffffu, magnitudes >> 16) : magnitudes;
}

// The same among those below `end`; 0 where none is.
template <typename Source>
__device__ __forceinline__ uint32_t largest_below(const uint4& unit, uint32_t end) {
  const auto below = [end](uint32_t word) {
    if constexpr (kIsHalf<Source>) {
      const uint32_t pair = word & 0x7fff7fffu;
      return pair & __vcmpltu2(pair, end | end << 16);
    } else {
      const uint32_t magnitude = word & ~kSignBit;
      return magnitude < end ? magnitude : 0;
    }
  };
  return largest_of<Source>(larger<Source>(0, {below(unit.x), below(unit.y), below(unit.z), below(unit.w)}));
}

// The largest among threads that lie side by side, a power of two of them and as many throughout the warp. Every thread
// of the warp calls it. Of `kStraight` threads there is no branch between: one that asks too far asks itself.
template <int kStraight>
__device__ __forceinline__ uint32_t among_threads(uint32_t largest, int threads) {
#pragma unroll
  for (int distance = 1; distance < kWarp; distance *= 2) {
    if (distance >= kStraight && distance >= threads) break;
    const int asked = distance < kStraight ? distance & (threads - 1) : distance;
    largest = max(largest, __shfl_xor_sync(kWholeWarp, largest, asked));
  }
  return largest;
}

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_SOURCE_H_
