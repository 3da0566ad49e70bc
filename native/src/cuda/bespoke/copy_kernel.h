// The kernel that copies rows. A thread copies one vector of key and one of value, adjacent threads adjacent vectors,
// across heads and rows: few heads put several rows in a block, many rows several blocks to a row. Where kEach is 2 it
// may copy two of each, from both halves of a head's row: that has as many vectors then, below, as a half of it has.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_COPY_KERNEL_H_
#define BARACUDA_SRC_CUDA_BESPOKE_COPY_KERNEL_H_

#include <cstdint>
#include <type_traits>

#include "append/append.h"
#include "cuda/bespoke/placing.h"
#include "cuda/bespoke/reading.h"
#include "cuda/bespoke/record.h"
#include "cuda/bespoke/search.h"
#include "cuda/bespoke/vector.h"
#include "cuda/bespoke/width.h"
#include "cuda/device_code.h"
#include "cuda/stream_order.h"
#include "place/divisor.h"
#include "place/place.h"

// Not an unnamed namespace: nvcc names the symbols of one after the folder that the source is in, in the machine code
// too, and two builds would not be the same bytes.
namespace baracuda::cuda::bespoke {

constexpr uint32_t kThreads = 128;

// From one token of key or value to the next, and head, in vectors. A head's are less the vectors of a row: what is
// added to them counts the vectors of a token.
template <typename Size>
struct Strides {
  typename Size::Offset token;
  typename Size::Offset head;
};

// From one page, slot and head of the cache to the next.
template <typename Size>
struct CacheStrides {
  typename Size::Offset page;
  typename Size::Offset slot;
  typename Size::Offset head;
};

// `kAlike`: both parts are there, with the same strides and widths, which strides[0] says. What is looked at first
// comes first: a thread waits for every 64 bytes of a kernel's argument that it is the first to look at.
template <typename Vector, typename Size, bool kAlike>
struct Copy {
  static constexpr int kParts = kAlike ? 1 : kMaxParts;

