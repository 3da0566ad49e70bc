// A thread's share of an append in the kernels for usual ones: some units of a head's row of one part, where they come
// from and where they go. Offsets count units of a source, packs of a cache, and scales.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_SHARE_H_
#define BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_SHARE_H_

#include <cstdint>

#include "append/append.h"
#include "cuda/bespoke/quantise/rule.h"
#include "cuda/bespoke/quantise/source.h"
#include "cuda/bespoke/quantise/target.h"
#include "cuda/bespoke/quantise/turn.h"
#include "cuda/bespoke/vector.h"
#include "cuda/bespoke/width.h"
#include "cuda/device_code.h"
#include "place/place.h"

namespace baracuda::cuda::bespoke {

// Units are quantised in rounds, of so many at once by one code: what is chosen where the kernel runs is chosen by a
// branch then, where ptxas would make a few elements' worth both ways.
constexpr int kAtOnce = kConvertsByHand ? 1 : 2;
constexpr int kRounds = kMostUnits / kAtOnce;

// Something of each unit.
template <typename Each>
using OfUnits = Each[kRounds][kAtOnce];

template <typename Source, typename Rule>
struct Share {
  using Offset = Small::Offset;

  static constexpr bool kShares = Rule::kSharing != kNone;
  static constexpr bool kIsTile = Rule::kSharing > 0;

  const Quantise<Small>& quantise;
  const QuantisedRows& rows;
  const Turn<Small>& turn;
  int32_t first;       // unit
  int32_t step;        // from one unit to the next: the threads that share a scale lie side by side
  int32_t last_round;  // from the first unit to the first of the last round
  int32_t reach;       // the units that are there lie below first + reach

  __device__ __forceinline__ Share(const Quantise<Small>& append, const QuantisedRows& of_part,
                                   const Turn<Small>& its_turn)
      : quantise(append), rows(of_part), turn(its_turn) {}

  // Which units they are. `is_tail`: the part is copied, a unit a thread.
  __device__ __forceinline__ void find(bool looks_on, bool is_tail) {
    first = turn.first;
    step = kept(static_cast<int32_t>(quantise.head_threads.divisor), turn);
    if (kIsTile && !is_tail) {
      step = quantise.sharing;
      first += (turn.first & -step) * (quantise.units - 1);
    }
    last_round = is_tail ? 0 : (quantise.units - kAtOnce) * step;
    const int32_t most = is_tail ? 1 : quantise.units * step;
    reach = looks_on ? 0 : min(rows.units - first, most);
  }

  // So far from the first unit.
  __device__ __forceinline__ bool is_there(int32_t offset) const { return offset < reach; }

  // Whether the thread stores a scale, and which of the row's.
  __device__ __forceinline__ bool has_scale() const {
    return reach > 0 && (kIsTile ? (turn.first & (step - 1)) == 0 : turn.first == 0);
  }
  __device__ __forceinline__ int32_t scale() const { return kIsTile ? turn.first / step : 0; }

  // In the order in which they are quantised: those of the last round first. Where units share a scale, those that are
  // not there are zeros.
  __device__ __forceinline__ void load(OfUnits<uint4>& loaded) const {
    const Offset from = static_cast<Offset>(turn.row) * rows.token + static_cast<Offset>(turn.head) * rows.head + first;
    const bool has_rows = !Rule::kHasTail || rows.data != nullptr;
#pragma unroll
    for (int round = 0; round < kRounds; ++round) {
      if (round * kAtOnce >= kFewUnits && quantise.units <= round * kAtOnce) break;
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
        const int32_t offset = last_round + (i - round * kAtOnce) * step;
        const auto* const unit = reinterpret_cast<const uint4*>(rows.data) + (from + offset);
        if constexpr (kShares)
          load_or_zero_if(is_there(offset) && has_rows, unit, &loaded[round][i]);
        else
          load_if(is_there(offset), unit, &loaded[round][i]);
      }
    }
  }

  __device__ __forceinline__ void load_given(float* given) const {
    const Offset from = static_cast<Offset>(turn.head) * rows.scale_head;
    load_shared_if(rows.scale != nullptr, reinterpret_cast<const float*>(rows.scale) + from, given);
  }
};

// Where a share goes. Made before its place is known: what is left to do then is little.
template <typename Source, typename Rule>
class Destination {
 public:
  using Packed = Pack<typename Rule::Target, kUnit<Source>>;

  __device__ __forceinline__ void start(const Share<Source, Rule>& share, const QuantisedCache& cache,
                                        const Placement& placement, bool is_tail) {
    const auto head = static_cast<Offset>(share.turn.head);
    pages_ = kept(placement.num_pages, share.turn);
    page_size_ = kept(placement.page_size(), share.turn);
    page_ = kept(cache.page, share.turn);
    slot_ = kept(cache.slot, share.turn);
    cache_ = held(cache.data + int64_t{head * cache.head + share.first} *
                                   static_cast<int64_t>(is_tail ? sizeof(uint4) : sizeof(Packed)));
    if constexpr (Share<Source, Rule>::kShares) {
      scales_page_ = kept(cache.scales_page, share.turn);
      scales_slot_ = kept(cache.scales_slot, share.turn);
      scales_ = held(cache.scales + int64_t{head * cache.scales_head + share.scale()} *
                                        static_cast<int64_t>(sizeof(typename Rule::Scale)));
    }
  }

  // In a slot, of a page that is not known yet. `found`: there is one.
  template <typename Int>
  __device__ __forceinline__ void enter(bool found, Int slot, bool is_tail) {
    pages_ = all(found, is_below(slot, page_size_)) ? pages_ : 0;
    const auto packs = static_cast<Offset>(slot) * slot_;
    cache_ += int64_t{packs} * static_cast<int64_t>(is_tail ? sizeof(uint4) : sizeof(Packed));
    if constexpr (Share<Source, Rule>::kShares) {
      const auto scales = static_cast<Offset>(slot) * scales_slot_;
      scales_ += int64_t{scales} * static_cast<int64_t>(sizeof(typename Rule::Scale));
    }
  }

  // In a page, worked out here and not where something is stored.
  template <typename Int>
  __device__ __forceinline__ void enter_page(Int page, bool is_tail) {
    const int64_t packs = wide_product(static_cast<Offset>(page), page_);
    cache_ = held(cache_ + packs * static_cast<int64_t>(is_tail ? sizeof(uint4) : sizeof(Packed)));
    if constexpr (Share<Source, Rule>::kShares) {
      const int64_t scales = wide_product(static_cast<Offset>(page), scales_page_);
      scales_ = held(scales_ + scales * static_cast<int64_t>(sizeof(typename Rule::Scale)));
    }
  }

  // Whether it is to be served there.
  template <typename Int>
  __device__ __forceinline__ bool is_in(Int page) const {
    return is_below(page, pages_);
  }

  // Of the first unit.
  template <typename Made>
  __device__ __forceinline__ Made* unit() const {
    return reinterpret_cast<Made*>(cache_);
  }

  __device__ __forceinline__ auto* scale() const { return reinterpret_cast<typename Rule::Scale*>(scales_); }

 private:
  using Offset = Small::Offset;

  int32_t pages_;  // the page's id is below
  int32_t page_size_;
  Offset page_;
  Offset slot_;
  Offset scales_page_;
  Offset scales_slot_;
  unsigned char* cache_;
  unsigned char* scales_;
};

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_SHARE_H_
