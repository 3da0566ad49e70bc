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
#include "cuda/device_code.h"
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
  bool at_once;     // every address keeps to whole units and packs
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

// A thread's place in a part of a row: unit `first`, and where a scale is shared by a long row each that is as many threads
// behind.
template <typename Source, typename Access>
struct Share {
  using Size = typename Access::Size;
  using Offset = typename Size::Offset;

  const Quantise<Size>& quantise;
  const QuantisedPart<Size>& part;
  typename Size::Index row;
  typename Size::Index head;
  int32_t first;

  __device__ __forceinline__ bool is_there() const { return first < part.units; }
  __device__ __forceinline__ int elements(int32_t unit) const { return part.elements - unit * kUnit<Source>; }

  __device__ __forceinline__ void load(bool condition, int32_t unit, uint4* loaded) const {
    constexpr int64_t kStep = Access::kRowStep;
    const Offset within = static_cast<Offset>(unit) * static_cast<Offset>(sizeof(uint4) / kStep);
    const Offset from = static_cast<Offset>(row) * part.token + static_cast<Offset>(head) * part.head + within;
    Access::template load<Source>(condition, quantise.at_once, part.rows + int64_t{from} * kStep, elements(unit),
                                  loaded);
  }

  __device__ __forceinline__ void load_scale(bool condition, float* scale) const {
    const unsigned char* const from = part.scale + static_cast<int64_t>(head) * part.scale_head;
    load_shared_if(condition, reinterpret_cast<const float*>(from), scale);
  }

  template <typename Made, typename Int>
  __device__ __forceinline__ void store(bool condition, const SeenOf<Int>& seen, int32_t unit, const Made& made) const {
    constexpr int64_t kStep = Access::template kCacheStep<Made>;
    const Offset within = static_cast<Offset>(unit) * static_cast<Offset>(sizeof(Made) / kStep);
    const Offset in_page =
        static_cast<Offset>(seen.slot) * part.slot + static_cast<Offset>(head) * part.cache_head + within;
    const int64_t to = int64_t{static_cast<Offset>(seen.page)} * part.page + in_page;
    const auto bytes = static_cast<int>(elements(unit) * static_cast<int64_t>(sizeof(Made)) / kUnit<Source>);
    Access::store(condition, quantise.at_once, part.cache + to * kStep, made, bytes);
  }
};

// And by which rule.
template <typename Source, typename Rule, typename Access>
struct RuledShare : Share<Source, Access> {
  using Size = typename Access::Size;
  using Packed = Pack<typename Rule::Target, kUnit<Source>>;
  using Share<Source, Access>::quantise;
  using Share<Source, Access>::part;
  using Share<Source, Access>::first;

  // Of all units, of which the first is loaded, what `largest_in` says of each: the largest.
  template <typename Function>
  __device__ __forceinline__ uint32_t largest(const uint4& loaded, Function largest_in) const {
    if (!this->is_there()) return 0;
    uint32_t found = largest_in(loaded);
    if constexpr (Rule::kSharing == kLongRow)
      for (int32_t unit = first + quantise.sharing; unit < part.units; unit += quantise.sharing) {
        uint4 other;
        this->load(true, unit, &other);
        found = max(found, largest_in(other));
      }
    return found;
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
      this->load(true, unit, &loaded);
      this->store(true, seen, unit, quantised(loaded, rule));
    }
  }

  // By the first of the threads that share it.
  template <typename Int>
  __device__ __forceinline__ void store_scale(bool condition, const SeenOf<Int>& seen, const Rule& rule) const {
    using Scale = typename Rule::Scale;
    const int32_t nth = Rule::kSharing < 0 ? 0 : first / (Rule::kSharing / kUnit<Source>);
    if (!condition || first != nth * sharing_of<Source, Rule>(quantise)) return;
    unsigned char* const to = part.scales + seen.page * part.scales_page + seen.slot * part.scales_slot +
                              static_cast<int64_t>(this->head) * part.scales_head;
    reinterpret_cast<Scale*>(to)[nth] = rule.scale;
  }
};

