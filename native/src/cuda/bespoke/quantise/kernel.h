// The kernels for quantising appends that are usual: aligned, small, and no row longer than a warp. A thread has a unit
// of key and one of value, of a head of a token; the threads of elements that share a scale lie side by side in a warp,
// a power of two of them.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_KERNEL_H_
#define BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_KERNEL_H_

#include <cstdint>
#include <type_traits>

#include "append/append.h"
#include "cuda/bespoke/quantise/rule.h"
#include "cuda/bespoke/quantise/source.h"
#include "cuda/bespoke/quantise/turn.h"
#include "cuda/bespoke/reading.h"
#include "cuda/bespoke/record.h"
#include "cuda/bespoke/vector.h"
#include "cuda/bespoke/width.h"
#include "cuda/device_code.h"
#include "place/place.h"

namespace baracuda::cuda::bespoke {

// The threads that share a scale.
template <typename Source, typename Rule>
__device__ __forceinline__ int32_t sharing_of(const Quantise<Small>& quantise) {
  return Rule::kSharing < 0 ? quantise.sharing : Rule::kSharing / kUnit<Source>;
}

// A thread's unit of a part. Offsets count units of a source, packs of a cache, and scales.
template <typename Source, typename Rule>
struct Share {
  using Packed = Pack<typename Rule::Target, kUnit<Source>>;
  using Offset = Small::Offset;

  const Quantise<Small>& quantise;
  const QuantisedPart<Small>& part;
  Turn<Small> turn;
  bool is_its;  // that of this block

  __device__ __forceinline__ bool is_there() const { return is_its && turn.first < part.units; }

  __device__ __forceinline__ void load(uint4* unit) const {
    const Offset from = static_cast<Offset>(turn.row) * part.token + static_cast<Offset>(turn.head) * part.head;
    load_if(is_there(), reinterpret_cast<const uint4*>(part.rows) + (from + turn.first), unit);
  }

  __device__ __forceinline__ void load_scale(float* scale) const {
    const Offset from = static_cast<Offset>(turn.head) * part.scale_head;
    load_shared_if(is_there() && part.scale != nullptr, reinterpret_cast<const float*>(part.scale) + from, scale);
  }

  template <typename Made, typename Int>
  __device__ __forceinline__ void store(const SeenOf<Int>& seen, const Made& made) const {
    const Offset in_page =
        static_cast<Offset>(seen.slot) * part.slot + static_cast<Offset>(turn.head) * part.cache_head + turn.first;
    const int64_t to = int64_t{static_cast<Offset>(seen.page)} * part.page + in_page;
    store_if(is_there(), reinterpret_cast<Made*>(part.cache) + to, made);
  }

  // The nth of the row's.
  template <typename Scale, typename Int>
  __device__ __forceinline__ void store_scale(const SeenOf<Int>& seen, int32_t nth, Scale scale) const {
    const Offset in_page =
        static_cast<Offset>(seen.slot) * part.scales_slot + static_cast<Offset>(turn.head) * part.scales_head + nth;
    const int64_t to = int64_t{static_cast<Offset>(seen.page)} * part.scales_page + in_page;
    reinterpret_cast<Scale*>(part.scales)[to] = scale;
  }

