// What a kernel that quantises is given, and which of it is a thread's turn.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_TURN_H_
#define BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_TURN_H_

#include <cstdint>

#include "append/append.h"
#include "cuda/bespoke/quantise/source.h"
#include "cuda/bespoke/reading.h"
#include "cuda/bespoke/width.h"
#include "place/divisor.h"
#include "place/place.h"

namespace baracuda::cuda::bespoke {

constexpr uint32_t kQuantisingThreads = 128;

// That a thread of a usual kernel may have, where there are many rows.
constexpr int kMostUnits = 4;

// Offsets are in steps that whoever makes it states.
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
  typename Size::Offset scale_head;
  unsigned char* scales;
  typename Size::Offset scales_page;
  typename Size::Offset scales_slot;
  typename Size::Offset scales_head;
};

// What of a usual kernel's part is asked for first, and the rest.
struct QuantisedRows {
  const unsigned char* data;
  const unsigned char* scale;
  Small::Offset token;
  Small::Offset head;
  Small::Offset scale_head;
  int32_t units;
};
struct QuantisedCache {
  unsigned char* data;
  Small::Offset page;
  Small::Offset slot;
  Small::Offset head;
  Small::Offset scales_page;
  Small::Offset scales_slot;
  Small::Offset scales_head;
  unsigned char* scales;
};

template <typename Size>
struct QuantisingThreads {
  typename Size::Index threads;
  Divisor<typename Size::Index> token_threads;
  Divisor<typename Size::Index> head_threads;
  int32_t sharing;  // threads that share a scale
  int32_t units;    // of a thread of a usual kernel
  bool at_once;     // every address keeps to whole units and packs
  Types types;
};

// And the parts, and what leads to their places.
template <typename Size>
struct PlacedParts : QuantisingThreads<Size> {
  QuantisedPart<Size> parts[kMaxParts];
  Placement placement;

  void set(int part, const QuantisedPart<Size>& its) { parts[part] = its; }
};

// A thread waits for every 256 bytes of a kernel's argument that it is the first to look at: what is asked for first is
// in the first ones.
template <>
struct PlacedParts<Small> : QuantisingThreads<Small> {
  QuantisedRows rows[kMaxParts];
  Placement placement;
  QuantisedCache caches[kMaxParts];

  void set(int part, const QuantisedPart<Small>& its) {
    rows[part] = {its.rows, its.scale, its.token, its.head, its.scale_head, its.units};
    caches[part] = {its.cache,       its.page,        its.slot,        its.cache_head,
                    its.scales_page, its.scales_slot, its.scales_head, its.scales};
  }
};

// A kernel's argument.
template <typename Size>
struct Quantise : PlacedParts<Size> {
  baracuda_error_record* record;
};

template <typename Size>
struct Turn {
  typename Size::Index row;
  typename Size::Index within;  // the token's threads
  typename Size::Index head;
  int32_t first;  // unit of the head's row
};

template <typename Size>
__device__ __forceinline__ Turn<Size> turn_of(const Quantise<Size>& quantise, typename Size::Index thread) {
  Turn<Size> turn;
  turn.row = quantise.token_threads.divide(thread);
  turn.within = thread - turn.row * quantise.token_threads.divisor;
  turn.head = quantise.head_threads.divide(turn.within);
  turn.first = static_cast<int32_t>(turn.within - turn.head * quantise.head_threads.divisor);
  return turn;
}

// The row of a thread's turn, on the way to its place. Every thread of the warp reads where reads_in_warp().
template <bool kNarrow, typename Int, typename Size>
class Way {
 public:
  __device__ __forceinline__ Way(const Quantise<Size>& quantise, Placing placing, typename Size::Index row)
      : placement_(quantise.placement), placing_(placing), row_(static_cast<Int>(row)) {}

  // Starts reading; other reads may follow.
  __device__ __forceinline__ void start(const Quantise<Size>& quantise, typename Size::Index thread) {
    using Index = typename Size::Index;
    const auto row_of = [&](Index of) {
      return static_cast<Int>(quantise.token_threads.divide(of < quantise.threads ? of : quantise.threads - 1));
    };
    const Index first = thread - thread % kWarp;
    reading_.start(placement_, placing_, {row_of(first), row_of(first + kWarp - 1)}, row_, true);
  }

  // Finds the row's entry of the page table and reads which page it names, to be judged when it is there.
  __device__ __forceinline__ bool find_page(SeenOf<Int>* seen) {
    if (kTakesAnySlot && placing_ == Placing::kSlots) {
      slot_ = read_index<false>(placement_, kTargets, int64_t{row_});
      seen->request = -1;
      seen->target = slot_ == static_cast<int32_t>(slot_) ? static_cast<Int>(slot_) : -1;
    } else {
      reading_.finish(placement_, placing_, row_, seen);
    }
    return load_found(seen);
  }

  // The same of a row of which that was read.
  __device__ __forceinline__ bool load_found(SeenOf<Int>* seen) const {
    const bool found = find_entry(placement_, placing_, row_, seen);
    if (found) load_page<kNarrow>(placement_, placing_, seen);
    return found;
  }

  // All that was seen.
  __device__ __forceinline__ Seen all_of(const SeenOf<Int>& seen) const {
    Seen all = widened(seen);
    if (kTakesAnySlot && placing_ == Placing::kSlots) all.target = slot_;
    return all;
  }

 private:
  // Slots of int64 too, of which a cache has no more than an int32 counts: others are as good as none.
  static constexpr bool kTakesAnySlot = kNarrow;

  const Placement& placement_;
  const Placing placing_;
  const Int row_;
  int64_t slot_;
  Reading<kNarrow, Int, false> reading_;
};

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_TURN_H_