// Of as many parts as a thread has, from `first_part` on.
template <typename Source, typename Rule, typename Access>
struct Shares {
  using Size = typename Access::Size;
  using Each = RuledShare<Source, Rule, Access>;

  const Quantise<Size>& quantise;
  int first_part;
  typename Size::Index row;
  typename Size::Index head;
  int32_t first;

  __device__ __forceinline__ Each operator[](int part) const {
    return {{quantise, quantise.parts[first_part + part], row, head, first}};
  }
};

// The largest magnitudes of what shares a scale, for each part: of numbers, and without the infinities where these do not
// count. Every thread of the warp calls it.
template <typename Source, typename Rule, typename Access>
__device__ __forceinline__ void find_largest(const Quantise<typename Access::Size>& quantise,
                                             const Shares<Source, Rule, Access>& shares,
                                             const uint4 (&units)[Access::kParts],
                                             uint32_t (&largest)[Access::kParts]) {
  const auto find = [&](auto largest_in) {
#pragma unroll
    for (int part = 0; part < Access::kParts; ++part) largest[part] = shares[part].largest(units[part], largest_in);
    share_largest<Source>(largest, sharing_of<Source, Rule>(quantise));
  };
  find([](const uint4& unit) { return largest_of<Source>(unit); });
  const uint32_t end = Source::infinity(quantise.types) + (Rule::kCountsInfinities ? 1 : 0);
  if (__any_sync(kWholeWarp, max(largest[0], largest[Access::kParts - 1]) >= end))
    find([end](const uint4& unit) { return largest_below<Source>(unit, end); });
}

// What becomes of a thread's units, of `kParts` parts.
template <typename Source, typename Rule, int kParts>
struct Quantised {
  Rule rules[kParts];
  Pack<typename Rule::Target, kUnit<Source>> packed[kParts];
};

template <typename Source, typename Rule, typename Access>
__device__ __forceinline__ void quantise_units(const Shares<Source, Rule, Access>& shares,
                                               const uint4 (&units)[Access::kParts],
                                               const float (&scales)[Access::kParts],
                                               const uint32_t (&largest)[Access::kParts],
                                               Quantised<Source, Rule, Access::kParts>* quantised) {
#pragma unroll
  for (int part = 0; part < Access::kParts; ++part) {
    if (Rule::kHasTail && shares.first_part + part > 0) continue;
    const Types& types = shares.quantise.types;
    quantised->rules[part] = Rule(Source::widen(largest[part], types), scales[part], types);
    quantised->packed[part] = shares[part].quantised(units[part], quantised->rules[part]);
  }
}

// And of further units, which are read here.
template <typename Source, typename Rule, typename Access, typename Int>
__device__ __forceinline__ void store_all(const Shares<Source, Rule, Access>& shares,
                                          const uint4 (&units)[Access::kParts],
                                          const Quantised<Source, Rule, Access::kParts>& quantised,
                                          const SeenOf<Int>& seen) {
#pragma unroll
  for (int part = 0; part < Access::kParts; ++part) {
    const auto share = shares[part];
    if (Rule::kHasTail && shares.first_part + part > 0) {
      share.store(share.is_there(), seen, share.first, units[part]);
      continue;
    }
    share.store(share.is_there(), seen, share.first, quantised.packed[part]);
    if constexpr (Rule::kSharing == kLongRow) share.quantise_others(share.is_there(), seen, quantised.rules[part]);
    if constexpr (Rule::kSharing != kNone) share.store_scale(share.is_there(), seen, quantised.rules[part]);
  }
}

// `Rules`: a rule, or AnyRule, which has each one's instructions.
template <typename Source, typename Rules, typename Access, bool kNarrow, int kPlacing>
__global__ void __launch_bounds__(kQuantisingThreads)
    quantise_kernel(const __grid_constant__ Quantise<typename Access::Size> quantise);

#if defined(__CUDACC__)

