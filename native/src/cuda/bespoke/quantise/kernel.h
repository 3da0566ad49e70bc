// The kernels for quantising appends that are usual: aligned, small, and no row longer than the units of a warp. A
// thread has some units of a head of a token, of key or of value; the threads of elements that share a scale lie side
// by side in a warp, a power of two of them.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_KERNEL_H_
#define BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_KERNEL_H_

#include <cstdint>
#include <type_traits>

#include "append/append.h"
#include "cuda/bespoke/quantise/rule.h"
#include "cuda/bespoke/quantise/share.h"
#include "cuda/bespoke/quantise/source.h"
#include "cuda/bespoke/quantise/turn.h"
#include "cuda/bespoke/record.h"
#include "cuda/bespoke/search.h"
#include "cuda/bespoke/vector.h"
#include "cuda/bespoke/width.h"
#include "cuda/device_code.h"
#include "cuda/stream_order.h"
#include "place/entry.h"
#include "place/place.h"

namespace baracuda::cuda::bespoke {

// The largest magnitude of what shares a scale: of numbers, and without the infinities where these do not count.
// Whether some do not count. Every thread of the warp calls it.
template <typename Source, typename Rule>
__device__ __forceinline__ bool find_largest(const Known& known, OfUnits<uint4>& units, uint32_t* largest) {
  constexpr int kMostly = Rule::kSharing == kRow ? 8 : 1;  // threads that share a row's
  const uint32_t end = Source::infinity(known.types) + (Rule::kCountsInfinities ? 1 : 0);
  uint32_t magnitudes = 0;
#pragma unroll
  for (int round = 0; round < kRounds; ++round) {
    if (round * kAtOnce >= kFewUnits && known.units <= round * kAtOnce) break;
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) magnitudes = larger<Source>(magnitudes, units[round][i]);
  }
  *largest = largest_of<Source>(magnitudes);
  const bool are_some_beyond = __any_sync(kWholeWarp, *largest >= end);
  *largest = among_threads<kMostly>(*largest, known.sharing);
  if (!are_some_beyond) return false;
  // Seldom: one unit after the other, by one code.
  uint32_t most = 0;
#pragma unroll 1
  for (int n = 0; n < kMostUnits; ++n) {
    const uint4 unit = units[0][0];
    if (n < known.units) most = max(most, largest_below<Source>(unit, end));
#pragma unroll
    for (int i = 1; i < kMostUnits; ++i) units[(i - 1) / kAtOnce][(i - 1) % kAtOnce] = units[i / kAtOnce][i % kAtOnce];
    units[kRounds - 1][kAtOnce - 1] = unit;
  }
  *largest = among_threads<kMostly>(most, known.sharing);
  return true;
}

// Half of what a multiprocessor holds at once, so that a thread may have 64 registers.
constexpr uint32_t kUsualBlocks = 8;

template <typename Source, typename Rule, bool kNarrow, int kPlacing>
__global__ void __launch_bounds__(kQuantisingThreads, kUsualBlocks)
    // NOLINTNEXTLINE(readability-avoid-const-params-in-decls)
    quantise_kernel(const __grid_constant__ Quantise<Small> quantise);

#if defined(__CUDACC__)

