// The copy of pages: guarded, over any strides, all of a call in one launch. Some adjacent lanes copy a chunk of a
// page's part: each a few vectors, which lie as many vectors apart as there are lanes. Small pages share a block, large
// ones have many. A thread reads the ids of its pages once, and waits for them once: that is all that it does more than
// a plain copy.
#include "cuda/pages/kernels.h"

#include <cstdint>
#include <cstdlib>

#include "base/saturating.h"
#include "cuda/bespoke/record.h"  // IWYU pragma: keep
#include "cuda/bespoke/vector.h"  // IWYU pragma: keep
#include "cuda/device_code.h"
#include "cuda/kernel.h"
#include "cuda/stream_order.h"  // IWYU pragma: keep
#include "pages/pairs.h"
#include "place/divisor.h"

extern "C" const unsigned char kernels_of_cuda_pages_kernels[];  // NOLINT(readability-identifier-naming)

namespace baracuda::cuda::pages {

constexpr uint32_t kThreads = 128;

// Not an unnamed namespace: nvcc names the symbols of one after the folder that the source is in.
// NOLINTBEGIN(misc-use-internal-linkage)

// From run to run of a page, in vectors.
template <typename Index>
struct Dimension {
  Divisor<Index> extent;
  int64_t from_stride;
  int64_t to_stride;
};

// Where the vectors of a part of a page are, but for a part that lies side by side at both ends.
template <typename Index, bool kOneRun>
struct Runs {
  Divisor<Index> run_vectors;
  int32_t num_dimensions;
  Dimension<Index> dimensions[kMaxPageRank];  // the outermost first
};

template <typename Index>
struct Runs<Index, true> {};

template <typename Vector, typename Index, bool kOneRun>
struct Part {
  const Pointed<Vector>* from;
  Pointed<Vector>* to;
  int64_t from_page_stride;  // in vectors
  int64_t to_page_stride;
  Index vectors;
  Runs<Index, kOneRun> runs;
};

// `Index` counts the vectors of a call; a 32-bit one divides by multiplying.
template <typename Vector, typename Index, bool kOneRun>
struct Copy {
  Index chunks;  // of all pages
  Divisor<Index> page_chunks;
  Index first_part_chunks;  // of a page; those of the second part come behind
  uint32_t log2_lanes;
  uint32_t vector_bytes;
  Pairs pairs;
  baracuda_error_record* record;
  Part<Vector, Index, kOneRun> parts[kMaxCopyParts];
};

// NOLINTEND(misc-use-internal-linkage)

// `kEach`: how many vectors a thread copies. All are loaded before the first is stored.
template <typename Vector, typename Index, bool kOneRun, int kEach>
__global__ void __launch_bounds__(kThreads)
    // NOLINTNEXTLINE(readability-avoid-const-params-in-decls)
    copy_pages_kernel(const __grid_constant__ Copy<Vector, Index, kOneRun> copy);

#if defined(__CUDACC__)

// Where a thread's first vector of a page is, as far as that is the same at both ends: its other vectors' offsets are
// from there.
template <typename Index>
__device__ __forceinline__ Index start_of(const Runs<Index, true>&, Index first) {
  return first;
}

template <typename Index>
__device__ __forceinline__ Index start_of(const Runs<Index, false>&, Index) {
  return 0;
}

// Of a vector.
struct Offsets {
  int64_t from;
  int64_t to;
};

// Of a thread's vectors: the first, and each behind it by so many more.
template <typename Index, int kEach>
__device__ __forceinline__ void find_offsets(const Runs<Index, true>&, Index, Index step, Offsets (&offsets)[kEach]) {
  for (int each = 0; each < kEach; ++each)
    offsets[each] = {static_cast<int64_t>(each * step), static_cast<int64_t>(each * step)};
}

template <typename Index, int kEach>
__device__ __forceinline__ void find_offsets(const Runs<Index, false>& runs, Index first, Index step,
                                             Offsets (&offsets)[kEach]) {
  Index places[kEach];
  for (int each = 0; each < kEach; ++each) {
    const Index vector = first + each * step;
    places[each] = runs.run_vectors.divide(vector);
    const auto in_run = static_cast<int64_t>(vector - places[each] * runs.run_vectors.divisor);
    offsets[each] = {in_run, in_run};
  }
#pragma unroll 1
  for (int i = runs.num_dimensions - 1; i >= 0; --i) {
    const Dimension<Index>& dimension = runs.dimensions[i];
    for (int each = 0; each < kEach; ++each) {
      const Index outer = dimension.extent.divide(places[each]);
      const auto nth = static_cast<int64_t>(places[each] - outer * dimension.extent.divisor);
      offsets[each].from += nth * dimension.from_stride;
      offsets[each].to += nth * dimension.to_stride;
      places[each] = outer;
    }
  }
}

// An entry of a list as it is loaded: nothing is made of it, or the thread would wait before it loads the next.
struct Entry {
  uint32_t low;
  uint32_t high;
};

__device__ __forceinline__ Entry load_entry(const PageList& list, int64_t i) {
  Entry entry;
  const char* const at = static_cast<const char*>(list.ids) + (i << (list.is_wide ? 3 : 2));
  load_list_if(list.ids != nullptr, at, &entry.low);
  load_list_if(list.ids != nullptr && list.is_wide, at + sizeof(uint32_t), &entry.high);
  return entry;
}

// Without a branch, which would wait for what only one side of it needs.
__device__ __forceinline__ int64_t id_of(const PageList& list, const Entry& entry, int64_t i) {
  const int32_t sign = static_cast<int32_t>(entry.low) >> 31;
  const uint32_t high = list.is_wide ? entry.high : static_cast<uint32_t>(sign);
  const auto id = static_cast<int64_t>(static_cast<uint64_t>(high) << 32 | entry.low);
  return list.ids == nullptr ? i : id;
}

template <typename Vector, typename Index, bool kOneRun, int kEach>
__global__ void __launch_bounds__(kThreads)
    copy_pages_kernel(const __grid_constant__ Copy<Vector, Index, kOneRun> copy) {
  const Index thread = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x;
  const uint32_t log2_lanes = kEach == 1 ? 0 : copy.log2_lanes;
  const Index lanes = Index{1} << log2_lanes;
  Index chunk = thread >> log2_lanes;
  const bool is_mine = chunk < copy.chunks;  // those that are too many look on
  const Index page = copy.page_chunks.divide(is_mine ? chunk : 0);
  const auto pair_number = static_cast<int64_t>(page);
  wait_for_stream();
  const Entry source = load_entry(copy.pairs.source, pair_number);
  const Entry destination = load_entry(copy.pairs.destination, pair_number);
  chunk -= page * copy.page_chunks.divisor;
  const bool is_second = chunk >= copy.first_part_chunks;
  const Part<Vector, Index, kOneRun>& part = copy.parts[is_second ? 1 : 0];
  if (is_second) chunk -= copy.first_part_chunks;
  const Index first = (chunk << log2_lanes) * kEach + (thread & (lanes - 1));
  Offsets offsets[kEach];
  find_offsets(part.runs, first, lanes, offsets);
  const Index vectors_left = both(is_mine, first < part.vectors) ? part.vectors - first : 0;
  const Index start = start_of(part.runs, first);
  Pair pair;
  pair.from = id_of(copy.pairs.source, source, pair_number);
  const bool is_read = is_there(copy.pairs, copy.pairs.source, pair.from);
  // Ids that are there have 32 bits.
  const auto* const from = vector_at<Vector>(
      part.from, static_cast<int64_t>(start) + static_cast<uint32_t>(pair.from) * part.from_page_stride,
      copy.vector_bytes);
  Held<Vector> vectors[kEach];
  for (int each = 0; each < kEach; ++each)
    load_vector_if<Vector, Reads::kOnce>(both(is_read, each * lanes < vectors_left),
                                         vector_at<Vector>(from, offsets[each].from, copy.vector_bytes),
                                         copy.vector_bytes, &vectors[each]);
  pair.to = id_of(copy.pairs.destination, destination, pair_number);
  const bool is_written = is_served(copy.pairs, pair);
  auto* const to = vector_at<Vector>(
      part.to, static_cast<int64_t>(start) + static_cast<uint32_t>(pair.to) * part.to_page_stride, copy.vector_bytes);
  for (int each = 0; each < kEach; ++each)
    store_vector_if<Vector>(both(is_written, each * lanes < vectors_left),
                            vector_at<Vector>(to, offsets[each].to, copy.vector_bytes), copy.vector_bytes,
                            vectors[each]);
  if (is_written || !is_mine || is_second || first != 0) return;
  const Corruption found = corruption_of(copy.pairs, pair);
  record_corruption(copy.record, pair_number, -1, page_of(found), found);
}

#endif  // defined(__CUDACC__)

namespace {

Image image(kernels_of_cuda_pages_kernels, Order::kOfKernel);

constexpr int64_t kWidestVector = 16;

// 32-bit arithmetic, division too, ends here; a launch has some threads more than vectors.
constexpr int64_t kSmallEnd = (int64_t{1} << 31) - (int64_t{1} << 16);

// From here on there are threads enough if each copies many vectors: fewer wait for ids.
constexpr int64_t kManyVectors = int64_t{1} << 15;

// Vectors a thread: of a part that lies side by side at both ends, and of another, whose vectors' places take more
// registers; of few vectors, and of many.
constexpr int kFew = 2, kMany = 8;
constexpr int kFewOfRuns = 1, kManyOfRuns = 4;

// The least lanes of a chunk whose threads copy many vectors: so many load a whole line.
constexpr int64_t kLineLanes = 8;

// All that has to be a multiple of a vector, as far as divisors of 16 can tell.
uint64_t bits_of(const PagePart& part) noexcept {
  uint64_t bits = reinterpret_cast<uintptr_t>(part.from) | reinterpret_cast<uintptr_t>(part.to) |
                  static_cast<uint64_t>(part.from_page_stride) | static_cast<uint64_t>(part.to_page_stride) |
                  static_cast<uint64_t>(part.run_bytes);
  for (int i = 0; i < part.num_dimensions; ++i)
    bits |= static_cast<uint64_t>(part.dimensions[i].from_stride) | static_cast<uint64_t>(part.dimensions[i].to_stride);
  return bits;
}

// How a copy is cut into vectors.
struct Cut {
  int64_t vector_bytes;  // the widest that every run is a whole number of, at both ends
  int64_t part_vectors;  // of the larger part of a page
  int64_t vectors;       // of all pages
  bool one_run;
};

Cut cut_of(const PageCopy& copy) noexcept {
  uint64_t bits = kWidestVector;
  int64_t page_bytes = 0;
  int64_t part_bytes = 0;
  bool one_run = true;
  for (int i = 0; i < copy.num_parts; ++i) {
    bits |= bits_of(copy.parts[i]);
    const int64_t bytes = bytes_of(copy.parts[i]);
    page_bytes += bytes;
    part_bytes = bytes > part_bytes ? bytes : part_bytes;
    one_run = one_run && copy.parts[i].num_dimensions == 0;
  }
  const auto vector_bytes = static_cast<int64_t>(bits & (~bits + 1));
  return {vector_bytes, part_bytes / vector_bytes,
          saturating_signed_product(page_bytes / vector_bytes, copy.num_copies), one_run};
}

template <typename Index>
Runs<Index, true> runs_of(const PagePart&, int64_t, Runs<Index, true>) noexcept {
  return {};
}

template <typename Index>
Runs<Index, false> runs_of(const PagePart& part, int64_t vector_bytes, Runs<Index, false>) noexcept {
  const auto divisor = [](int64_t by) { return Divisor<Index>(static_cast<uint64_t>(by)); };
  Runs<Index, false> runs = {divisor(part.run_bytes / vector_bytes), part.num_dimensions, {}};
  for (int i = 0; i < part.num_dimensions; ++i)
    runs.dimensions[i] = {divisor(part.dimensions[i].extent), part.dimensions[i].from_stride / vector_bytes,
                          part.dimensions[i].to_stride / vector_bytes};
  return runs;
}

template <typename Vector, typename Index, bool kOneRun, int kEach>
struct Kernel {
  static cuda::Kernel kernel() noexcept { return kernel_in<copy_pages_kernel<Vector, Index, kOneRun, kEach>>(image); }