  __device__ __forceinline__ Packed quantised(const uint4& unit, const Rule& rule) const {
    float values[kUnit<Source>];
    widen<Source>(unit, quantise.types, values);
    return rule.encode(values, quantise.types);
  }
};

// Of what there is one of each part, so that the next one is the first: code that takes the first stands once for both.
template <typename Type>
__device__ __forceinline__ void exchange(Type (&of_parts)[kMaxParts]) {
  const Type first = of_parts[0];
  of_parts[0] = of_parts[1];
  of_parts[1] = first;
}

// The largest magnitudes of what shares a scale, for each part: of numbers, and without the infinities where these do
// not count. Whether some do not count. Every thread of the warp calls it.
template <typename Source, typename Rule>
__device__ __forceinline__ bool find_largest(const Quantise<Small>& quantise, const bool (&is_there)[kMaxParts],
                                             uint4 (&units)[kMaxParts], uint32_t (&largest)[kMaxParts]) {
  const int32_t sharing = sharing_of<Source, Rule>(quantise);
#pragma unroll
  for (int part = 0; part < kMaxParts; ++part) largest[part] = is_there[part] ? largest_of<Source>(units[part]) : 0;
  share_largest<Source>(largest, sharing);
  const uint32_t end = Source::infinity(quantise.types) + (Rule::kCountsInfinities ? 1 : 0);
  if (!__any_sync(kWholeWarp, max(largest[0], largest[1]) >= end)) return false;
  // Seldom: one part after the other, by one code.
#pragma unroll 1
  for (int part = 0; part < kMaxParts; ++part) {
    const bool is_its = part == 0 ? is_there[0] : is_there[1];
    largest[0] = is_its ? largest_below<Source>(units[0], end) : 0;
    exchange(units);
    exchange(largest);
  }
  share_largest<Source>(largest, sharing);
  return true;
}

// The rules of rows, of which two threads side by side work out one each: the first that of the first part. The scale
// of the thread's own. Every thread of the warp calls it.
template <typename Source>
__device__ __forceinline__ float find_row_rules(Types types, bool is_second, const uint32_t (&largest)[kMaxParts],
                                                bool may_be_infinite, TokenHead (&rules)[kMaxParts]) {
  const TokenHead own(Source::widen(is_second ? largest[1] : largest[0], types), 0.0f, types);
  const float other = __shfl_xor_sync(kWholeWarp, own.multiplier, 1);
  rules[0].multiplier = is_second ? other : own.multiplier;
  rules[1].multiplier = is_second ? own.multiplier : other;
  rules[0].may_be_infinite = rules[1].may_be_infinite = may_be_infinite;
  return own.scale;
}

template <typename Source, typename Rule, bool kNarrow, int kPlacing>
__global__ void __launch_bounds__(kQuantisingThreads)
    // NOLINTNEXTLINE(readability-avoid-const-params-in-decls)
    quantise_kernel(const __grid_constant__ Quantise<Small> quantise);

#if defined(__CUDACC__)

template <typename Source, typename Rule, bool kNarrow, int kPlacing>
__global__ void __launch_bounds__(kQuantisingThreads)
    quantise_kernel(const __grid_constant__ Quantise<Small> quantise) {
  constexpr bool kShares = Rule::kSharing != kNone;
  constexpr bool kIsOfRow = Rule::kSharing == kRow;
  constexpr auto kPlaced = static_cast<Placing>(kPlacing);
  const uint32_t thread = blockIdx.x * kQuantisingThreads + threadIdx.x;
  // The threads of a warp work together, at scales and at what they read: those that are too many look on.
  const bool looks_on = thread >= quantise.threads;
  const bool is_one_of_many = kShares || reads_in_warp(kPlaced);
  if (!is_one_of_many && looks_on) return;
  const Turn<Small> turn = turn_of(quantise, looks_on ? quantise.threads - 1 : thread);
  // Where there are few rows the parts have blocks of their own: what a thread does for both takes longer than to find
  // the row's place once more.
  const auto is_its = [](int part) { return gridDim.y == 1 || static_cast<int>(blockIdx.y) == part; };
  const auto share_of = [&](int part) {
    return Share<Source, Rule>{quantise, quantise.parts[part], turn, is_its(part)};
  };
  const auto is_tail = [](int part) { return Rule::kHasTail && part > 0; };

  using Int = std::conditional_t<kNarrow, int32_t, int64_t>;
  Way<kNarrow, Int, Small> way(quantise, kPlaced, thread, turn.row);
  uint4 units[kMaxParts];
  float scales[kMaxParts] = {};
#pragma unroll
  for (int part = 0; part < kMaxParts; ++part) {
    const auto share = share_of(part);
    if (is_tail(part) && share.part.rows == nullptr)
      units[part] = {};
    else
      share.load(&units[part]);
    if (Rule::kTakesScale) share.load_scale(&scales[part]);
  }
  SeenOf<Int> seen;
  const bool found = way.find_page(&seen);

  // The units are quantised while the page's id is on its way, which is judged then.
  uint32_t largest[kMaxParts] = {};
  Rule rules[kMaxParts];
  float row_scale = 0;  // of the first thread the first part's, of the second the second's
  if constexpr (kShares) {
    const bool may_be_infinite =
        find_largest<Source, Rule>(quantise, {share_of(0).is_there(), share_of(1).is_there()}, units, largest);
    if constexpr (kIsOfRow)
      row_scale = find_row_rules<Source>(quantise.types, turn.first % 2 != 0, largest, may_be_infinite, rules);
  }
  if (looks_on) return;
  typename Share<Source, Rule>::Packed packed[kMaxParts];
  const auto quantise_unit = [&](int part) {
    if constexpr (!kIsOfRow)
      rules[part] = Rule(Source::widen(largest[part], quantise.types), scales[part], quantise.types);
    packed[part] = share_of(part).quantised(units[part], rules[part]);
  };
  if constexpr (Rule::kHasTail || !kConvertsByHand) {
#pragma unroll
    for (int part = 0; part < kMaxParts; ++part)
      if (!is_tail(part) && is_its(part)) quantise_unit(part);
  } else {
    // By code that stands once, each part as if it were the first: it is the largest piece of the kernel.
    const auto next = [&] {
      exchange(units);
      exchange(scales);
      exchange(largest);
      exchange(rules);
      exchange(packed);
    };
    const bool is_one = gridDim.y > 1;
    if (is_one && blockIdx.y > 0) next();
#pragma unroll 1
    for (int turns = is_one ? 1 : kMaxParts; turns > 0; --turns) {
      quantise_unit(0);
      next();
    }
    if (is_one && blockIdx.y == 0) next();
  }
  if (kPlaced == Placing::kRagged && thread == 0 && quantise.record != nullptr)
    record_corruption(quantise.record, quantise.placement.num_rows, quantise.placement.num_requests - 1, -1,
                      lost_rows_of<kNarrow>(quantise.placement));
  if (found && is_place(quantise.placement, seen)) {
#pragma unroll
    for (int part = 0; part < kMaxParts; ++part) {
      const auto share = share_of(part);
      if (!is_its(part)) continue;
      if (is_tail(part)) {
        share.store(seen, units[part]);
        continue;
      }
      share.store(seen, packed[part]);
      if constexpr (kShares && !kIsOfRow) {
        const int32_t nth = turn.first / sharing_of<Source, Rule>(quantise);
        const bool is_first = turn.first == nth * sharing_of<Source, Rule>(quantise);
        if (is_first && share.is_there()) share.store_scale(seen, nth, rules[part].scale);
      }
    }
    if (kIsOfRow && turn.first < kMaxParts && is_its(turn.first) && quantise.parts[turn.first].units > 0)
      share_of(turn.first).store_scale(seen, 0, row_scale);
    return;
  }
  if (turn.within == 0 && quantise.record != nullptr)
    record_corruption(quantise.record, static_cast<int64_t>(turn.row), seen.request, seen.page,
                      corruption_of(quantise.placement, kPlaced, static_cast<int64_t>(turn.row), widened(seen)));
}

#endif  // defined(__CUDACC__)

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_KERNEL_H_
