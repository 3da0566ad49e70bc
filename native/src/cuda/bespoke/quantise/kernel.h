// The kernel that quantises rows. A thread has a unit of key and one of value, of a head of a token; the threads of elements
// that share a scale lie side by side in a warp, a power of two of them, and each has further units where those are too few.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_KERNEL_H_
#define BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_KERNEL_H_

#include <cstdint>
#include <type_traits>

#include "append/append.h"
#include "cuda/bespoke/placing.h"
#include "cuda/bespoke/quantise/access.h"
#include "cuda/bespoke/quantise/rule.h"
#include "cuda/bespoke/quantise/source.h"
#include "cuda/bespoke/ragged.h"
#include "cuda/bespoke/record.h"
#include "place/divisor.h"
#include "place/place.h"

namespace baracuda::cuda::bespoke {

constexpr uint32_t kQuantisingThreads = 128;

// Offsets are in the steps of an Access, those of scales in bytes.
template <typename Size>
struct QuantisedPart {
  const unsigned char* rows;
  unsigned char* cache;
  typename Size::Offset token;  // in rows
  typename Size::Offset head;
  typename Size::Offset page;  // in the cache
  typename Size::Offset slot;
  typename Size::Offset cache_head;
  int32_t units;     // of a row; 0 where there is no such part
  int32_t elements;  // of a row
  const unsigned char* scale;
  int64_t scale_head;
  unsigned char* scales;
  int64_t scales_page;
  int64_t scales_slot;
  int64_t scales_head;
};

template <typename Size>
struct Quantise {
  typename Size::Index threads;
  Divisor<typename Size::Index> token_threads;
  Divisor<typename Size::Index> head_threads;
  int32_t sharing;  // threads that share a scale
  Types types;
  QuantisedPart<Size> parts[kMaxParts];
  Placement placement;
  baracuda_error_record* record;
};

// The threads that share a scale.
template <typename Source, typename Rule, typename Size>
__device__ __forceinline__ int32_t sharing_of(const Quantise<Size>& quantise) {
  return Rule::kSharing < 0 ? quantise.sharing : Rule::kSharing / kUnit<Source>;
}

// What a thread has of a part of a row: unit `first`, and where a scale is shared by the row each that is as many threads
// behind.
template <typename Source, typename Rule, typename Access>
struct Share {
  using Size = typename Access::Size;
  using Index = typename Size::Index;
  using Offset = typename Size::Offset;
  using Packed = Pack<typename Rule::Target, kUnit<Source>>;

  const Quantise<Size>& quantise;
  const QuantisedPart<Size>& part;
  Index row;
  Index head;
  int32_t first;

  __device__ __forceinline__ bool is_there() const { return first < part.units; }
  __device__ __forceinline__ int elements(int32_t unit) const { return part.elements - unit * kUnit<Source>; }

  __device__ __forceinline__ void load(bool condition, int32_t unit, uint4* loaded) const {
    constexpr int64_t kStep = Access::template kRowStep<Source>;
    const Offset within = static_cast<Offset>(unit) * static_cast<Offset>(sizeof(uint4) / kStep);
    const Offset from = static_cast<Offset>(row) * part.token + static_cast<Offset>(head) * part.head + within;
    Access::template load<Source>(condition, part.rows + int64_t{from} * kStep, elements(unit), loaded);
  }

  __device__ __forceinline__ void load_scale(bool condition, float* scale) const {
    const unsigned char* const from = part.scale + static_cast<int64_t>(head) * part.scale_head;
    load_shared_if(condition, reinterpret_cast<const float*>(from), scale);
  }

  // Of all units, of which the first is loaded, what `largest_in` says of each: the largest.
  template <typename Function>
  __device__ __forceinline__ uint32_t largest(const uint4& loaded, Function largest_in) const {
    if (!is_there()) return 0;
    uint32_t found = largest_in(loaded);
    if constexpr (Rule::kSharing == kLongRow)
      for (int32_t unit = first + quantise.sharing; unit < part.units; unit += quantise.sharing) {
        uint4 other;
        load(true, unit, &other);
        found = max(found, largest_in(other));
      }
    return found;
  }

  template <typename Made, typename Int>
  __device__ __forceinline__ void store(bool condition, const SeenOf<Int>& seen, int32_t unit, const Made& made) const {
    constexpr int64_t kStep = Access::template kCacheStep<Made>;
    const Offset within = static_cast<Offset>(unit) * static_cast<Offset>(sizeof(Made) / kStep);
    const Offset in_page =
        static_cast<Offset>(seen.slot) * part.slot + static_cast<Offset>(head) * part.cache_head + within;
    const int64_t to = int64_t{static_cast<Offset>(seen.page)} * part.page + in_page;
    const auto bytes = static_cast<int>(elements(unit) * static_cast<int64_t>(sizeof(Made)) / kUnit<Source>);
    Access::store(condition, part.cache + to * kStep, made, bytes);
  }

  __device__ __forceinline__ Packed quantised(const uint4& loaded, const Rule& rule) const {
    float values[kUnit<Source>];
    widen<Source>(loaded, quantise.types, values);
    return rule.encode(values, quantise.types);
  }

  // All units but the first.
  template <typename Int>
  __device__ __forceinline__ void quantise_others(bool condition, const SeenOf<Int>& seen, const Rule& rule) const {
    for (int32_t unit = first + quantise.sharing; condition && unit < part.units; unit += quantise.sharing) {
      uint4 loaded;
      load(true, unit, &loaded);
      store(true, seen, unit, quantised(loaded, rule));
    }
  }