  // No more than a block has threads, and no more than there are chunks of vectors for.
  static uint32_t log2_lanes_of(const Cut& cut) {
    uint32_t log2_lanes = 0;
    while ((1u << log2_lanes) < kThreads && (int64_t{kEach} << (log2_lanes + 1)) <= cut.part_vectors) ++log2_lanes;
    return kEach == 1 ? 0 : log2_lanes;
  }

  static int32_t launch(const Driver& driver, const PageCopy& copy, const Cut& cut) {
    Copy<Vector, Index, kOneRun> arguments = {};
    arguments.log2_lanes = log2_lanes_of(cut);
    arguments.vector_bytes = static_cast<uint32_t>(cut.vector_bytes);
    const int64_t chunk_vectors = int64_t{kEach} << arguments.log2_lanes;
    int64_t page_chunks = 0;
    for (int i = 0; i < copy.num_parts; ++i) {
      const PagePart& part = copy.parts[i];
      const int64_t vectors = bytes_of(part) / cut.vector_bytes;
      arguments.parts[i] = {reinterpret_cast<const Pointed<Vector>*>(part.from),
                            reinterpret_cast<Pointed<Vector>*>(part.to),
                            part.from_page_stride / cut.vector_bytes,
                            part.to_page_stride / cut.vector_bytes,
                            static_cast<Index>(vectors),
                            runs_of<Index>(part, cut.vector_bytes, Runs<Index, kOneRun>())};
      page_chunks += (vectors - 1) / chunk_vectors + 1;
      if (i == 0) arguments.first_part_chunks = static_cast<Index>(page_chunks);
    }
    arguments.page_chunks = Divisor<Index>(static_cast<uint64_t>(page_chunks));
    const int64_t chunks = page_chunks * copy.num_copies;
    arguments.chunks = static_cast<Index>(chunks);
    arguments.pairs = copy.pairs;
    arguments.record = copy.record;
    const int64_t blocks = ((chunks << arguments.log2_lanes) - 1) / kThreads + 1;
    void* parameters[] = {&arguments};
    return cuda::launch(driver, kernel(), {blocks, 1, kThreads, 1}, copy.stream, parameters);
  }
};

// The kernels for most copies: vectors of 16 bytes, and small. Those for what is left are fewer, and slower.
template <bool kOneRun, int kEach>
using Usual = Kernel<uint4, uint32_t, kOneRun, kEach>;
template <typename Index>
using Unusual = Kernel<AnyVector, Index, false, 1>;

// Calls `visit` with the kernel that a copy is launched with.
template <typename Visitor>
int32_t with_kernel(const Cut& cut, Visitor visit) {
  if (cut.vectors >= kSmallEnd) return visit(Unusual<uint64_t>{});
  if (cut.vector_bytes != kWidestVector) return visit(Unusual<uint32_t>{});
  const bool many = cut.vectors >= kManyVectors && cut.part_vectors >= kMany * kLineLanes;
  if (cut.one_run) return many ? visit(Usual<true, kMany>{}) : visit(Usual<true, kFew>{});
  return many ? visit(Usual<false, kManyOfRuns>{}) : visit(Usual<false, kFewOfRuns>{});
}

template <typename... Each>
int32_t load_all(const Driver& driver, int32_t* arch) {
  int32_t status = BARACUDA_OK;
  ((status = status == BARACUDA_OK ? cuda::load(driver, Each::kernel(), arch) : status), ...);
  return status;
}

}  // namespace

int32_t launch(const Driver& driver, const PageCopy& copy) {
  const Cut cut = cut_of(copy);
  return with_kernel(cut, [&](auto kernel) { return decltype(kernel)::launch(driver, copy, cut); });
}

int32_t load(const Driver& driver, int32_t* arch) {
  return load_all<Usual<true, kFew>, Usual<true, kMany>, Usual<false, kFewOfRuns>, Usual<false, kManyOfRuns>,
                  Unusual<uint32_t>, Unusual<uint64_t>>(driver, arch);
}

}  // namespace baracuda::cuda::pages
