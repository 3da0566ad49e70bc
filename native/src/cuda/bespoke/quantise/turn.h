// What a kernel that quantises is given, and which of it is a thread's turn.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_TURN_H_
#define BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_TURN_H_

#include <cstdint>
#include <type_traits>

#include "append/append.h"
#include "cuda/bespoke/quantise/source.h"
#include "cuda/bespoke/reading.h"
#include "cuda/bespoke/search.h"
#include "cuda/bespoke/vector.h"
#include "cuda/bespoke/width.h"
#include "place/divisor.h"
#include "place/entry.h"
#include "place/place.h"

namespace baracuda::cuda::bespoke {

constexpr uint32_t kQuantisingThreads = 128;

// That a thread of a usual kernel has where there are many rows, and where there are not.
constexpr int kMostUnits = 4;
constexpr int kFewUnits = 2;

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

// Of what a kernel is given, much is read again where it is needed, and waited for. A sum is kept: with 0, which the
// compiler cannot know it to be.
__device__ __forceinline__ int32_t kept(int32_t number, const Turn<Small>& turn) {
  return held(number + static_cast<int32_t>(turn.row >> 31));
}

// What a thread of a usual kernel needs of it once its units are there.
struct Known {
  Types types;
  int32_t units;    // of a thread
  int32_t sharing;  // threads that share a scale
};

__device__ __forceinline__ Known known_of(const Quantise<Small>& quantise) {
  return {quantise.types, quantise.units, quantise.sharing};
}

// The same, kept, as what threads have in common: they branch by it together.
__device__ __forceinline__ Known kept_of(const Quantise<Small>& quantise) {
  const auto keep = [&](int32_t number) { return held(number + (quantise.sharing >> 31)); };
  Known known = known_of(quantise);
  known.types.is_bf16 = keep(known.types.is_bf16 ? 1 : 0) != 0;
  known.types.is_second = keep(known.types.is_second ? 1 : 0) != 0;
  known.units = keep(known.units);
  known.sharing = keep(known.sharing);
  return known;
}

// The row of a thread's turn, on the way to its place. Every thread of the warp reads where reads_in_warp().
template <bool kNarrow, typename Int, typename Size>
class Way {
 public:
  __device__ __forceinline__ Way(const Quantise<Size>& quantise, Placing placing, typename Size::Index row)
      : placement_(quantise.placement),
        placing_(placing),
        row_(static_cast<Int>(row)),
        page_bytes_(entry_bytes(placement_, kPages) + static_cast<uint32_t>(row >> 31)) {}

  // Reads all that has to be read of the row before its entry of the page table is found; by LAST_PAGE and SLOTS.
  __device__ __forceinline__ void read(SeenOf<Int>* seen) {
    if (kTakesAnySlot && placing_ == Placing::kSlots)
      read_slot();
    else if constexpr (kReadsNumbers)
      read_token<kNarrow>(placement_, placing_, Int{0}, row_, seen);
    else
      read_token<kNarrow>(placement_, placing_, Int{0}, row_, &read_);
  }

  // Keeps what a slot is judged by in registers, before the slot is there; by SLOTS.
  __device__ __forceinline__ void hold(const Turn<Size>& turn) {
    held_.per_page.multiplier = static_cast<uint32_t>(kept(static_cast<int32_t>(placement_.per_page.multiplier), turn));
    held_.per_page.shift = static_cast<uint32_t>(kept(static_cast<int32_t>(placement_.per_page.shift), turn));
    held_.per_page.divisor = static_cast<uint32_t>(kept(placement_.page_size(), turn));
    held_.num_pages = kept(placement_.num_pages, turn);
    const int64_t skipped = placement_.skip_slot;
    skipped_ = kept(skipped >> 31 == 0 ? static_cast<int32_t>(skipped) : -1, turn);
  }

  // So that the compiler does not know of what was read that it was read.
  __device__ __forceinline__ void forget(SeenOf<Int>* seen) {
    low_ = high_ = 0;
    *seen = {};
    read_ = {};
  }