  typename Size::Index vectors;
  Divisor<typename Size::Index> token_vectors;  // of the wider part
  Quotient<typename Size::Index> row_vectors;
  Strides<Size> strides[kParts];
  Placement placement;
  const Pointed<Vector>* rows[kMaxParts];
  CacheStrides<Size> cache_strides[kParts];
  Pointed<Vector>* caches[kMaxParts];
  uint32_t vector_bytes;
  typename Size::Index apart;         // from the first of a thread's two vectors to the second; 0 where it has one
  typename Size::Index most_vectors;  // of a row: what row_vectors divides by
  typename Size::Index part_vectors[kParts];  // of a row; 0 where there is no such part
  baracuda_error_record* record;
};

// Blocks of 128 threads that a multiprocessor may hold.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ == 750
constexpr int kMostBlocks = 8;
#elif defined(__CUDA_ARCH__) && \
    (__CUDA_ARCH__ / 10 == 86 || __CUDA_ARCH__ / 10 == 87 || __CUDA_ARCH__ / 10 == 89 || __CUDA_ARCH__ >= 1200)
constexpr int kMostBlocks = 12;
#else
constexpr int kMostBlocks = 16;
#endif

// And that it is to hold of a kernel: left to itself ptxas gives positions so many registers that it holds fewer, and
// has ragged rows asked for late, where it finds that there are too few. 0: left to itself.
template <bool kAlike, bool kNarrow, int kPlacing>
constexpr int least_blocks() {
  if (!kAlike || !kNarrow) return 0;
  if (kPlacing == static_cast<int>(Placing::kPositions)) return kMostBlocks;
  return kPlacing == static_cast<int>(Placing::kRagged) ? kMostBlocks / 2 : 0;
}

// Vectors of each part that a kernel's threads may have: two, where finding the rows' requests is much of the work.
template <bool kAlike, bool kNarrow, int kPlacing>
constexpr int kEach = kAlike && kNarrow && kPlacing == static_cast<int>(Placing::kRagged) ? 2 : 1;

// `kPlacing`: the append's Placing, or kAnyPlacing. `kNarrow`: is_narrow() of its placement.
template <typename Vector, typename Size, bool kAlike, bool kNarrow, int kPlacing>
__global__ void __launch_bounds__(kThreads, least_blocks<kAlike, kNarrow, kPlacing>())
    // NOLINTNEXTLINE(readability-avoid-const-params-in-decls)
    append_kernel(const __grid_constant__ Copy<Vector, Size, kAlike> copy);

#if defined(__CUDACC__)

template <typename Vector, typename Size, bool kAlike, bool kNarrow, int kPlacing>
__global__ void __launch_bounds__(kThreads, least_blocks<kAlike, kNarrow, kPlacing>())
    append_kernel(const __grid_constant__ Copy<Vector, Size, kAlike> copy) {
  using Index = typename Size::Index;
  using Offset = typename Size::Offset;
  const Placing placing = kPlacing == kAnyPlacing ? copy.placement.placing : static_cast<Placing>(kPlacing);
  const Index thread = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x;
  // Where the threads of a warp read together, those that are too many look on.
  const bool looks_on = thread >= copy.vectors;
  const bool is_one_of_many = reads_in_warp(placing);
  if (!is_one_of_many && looks_on) return;
  const Index i = is_one_of_many && looks_on ? copy.vectors - 1 : thread;
  const Index row = copy.token_vectors.divide(i);
  const Index within = i - row * copy.token_vectors.divisor;
  const Index head = copy.row_vectors.divide(within);
  const auto nth = [](int part) { return kAlike ? 0 : part; };
  const auto has = [&](int part) { return kAlike || within - head * copy.most_vectors < copy.part_vectors[nth(part)]; };

  using Int = std::conditional_t<kNarrow, int32_t, int64_t>;
  const auto row_of = [&](Index of) { return static_cast<Int>(copy.token_vectors.divide(min(of, copy.vectors - 1))); };
  const Index first_thread = thread - thread % kWarp;
  const auto its_row = static_cast<Int>(row);
  wait_for_stream();
  constexpr int kNumEach = kEach<kAlike, kNarrow, kPlacing>;
  Reading<kNarrow, Int, kNarrow, 2 * kNumEach> reading;
  reading.start(copy.placement, placing, {row_of(first_thread), row_of(first_thread + kWarp - 1)}, its_row,
                copy.vectors <= kFewThreads);
  const auto has_nth = [&](int part, int each) { return each == 0 ? has(part) : copy.apart != 0; };
  Held<Vector> vectors[kMaxParts][kNumEach];
  for (int part = 0; part < kMaxParts; ++part) {
    const Strides<Size>& strides = copy.strides[nth(part)];
    const Index from = row * strides.token + head * strides.head + within;
#pragma unroll
    for (int each = 0; each < kNumEach; ++each)
      load_vector_if<Vector>(
          has_nth(part, each),
          vector_at<Vector>(copy.rows[part], static_cast<Offset>(from + each * copy.apart), copy.vector_bytes),
          copy.vector_bytes, &vectors[part][each]);
  }

  SeenOf<Int> seen;
  bool served = false;
  reading.find_page(copy.placement, placing, its_row, &seen, [&](bool found) {
    served = all(found, is_place(copy.placement, seen));
    for (int part = 0; part < kMaxParts; ++part) {
      const CacheStrides<Size>& strides = copy.cache_strides[nth(part)];
      const Index in_page = static_cast<Index>(seen.slot) * strides.slot + head * strides.head + within;
      const int64_t to = int64_t{static_cast<Offset>(seen.page)} * strides.page + static_cast<Offset>(in_page);
#pragma unroll
      for (int each = 0; each < kNumEach; ++each)
        store_vector_if<Vector>(
            served && !looks_on && has_nth(part, each),
            vector_at<Vector>(copy.caches[part], to + int64_t{each} * copy.apart, copy.vector_bytes), copy.vector_bytes,
            vectors[part][each]);
    }
  });
  // One thread says what is wrong with the append as a whole.
  const bool is_speaker = placing == Placing::kRagged && thread == 0;
  if (looks_on || (served && !is_speaker)) return;
  if (copy.record == nullptr) return;
  if (is_speaker)
    record_corruption(copy.record, copy.placement.num_rows, copy.placement.num_requests - 1, -1,
                      lost_rows_of<kNarrow>(copy.placement));
  if (!served && within == 0)
    record_corruption(copy.record, static_cast<int64_t>(row), seen.request, seen.page,
                      reading.corruption(copy.placement, placing, its_row, seen));
}

#endif  // defined(__CUDACC__)

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_COPY_KERNEL_H_
