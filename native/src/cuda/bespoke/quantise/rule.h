// How the elements of a unit become those of a cache: by a scale that is given, or by one that threads side by side
// work out of what they have, and write.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_RULE_H_
#define BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_RULE_H_

#include <cstdint>

#include "cuda/bespoke/quantise/quotient.h"
#include "cuda/bespoke/quantise/source.h"
#include "cuda/bespoke/quantise/target.h"
#include "format/e2m1.h"
#include "format/scales.h"

namespace baracuda::cuda::bespoke {

// The elements that share a scale where it is not so many: none, or those of a row.
constexpr int kNone = 0;
constexpr int kRow = -1;

template <typename Source>
struct Given {
  using Target = Either<E4m3Target, E5m2Target>;
  static constexpr int kSharing = kNone;
  static constexpr bool kTakesScale = true;
  static constexpr bool kHasTail = false;

  Quotients<kIsHalf<Source>> by;

  Given() = default;
  __device__ __forceinline__ Given(float, float scale, Types) : by(scale) {}
  template <int kElements, typename Packed, int kPacks>
  __device__ __forceinline__ void encode(float (&values)[kElements], Types types, Packed (&packs)[kPacks]) {
    by.divide(values);
    Packing<Target>::into(values, types, packs);
  }
};

// By a multiplier that follows from the scale.
template <typename To, typename Written>
struct Scaled {
  using Target = To;
  using Scale = Written;

  Scale scale;
  float multiplier;

  template <int kElements, typename Packed, int kPacks>
  __device__ __forceinline__ void encode(float (&values)[kElements], Types types, Packed (&packs)[kPacks]) const {
#pragma unroll
    for (float& value : values) value = multiply(value, multiplier);
    Packing<Target>::into(values, types, packs);
  }
};

struct TokenHead : Scaled<Either<E4m3Target, Int8Target>, float> {
  static constexpr int kSharing = kRow;
  static constexpr bool kTakesScale = false;
  static constexpr bool kHasTail = false;
  static constexpr bool kCountsInfinities = false;

  bool may_be_infinite;  // a number

  TokenHead() = default;
  __device__ __forceinline__ TokenHead(float amax, float, Types types) : may_be_infinite(true) {
    scale = types.is_second ? token_head_scale(amax, kInt8Top) : token_head_scale(amax, E4m3::kTop);
    multiplier = near_reciprocal(scale);
  }

  template <int kElements, typename Packed, int kPacks>
  __device__ __forceinline__ void encode(float (&values)[kElements], Types types, Packed (&packs)[kPacks]) const {
#pragma unroll
    for (float& value : values) value = multiply(value, multiplier);
    if (types.is_second && may_be_infinite) {
#pragma unroll
      for (float& value : values) value = Int8Target::at_least_lowest(value);
    }
    Packing<Target>::into(values, types, packs);
  }
};

// The second part is a copy, or zeros.
struct DsMla : Scaled<E4m3Target, float> {
  static constexpr int kSharing = kDsMlaTile;
  static constexpr bool kTakesScale = false;
  static constexpr bool kHasTail = true;
  static constexpr bool kCountsInfinities = true;

  DsMla() = default;
  __device__ __forceinline__ DsMla(float amax, float, Types) {
    scale = ds_mla_scale(amax);
    multiplier = power_reciprocal(scale);
  }
};

struct Nvfp4 : Scaled<E2m1Target, uint8_t> {
  static constexpr int kSharing = kNvfp4Block;
  static constexpr bool kTakesScale = true;
  static constexpr bool kHasTail = false;
  static constexpr bool kCountsInfinities = true;

  Nvfp4() = default;
  __device__ __forceinline__ Nvfp4(float amax, float global, Types) {
    scale = nvfp4_block_scale(amax, global);
    multiplier = nvfp4_multiplier(scale, global);
  }
};

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_RULE_H_