  // The same by other ways: starts reading; other reads may follow.
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
    if constexpr (kReadsNumbers) {
      return reading_.find_page(placement_, placing_, row_, seen, [](bool) {});
    } else {
      reading_.finish(placement_, placing_, row_, seen);
      return find_page_soon(seen);
    }
  }

  // The same of a row of which that was read. `is_held`: what a slot is judged by was kept.
  __device__ __forceinline__ bool find_page_of(SeenOf<Int>* seen, bool is_held) {
    if constexpr (kReadsNumbers) {
      return find_page_now(seen, is_held);
    } else {
      *seen = numbers_of(placement_, placing_, read_);
      return find_page_soon(seen);
    }
  }

  // When the page is wanted.
  __device__ __forceinline__ void take_page(SeenOf<Int>* seen) const {
    if constexpr (!kReadsNumbers) reading_.take_page(placement_, seen);
  }

  // All that was seen of a row that is not served. `found`: an entry of the page table.
  __device__ __forceinline__ Seen all_of(const SeenOf<Int>& seen, bool found) const {
    return reading_.all_of(placement_, placing_, row_, found, seen);
  }

  // Why there was no place for the row, of which that was seen.
  __device__ __forceinline__ Corruption corruption(const SeenOf<Int>& seen) const {
    if (!kTakesAnySlot || placing_ != Placing::kSlots) return reading_.corruption(placement_, placing_, row_, seen);
    Seen all = widened(seen);
    all.target = slot();
    return corruption_of(placement_, placing_, static_cast<int64_t>(row_), all);
  }

 private:
  // Slots of int64 too, of which a cache has no more than an int32 counts: others are as good as none.
  static constexpr bool kTakesAnySlot = kNarrow;

  using Read = ReadAs<kNarrow, Int>;
  static constexpr bool kReadsNumbers = std::is_same_v<Read, Int>;

  __device__ __forceinline__ bool find_page_now(SeenOf<Int>* seen, bool is_held) {
    if (kTakesAnySlot && placing_ == Placing::kSlots) {
      seen->request = -1;
      seen->target = high_ == 0 ? static_cast<Int>(low_) : -1;
      held_.skip_slot = skipped_;  // here, where the compiler sees that both are of 32 bits
      const Placement& placement = is_held ? held_ : placement_;
      locate_slot(placement, seen);
      seen->page = seen->entry;
      return all(is_slot(placement, *seen), seen->entry < placement.num_pages);
    }
    const bool found = find_entry(placement_, placing_, row_, seen);
    if (kNarrow && placing_ == Placing::kLastPage)
      seen->page = read_now_if(found, static_cast<const int32_t*>(placement_.operands[kPages]) + seen->entry, -1);
    else if (found)
      load_page<kNarrow>(placement_, placing_, seen);
    return found;
  }

  __device__ __forceinline__ bool find_page_soon(SeenOf<Int>* seen) {
    const bool found = find_entry(placement_, placing_, row_, seen);
    reading_.read_page(placement_, placing_, found, page_bytes_, *seen);
    return found;
  }

  __device__ __forceinline__ bool has_wide_slots() const { return is_wide(placement_, kTargets); }

  // Both halves, since nothing is to be made of them before rows are asked for.
  __device__ __forceinline__ void read_slot() {
    const uint32_t entry = static_cast<uint32_t>(row_) * (has_wide_slots() ? 2u : 1u);
    const auto* const from = static_cast<const int32_t*>(placement_.operands[kTargets]) + entry;
    low_ = read_now(from);
    high_ = read_now_if(has_wide_slots(), from + 1, 0);
  }
  __device__ __forceinline__ int64_t slot() const {
    return has_wide_slots() ? int64_t{high_} * (int64_t{1} << 32) + static_cast<uint32_t>(low_) : low_;
  }

  const Placement& placement_;
  const Placing placing_;
  const Int row_;
  // A sum is kept: with 0, which the compiler cannot know it to be.
  const uint32_t page_bytes_;
  SeenOf<Read> read_;
  int32_t low_;
  int32_t high_;
  Placement held_;   // of SLOTS, and of it what a slot is judged by
  int32_t skipped_;  // -1 where it is no slot of an int32
  Reading<kNarrow, Int, false> reading_;
};

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_TURN_H_