template <typename Source, typename Rules, typename Access, bool kNarrow, int kPlacing>
__global__ void __launch_bounds__(kQuantisingThreads)
    quantise_kernel(const __grid_constant__ Quantise<typename Access::Size> quantise) {
  using Index = typename Access::Size::Index;
  constexpr int kParts = Access::kParts;
  const Placing placing = kPlacing == kAnyPlacing ? quantise.placement.placing : static_cast<Placing>(kPlacing);
  const Index thread = static_cast<Index>(blockIdx.x) * kQuantisingThreads + threadIdx.x;
  // The threads of a warp work together, at scales and at a RAGGED row's request: those that are too many look on.
  const bool looks_on = thread >= quantise.threads;
  const bool is_one_of_many = Rules::kShares || placing == Placing::kRagged;
  if (!is_one_of_many && looks_on) return;
  const Index i = looks_on ? quantise.threads - 1 : thread;
  const Index row = quantise.token_threads.divide(i);
  const Index within = i - row * quantise.token_threads.divisor;
  const Index head = quantise.head_threads.divide(within);
  const auto first = static_cast<int32_t>(within - head * quantise.head_threads.divisor);
  const int first_part = kParts == 1 ? static_cast<int>(blockIdx.y) : 0;

  uint4 units[kParts];
  float scales[kParts] = {};
#pragma unroll
  for (int part = 0; part < kParts; ++part) {
    const Share<Source, Access> share = {quantise, quantise.parts[first_part + part], row, head, first};
    if (Rules::kHasTail && share.part.rows == nullptr)
      units[part] = {};
    else
      share.load(share.is_there(), first, &units[part]);
    if (Rules::kTakesScale) share.load_scale(share.is_there() && share.part.scale != nullptr, &scales[part]);
  }
  using Int = std::conditional_t<kNarrow, int32_t, int64_t>;
  SeenOf<Int> seen;
  RowsOf<Int> rows;
  if (placing == Placing::kRagged)
    read_rows_in_warp<kNarrow>(quantise.placement, static_cast<int64_t>(row), &seen, &rows);
  const bool found = find_entry<kNarrow>(quantise.placement, placing, static_cast<int64_t>(row), rows, &seen);
  if (found) load_page<kNarrow>(quantise.placement, placing, &seen);

  const auto record_lost_rows = [&] {
    if (placing == Placing::kRagged && thread == 0)
      record_corruption(quantise.record, quantise.placement.num_rows, quantise.placement.num_requests - 1, -1,
                        lost_rows_of<kNarrow>(quantise.placement));
  };

  // The units are quantised while the page's id is on its way, which is judged then.
  if constexpr (Rules::kIsOne) {
    using Rule = typename Rules::Rule;
    const Shares<Source, Rule, Access> shares = {quantise, first_part, row, head, first};
    uint32_t largest[kParts] = {};
    if constexpr (Rules::kShares) find_largest(quantise, shares, units, largest);
    if (looks_on) return;
    Quantised<Source, Rule, kParts> quantised;
    quantise_units(shares, units, scales, largest, &quantised);
    record_lost_rows();
    if (found && is_place(quantise.placement, seen)) {
      store_all(shares, units, quantised, seen);
      return;
    }
  } else {
    const bool served = Rules::visit(quantise.types, [&](auto rule) {
      using Rule = decltype(rule);
      const Shares<Source, Rule, Access> shares = {quantise, first_part, row, head, first};
      uint32_t largest[kParts] = {};
      if constexpr (Rule::kSharing != kNone) find_largest(quantise, shares, units, largest);
      Quantised<Source, Rule, kParts> quantised;
      quantise_units(shares, units, scales, largest, &quantised);
      if (!found || looks_on || !is_place(quantise.placement, seen)) return false;
      store_all(shares, units, quantised, seen);
      return true;
    });
    if (looks_on) return;
    record_lost_rows();
    if (served) return;
  }
  if (within == 0)
    record_corruption(quantise.record, static_cast<int64_t>(row), seen.request, seen.page,
                      corruption_of(quantise.placement, placing, seen));
}

#endif  // defined(__CUDACC__)

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_KERNEL_H_