  // By the first of the threads that share it.
  template <typename Int>
  __device__ __forceinline__ void store_scale(bool condition, const SeenOf<Int>& seen, const Rule& rule) const {
    using Scale = typename Rule::Scale;
    const int32_t nth = Rule::kSharing < 0 ? 0 : first / (Rule::kSharing / kUnit<Source>);
    if (!condition || first != nth * sharing_of<Source, Rule>(quantise)) return;
    unsigned char* const to = part.scales + seen.page * part.scales_page + seen.slot * part.scales_slot +
                              static_cast<int64_t>(head) * part.scales_head;
    reinterpret_cast<Scale*>(to)[nth] = rule.scale;
  }
};

// The largest magnitudes of what shares a scale, for each part: of numbers, and without the infinities where these do not
// count. Every thread of the warp calls it.
template <typename Source, typename Rule, typename Access>
__device__ __forceinline__ void find_largest(const Quantise<typename Access::Size>& quantise,
                                             const Share<Source, Rule, Access> (&shares)[kMaxParts],
                                             const uint4 (&units)[kMaxParts], uint32_t (&largest)[kMaxParts]) {
  const auto find = [&](auto largest_in) {
#pragma unroll
    for (int part = 0; part < kMaxParts; ++part) largest[part] = shares[part].largest(units[part], largest_in);
    share_largest<Source>(largest, sharing_of<Source, Rule>(quantise));
  };
  find([](const uint4& unit) { return largest_of<Source>(unit); });
  const uint32_t end = Source::infinity(quantise.types) + (Rule::kCountsInfinities ? 1 : 0);
  if (__any_sync(kWholeWarp, max(largest[0], largest[1]) >= end))
    find([end](const uint4& unit) { return largest_below<Source>(unit, end); });
}

template <typename Source, typename Rule, typename Access, bool kNarrow, int kPlacing>
__global__ void __launch_bounds__(kQuantisingThreads)
    quantise_kernel(const __grid_constant__ Quantise<typename Access::Size> quantise) {
  using Index = typename Access::Size::Index;
  constexpr bool kShares = Rule::kSharing != kNone;
  const Placing placing = kPlacing == kAnyPlacing ? quantise.placement.placing : static_cast<Placing>(kPlacing);
  const Index thread = static_cast<Index>(blockIdx.x) * kQuantisingThreads + threadIdx.x;
  // The threads of a warp work together, at scales and at a RAGGED row's request: those that are too many look on.
  const bool looks_on = thread >= quantise.threads;
  const bool is_one_of_many = kShares || placing == Placing::kRagged;
  if (!is_one_of_many && looks_on) return;
  const Index i = looks_on ? quantise.threads - 1 : thread;
  const Index row = quantise.token_threads.divide(i);
  const Index within = i - row * quantise.token_threads.divisor;
  const Index head = quantise.head_threads.divide(within);
  const auto first = static_cast<int32_t>(within - head * quantise.head_threads.divisor);
  const Share<Source, Rule, Access> shares[] = {{quantise, quantise.parts[0], row, head, first},
                                                {quantise, quantise.parts[1], row, head, first}};

  uint4 units[kMaxParts];
  float scales[kMaxParts] = {};
#pragma unroll
  for (int part = 0; part < kMaxParts; ++part) {
    const auto& share = shares[part];
    if (Rule::kHasTail && share.part.rows == nullptr)
      units[part] = {};
    else
      share.load(share.is_there(), first, &units[part]);
    if (Rule::kTakesScale) share.load_scale(share.is_there(), &scales[part]);
  }
  using Int = std::conditional_t<kNarrow, int32_t, int64_t>;
  SeenOf<Int> seen;
  RowsOf<Int> rows;
  if (placing == Placing::kRagged)
    read_rows_in_warp<kNarrow>(quantise.placement, static_cast<int64_t>(row), &seen, &rows);
  const bool found = find_entry<kNarrow>(quantise.placement, placing, static_cast<int64_t>(row), rows, &seen);
  if (found) load_page<kNarrow>(quantise.placement, placing, &seen);

  // While the page's id is on its way.
  uint32_t largest[kMaxParts] = {};
  if constexpr (kShares) find_largest(quantise, shares, units, largest);
  if (looks_on) return;
  constexpr int kQuantised = Rule::kHasTail ? 1 : kMaxParts;
  Rule rules[kQuantised];
  Pack<typename Rule::Target, kUnit<Source>> packed[kQuantised];
#pragma unroll
  for (int part = 0; part < kQuantised; ++part) {
    rules[part] = Rule(Source::widen(largest[part], quantise.types), scales[part], quantise.types);
    packed[part] = shares[part].quantised(units[part], rules[part]);
  }

  if (placing == Placing::kRagged && thread == 0)
    record_corruption(quantise.record, quantise.placement.num_rows, quantise.placement.num_requests - 1, -1,
                      lost_rows_of<kNarrow>(quantise.placement));
  if (found && is_place(quantise.placement, seen)) {
#pragma unroll
    for (int part = 0; part < kQuantised; ++part) {
      const auto& share = shares[part];
      share.store(share.is_there(), seen, first, packed[part]);
      if constexpr (Rule::kSharing == kLongRow) share.quantise_others(share.is_there(), seen, rules[part]);
      if constexpr (kShares) share.store_scale(share.is_there(), seen, rules[part]);
    }
    if constexpr (Rule::kHasTail) shares[1].store(shares[1].is_there(), seen, first, units[1]);
    return;
  }
  if (within == 0)
    record_corruption(quantise.record, static_cast<int64_t>(row), seen.request, seen.page,
                      corruption_of(quantise.placement, placing, seen));
}

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_KERNEL_H_
