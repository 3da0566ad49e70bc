// What a cache's elements are made of floats by: four of them at a time, the first in the lowest bits.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_TARGET_H_
#define BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_TARGET_H_

#include <cstdint>
#include <type_traits>

#include "cuda/bespoke/quantise/source.h"
#include "format/e2m1.h"
#include "format/fp8.h"
#include "format/int8.h"

namespace baracuda::cuda::bespoke {

// Each of four numbers by itself.
template <typename Function>
__device__ __forceinline__ uint32_t four_bytes(const float* values, Function byte_of) {
  const auto bits = [&](int i) { return uint32_t{static_cast<uint8_t>(byte_of(values[i]))}; };
  return __byte_perm(__byte_perm(bits(0), bits(1), 0x0040), __byte_perm(bits(2), bits(3), 0x0040), 0x5410);
}

// Whether the conversion to fp8 is many instructions.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 890
constexpr bool kConvertsByHand = true;
#else
constexpr bool kConvertsByHand = false;
#endif

// From sm_89 on the hardware's conversion, which has the same bits.
template <typename Fp8>
struct Fp8Target {
  static constexpr int kBits = 8;

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 890
  static __device__ __forceinline__ uint32_t two(float low, float high) {
    uint16_t bytes;
    if constexpr (std::is_same_v<Fp8, E4m3>)
      asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(bytes) : "f"(high), "f"(low));
    else
      asm("cvt.rn.satfinite.e5m2x2.f32 %0, %1, %2;" : "=h"(bytes) : "f"(high), "f"(low));
    return bytes;
  }
  static __device__ __forceinline__ uint32_t four(const float* values) {
    return two(values[0], values[1]) | two(values[2], values[3]) << 16;
  }
#else
  static __device__ __forceinline__ uint32_t four(const float* values) { return four_bytes(values, to_fp8<Fp8>); }
#endif
};

using E4m3Target = Fp8Target<E4m3>;
using E5m2Target = Fp8Target<E5m2>;

struct Int8Target {
  static constexpr int kBits = 8;

  // Infinities have been brought to at_least_lowest before.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  // What is too large is what the bytes saturate, but on one side by one step too many; what is not a number is
  // converted to 0, and is left as it is.
  static __device__ __forceinline__ float at_least_lowest(float value) {
    float clamped;
    asm("max.NaN.f32 %0, %1, %2;" : "=f"(clamped) : "f"(value), "f"(-kInt8Top));
    return clamped;
  }
  static __device__ __forceinline__ int32_t one(float value) {
    return __float2int_rz(__fadd_rn(value, copysignf(0.5f, value)));
  }
  // `high` and `low` before the two bytes of `below`.
  static __device__ __forceinline__ uint32_t two(int32_t high, int32_t low, uint32_t below) {
    uint32_t bytes;
    asm("cvt.pack.sat.s8.s32.b32 %0, %1, %2, %3;" : "=r"(bytes) : "r"(high), "r"(low), "r"(below));
    return bytes;
  }
  static __device__ __forceinline__ uint32_t four(const float* values) {
    return two(one(values[1]), one(values[0]), two(one(values[3]), one(values[2]), 0));
  }
#else
  static __device__ __forceinline__ float at_least_lowest(float value) { return value; }
  static __device__ __forceinline__ uint32_t four(const float* values) { return four_bytes(values, to_int8); }
#endif
};

struct E2m1Target {
  static constexpr int kBits = 4;

  // Added to a number is what has a last place of the number's step: the sum's last bits count the steps. `value` is a
  // product: what is not a number has no sign then.
  static __device__ __forceinline__ uint32_t one(float value) {
    constexpr uint32_t kExponent = 0x7f800000u;
    constexpr uint32_t kOne = 0x3f800000u;                                       // below 2 a step is 0.5
    const uint32_t magnitude = bits_of(fminf(fmaxf(fabsf(value), 0.0f), 6.0f));  // and 0 of what is not a number
    const uint32_t exponent = max(magnitude & kExponent, kOne);
    const uint32_t large = exponent + (22u << 23);
    const uint32_t steps = bits_of(__fadd_rn(float_of(magnitude), float_of(large))) - large;
    return (steps + ((exponent - kOne) >> 22)) | (bits_of(value) >> 28 & 8u);
  }
  static __device__ __forceinline__ uint32_t four(const float* values) {
    uint32_t codes = 0;
#pragma unroll
    for (int i = 3; i >= 0; --i) codes = codes << 4 | one(values[i]);
    return codes;
  }
};

// As many elements as a unit has.
template <typename Target, int kElements>
using Pack = std::conditional_t<kElements * Target::kBits == 64, uint2,
                                std::conditional_t<kElements * Target::kBits == 32, uint32_t, uint16_t>>;

template <typename Target, int kElements>
__device__ __forceinline__ Pack<Target, kElements> pack(const float (&values)[kElements]) {
  const uint32_t low = Target::four(values);
  if constexpr (kElements == 4) {
    return static_cast<Pack<Target, kElements>>(low);
  } else {
    const uint32_t high = Target::four(values + 4);
    if constexpr (Target::kBits == 8)
      return {low, high};
    else
      return low | high << 16;
  }
}

// One of two, chosen where the kernel runs.
template <typename First, typename Second>
struct Either {
  static constexpr int kBits = First::kBits;
};

// Packs of as many elements each.
template <typename Target, int kElements, typename Packed, int kPacks>
__device__ __forceinline__ void pack_each(const float (&values)[kElements], Packed (&packs)[kPacks]) {
  using Values = float[kElements / kPacks];
#pragma unroll
  for (int i = 0; i < kPacks; ++i) packs[i] = pack<Target>(reinterpret_cast<const Values*>(&values)[i]);
}

template <typename Target>
struct Packing {
  template <int kElements, typename Packed, int kPacks>
  static __device__ __forceinline__ void into(const float (&values)[kElements], Types, Packed (&packs)[kPacks]) {
    pack_each<Target>(values, packs);
  }
};

template <typename First, typename Second>
struct Packing<Either<First, Second>> {
  template <int kElements, typename Packed, int kPacks>
  static __device__ __forceinline__ void into(const float (&values)[kElements], Types types, Packed (&packs)[kPacks]) {
    if (types.is_second)
      pack_each<Second>(values, packs);
    else
      pack_each<First>(values, packs);
  }
};

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_TARGET_H_
