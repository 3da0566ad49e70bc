// What a kernel that quantises is given, and which of it is a thread's turn.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_TURN_H_
#define BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_TURN_H_

#include <cstdint>

#include "append/append.h"
#include "cuda/bespoke/quantise/source.h"
#include "cuda/bespoke/ragged.h"
#include "place/divisor.h"
#include "place/place.h"

namespace baracuda::cuda::bespoke {

constexpr uint32_t kQuantisingThreads = 128;

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

// Finds the row's entry of the page table and reads which page it names, to be judged when it is there. Every thread of the
// warp calls it where the append is RAGGED.
template <bool kNarrow, typename Int>
__device__ __forceinline__ bool find_page(const Placement& placement, Placing placing, int64_t row, SeenOf<Int>* seen) {
  RowsOf<Int> rows;
  if (placing == Placing::kRagged) read_rows_in_warp<kNarrow>(placement, row, seen, &rows);
  const bool found = find_entry<kNarrow>(placement, placing, row, rows, seen);
  if (found) load_page<kNarrow>(placement, placing, seen);
  return found;
}

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_QUANTISE_TURN_H_