template <typename Source, typename Rule, bool kNarrow, int kPlacing>
__global__ void __launch_bounds__(kQuantisingThreads, kUsualBlocks)
    quantise_kernel(const __grid_constant__ Quantise<Small> quantise) {
  constexpr bool kShares = Rule::kSharing != kNone;
  constexpr auto kPlaced = static_cast<Placing>(kPlacing);
  const uint32_t thread = blockIdx.x * kQuantisingThreads + threadIdx.x;
  // The threads of a warp work together, at scales and at what they read: those that are too many look on.
  const bool looks_on = thread >= quantise.threads;
  const bool is_tail = Rule::kHasTail && blockIdx.y > 0;
  const Turn<Small> turn = turn_of(quantise, looks_on ? quantise.threads - 1 : thread);
  Share<Source, Rule> share(quantise, quantise.rows[blockIdx.y], turn);

  wait_for_stream();
  // The compiler would have some of the first loads wait for what others bring. It does not where a branch lies between
  // them, which is always taken, or a barrier. A decode's table comes before what is quantised, a slot after it, and
  // the branch makes what was read of them another value; by other ways to a place there is more to wait for, and that
  // comes after.
  using Int = int32_t;
  constexpr bool kIsSlot = kPlaced == Placing::kSlots;
  // A slot is there as soon as what is quantised: all that does not need both is done before, and kept. That is less
  // like the other kernels' code, and an image's compression the worse for it: for 16 bits and given scales alone.
  constexpr bool kIsEarly = kIsSlot && kIsHalf<Source> && !kShares;
  constexpr bool kIsReadAtOnce = kPlaced == Placing::kLastPage || (kNarrow && kIsSlot);
  Way<kNarrow, Int, Small> way(quantise, kPlaced, turn.row);
  Destination<Source, Rule> destination;
  SeenOf<Int> seen;
  OfUnits<uint4> units;
  float given = 0;
  const auto ask_for_units = [&] {
    if (Rule::kTakesScale) share.load_given(&given);
    share.load(units);
  };
  Known known;
  if constexpr (!kIsEarly) known = known_of(quantise);
  const auto ask_for_destination = [&] {
    if constexpr (kIsEarly) known = kept_of(quantise);
    destination.start(share, quantise.caches[blockIdx.y], quantise.placement, is_tail);
  };
  if constexpr (kIsReadAtOnce) {
    if constexpr (kIsSlot)
      share.find(looks_on, is_tail);
    else if constexpr (kNarrow)
      way.read(&seen);
    if (quantise.units > 0) {
      if constexpr (!kNarrow) way.read(&seen);
      if constexpr (!kIsSlot) share.find(looks_on, is_tail);
      ask_for_units();
      if constexpr (kIsSlot) way.read(&seen);
      ask_for_destination();
      if constexpr (kIsEarly) way.hold(turn);
    } else {
      way.forget(&seen);
      if constexpr (kIsEarly) known.units = 0;
    }
  } else {
    share.find(looks_on, is_tail);
    if (quantise.units > 0) ask_for_units();
    __syncwarp();
    way.start(quantise, thread);
    ask_for_destination();
  }
  Rule rule;
  if constexpr (kIsEarly) rule = Rule(0, given, known.types);
  const bool found = kIsReadAtOnce ? way.find_page_of(&seen, kIsEarly) : way.find_page(&seen);
  destination.enter(found, seen.slot, is_tail);
  if constexpr (kIsEarly) destination.enter_page(seen.page, is_tail);

  // Quantised while the page's id is on its way, which is judged then; behind such a branch, or the id would be asked
  // for late.
  if (!kIsEarly && !is_tail && quantise.units > 0) {
    uint32_t largest = 0;
    bool may_be_infinite = false;
    if constexpr (kShares) may_be_infinite = find_largest<Source, Rule>(known, units, &largest);
    rule = Rule(Source::widen(largest, known.types), given, known.types);
    if constexpr (Rule::kSharing == kRow) rule.may_be_infinite = may_be_infinite;
  }
  if (looks_on) return;
  // One thread says what is wrong with the append as a whole.
  const bool is_speaker = kPlaced == Placing::kRagged && (thread | blockIdx.y) == 0 && quantise.record != nullptr;
  using Packed = typename Destination<Source, Rule>::Packed;
  OfUnits<Packed> packed;
  if (!is_tail) {
    int32_t left = known.units;
#pragma unroll 1
    while (true) {
      float values[kAtOnce * kUnit<Source>];
      widen<Source>(units[0], known.types, values);
      rule.encode(values, known.types, packed[0]);
      left -= kAtOnce;
      if (left <= 0) break;
      // Never: what follows lies behind a branch then, and is no dozen instructions that are skipped one by one.
      if (left > kMostUnits) __trap();
#pragma unroll
      for (int round = kRounds - 1; round > 0; --round)
#pragma unroll
        for (int i = 0; i < kAtOnce; ++i) {
          packed[round][i] = packed[round - 1][i];
          units[kRounds - 1 - round][i] = units[kRounds - round][i];
        }
    }
  }
  way.take_page(&seen);
  const bool is_served = kIsEarly ? found : destination.is_in(seen.page);
  if (is_served) {
    if constexpr (!kIsEarly) destination.enter_page(seen.page, is_tail);
    if (is_tail) {
      store_if(share.is_there(0), destination.template unit<uint4>(), units[0][0]);
      return;
    }
    auto* const first = destination.template unit<Packed>();
#pragma unroll
    for (int n = 0; n < kMostUnits; ++n) {
      if (kIsEarly && n == kFewUnits && known.units <= kFewUnits) break;
      store_if(share.is_there(n * share.step), first + n * share.step, packed[n / kAtOnce][n % kAtOnce]);
    }
    if constexpr (kShares)
      if (share.has_scale()) *destination.scale() = rule.scale;
    if (!is_speaker) return;
  }
  if (quantise.record == nullptr) return;
  if (is_speaker)
    record_corruption(quantise.record, quantise.placement.num_rows, quantise.placement.num_requests - 1, -1,
                      lost_rows_of<kNarrow>(quantise.placement));
  if (is_served || turn.within != 0) return;
  if constexpr (kNarrow) {
    record_corruption(quantise.record, static_cast<int64_t>(turn.row), seen.request, found ? seen.page : Int{-1},
                      way.corruption(seen));
  } else {
    const Seen all = way.all_of(seen, found);
    record_corruption(quantise.record, static_cast<int64_t>(turn.row), all.request, all.page,
                      corruption_of(quantise.placement, kPlaced, static_cast<int64_t>(turn.row), all));
  }
}

#endif  // defined(__CUDACC__)

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_KERNEL_H_
