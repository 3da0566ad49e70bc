// What key and value are read as, 16 bytes of a row at a time: a unit.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_SOURCE_H_
#define BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_SOURCE_H_

#include <cuda_fp16.h>

#include <cstdint>

#include "cuda/bespoke/reading.h"
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

template <typename Source>
__device__ __forceinline__ void widen(const uint4& unit, Types types, float (&values)[kUnit<Source>]) {
  if (types.is_bf16) {
#pragma unroll
    for (int i = 0; i < kUnit<Source>; ++i)
      values[i] = Source::widen(element_of<Source>(unit, i), {false, true, false, 0});
  } else {
#pragma unroll
    for (int i = 0; i < kUnit<Source>; ++i)
      values[i] = Source::widen(element_of<Source>(unit, i), {false, false, false, 0});
  }
}

// The largest magnitude of a unit, as an element's bits without the sign: of what is not a number above all others.
template <typename Source>
__device__ __forceinline__ uint32_t largest_of(const uint4& unit) {
  if constexpr (kIsHalf<Source>) {
    constexpr uint32_t kMagnitudes = 0x7fff7fffu;
    const uint32_t pair = __vmaxu2(__vmaxu2(unit.x & kMagnitudes, unit.y & kMagnitudes),
                                   __vmaxu2(unit.z & kMagnitudes, unit.w & kMagnitudes));
    return max(pair & 0xffffu, pair >> 16);
  } else {
    return max(max(unit.x & ~kSignBit, unit.y & ~kSignBit), max(unit.z & ~kSignBit, unit.w & ~kSignBit));
  }
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
  return largest_of<Source>({below(unit.x), below(unit.y), below(unit.z), below(unit.w)});
}

// The largest among threads that lie side by side, a power of two of them and as many throughout the warp, for each
// part. Every thread of the warp calls it.
template <typename Source, int kParts>
__device__ __forceinline__ void share_largest(uint32_t (&largest)[kParts], int threads) {
  if constexpr (kIsHalf<Source> && kParts == 2) {
    uint32_t pair = largest[0] | largest[1] << 16;
#pragma unroll
    for (int distance = 1; distance < kWarp; distance *= 2) {
      if (distance >= threads) break;
      pair = __vmaxu2(pair, __shfl_xor_sync(kWholeWarp, pair, distance));
    }
    largest[0] = pair & 0xffffu;
    largest[1] = pair >> 16;
  } else {
#pragma unroll
    for (int distance = 1; distance < kWarp; distance *= 2) {
      if (distance >= threads) break;
#pragma unroll
      for (uint32_t& each : largest) each = max(each, __shfl_xor_sync(kWholeWarp, each, distance));
    }
  }
}

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_SOURCE_H_
