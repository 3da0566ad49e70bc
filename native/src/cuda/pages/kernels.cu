// The copy of pages: guarded, over any strides, all of a call in one launch. A thread copies a vector, or a few that lie
// a block apart; adjacent threads adjacent vectors, across parts and pages: small pages share a block, large ones have
// many.
#include <cstdint>
#include <cstdlib>
#include <type_traits>

#include "base/saturating.h"
#include "base/status.h"
#include "cuda/bespoke/record.h"
#include "cuda/bespoke/vector.h"
#include "cuda/device_code.h"
#include "cuda/kernel.h"
#include "cuda/pages/kernels.h"
#include "pages/pairs.h"
#include "place/divisor.h"

extern "C" const unsigned char kernels_of_cuda_pages_kernels[];

namespace baracuda::cuda::pages {

constexpr uint32_t kThreads = 128;

// From run to run of a page, in vectors.
template <typename Index>
struct Dimension {
  Divisor<Index> extent;
  int64_t from_stride;
  int64_t to_stride;
};

template <typename Vector, typename Index>
struct Part {
  const Vector* from;
  Vector* to;
  int64_t from_page_stride;  // in vectors
  int64_t to_page_stride;
  Divisor<Index> run_vectors;
  int32_t num_dimensions;
  Dimension<Index> dimensions[kMaxPageRank];  // the outermost first
};

// `Index` counts the vectors of a call; a 32-bit one divides by multiplying.
template <typename Vector, typename Index>
struct Copy {
  Index vectors;
  Divisor<Index> page_vectors;
  Index first_part_vectors;  // of a page; those of the second part come behind
  Part<Vector, Index> parts[kMaxCopyParts];
  Pairs pairs;
  baracuda_error_record* record;
};

// Where a vector of a page is, counted from the page's first bytes.
struct Offsets {
  int64_t from;
  int64_t to;
};

// `kOneRun`: the part of a page lies side by side at both ends.
template <bool kOneRun, typename Vector, typename Index>
__device__ __forceinline__ Offsets offsets_of(const Part<Vector, Index>& part, Index vector) {
  if (kOneRun) return {static_cast<int64_t>(vector), static_cast<int64_t>(vector)};
  Index place = part.run_vectors.divide(vector);
  const auto in_run = static_cast<int64_t>(vector - place * part.run_vectors.divisor);
  Offsets offsets = {in_run, in_run};
  for (int i = part.num_dimensions - 1; i >= 0; --i) {
    const Dimension<Index>& dimension = part.dimensions[i];
    const Index outer = dimension.extent.divide(place);
    const auto step = static_cast<int64_t>(place - outer * dimension.extent.divisor);
    offsets.from += step * dimension.from_stride;
    offsets.to += step * dimension.to_stride;
    place = outer;
  }
  return offsets;
}

// `kEach`: how many vectors a thread copies. The ids of all of them are read at once, and then all of their vectors.
template <typename Vector, typename Index, bool kOneRun, int kEach>
__global__ void __launch_bounds__(kThreads) copy_pages_kernel(const __grid_constant__ Copy<Vector, Index> copy);

#if defined(__CUDACC__)

template <typename Vector, typename Index, bool kOneRun, int kEach>
__global__ void __launch_bounds__(kThreads) copy_pages_kernel(const __grid_constant__ Copy<Vector, Index> copy) {
  const Index first = static_cast<Index>(blockIdx.x) * (kThreads * kEach) + threadIdx.x;
  Index pages[kEach];
  Pair pairs[kEach];
  for (int each = 0; each < kEach; ++each) {
    const Index i = first + each * kThreads;
    // Those that are too many look on.
    pages[each] = copy.page_vectors.divide(i < copy.vectors ? i : 0);
    pairs[each] = read_pair(copy.pairs, static_cast<int64_t>(pages[each]));
  }
  Vector vectors[kEach];
  Vector* to[kEach];
  bool served[kEach];
  for (int each = 0; each < kEach; ++each) {
    const Index i = first + each * kThreads;
    const Index within = i - pages[each] * copy.page_vectors.divisor;
    const bool is_second = within >= copy.first_part_vectors;
    const Part<Vector, Index>& part = copy.parts[is_second ? 1 : 0];
    const Offsets offsets = offsets_of<kOneRun>(part, is_second ? within - copy.first_part_vectors : within);
    served[each] = i < copy.vectors && is_served(copy.pairs, pairs[each]);
    to[each] = part.to + (pairs[each].to * part.to_page_stride + offsets.to);
    load_if(served[each], part.from + (pairs[each].from * part.from_page_stride + offsets.from), &vectors[each]);
  }
  for (int each = 0; each < kEach; ++each) store_if(served[each], to[each], vectors[each]);
  for (int each = 0; each < kEach; ++each) {
    const Index i = first + each * kThreads;
    if (served[each] || i >= copy.vectors || i != pages[each] * copy.page_vectors.divisor) continue;
    const Corruption found = corruption_of(copy.pairs, pairs[each]);
    record_corruption(copy.record, static_cast<int64_t>(pages[each]), -1, page_of(found), found);
  }
}

#endif  // defined(__CUDACC__)

namespace {

Image image(kernels_of_cuda_pages_kernels);

constexpr int64_t kWidestVector = 16;

// 32-bit arithmetic, division too, ends here; a launch has some threads more than vectors.
constexpr int64_t kSmallEnd = (int64_t{1} << 31) - (int64_t{1} << 16);

// From here on a thread copies several vectors: fewer threads would leave part of the GPU without any.
constexpr int64_t kManyVectors = int64_t{1} << 18;
constexpr int kSeveral = 4;

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
  int64_t page_vectors;
  int64_t vectors;  // of all pages
  bool one_run;
};

Cut cut_of(const PageCopy& copy) noexcept {
  uint64_t bits = kWidestVector;
  int64_t page_bytes = 0;
  bool one_run = true;
  for (int i = 0; i < copy.num_parts; ++i) {
    bits |= bits_of(copy.parts[i]);
    page_bytes += bytes_of(copy.parts[i]);
    one_run = one_run && copy.parts[i].num_dimensions == 0;
  }
  const auto vector_bytes = static_cast<int64_t>(bits & (~bits + 1));
  const int64_t page_vectors = page_bytes / vector_bytes;
  return {vector_bytes, page_vectors, saturating_signed_product(page_vectors, copy.num_copies), one_run};
}

template <typename Vector, typename Index>
Part<Vector, Index> part_of(const PagePart& from, int64_t vector_bytes) noexcept {
  const auto vectors = [vector_bytes](int64_t bytes) { return bytes / vector_bytes; };
  Part<Vector, Index> part = {reinterpret_cast<const Vector*>(from.from),
                              reinterpret_cast<Vector*>(from.to),
                              vectors(from.from_page_stride),
                              vectors(from.to_page_stride),
                              Divisor<Index>(static_cast<uint64_t>(vectors(from.run_bytes))),
                              from.num_dimensions,
                              {}};
  for (int i = 0; i < from.num_dimensions; ++i)
    part.dimensions[i] = {Divisor<Index>(static_cast<uint64_t>(from.dimensions[i].extent)),
                          vectors(from.dimensions[i].from_stride), vectors(from.dimensions[i].to_stride)};
  return part;
}

template <typename Vector, typename Index, bool kOneRun, int kEach>
struct Kernel {
  static cuda::Kernel kernel() noexcept { return kernel_in<copy_pages_kernel<Vector, Index, kOneRun, kEach>>(image); }

  static int32_t launch(const Driver& driver, const PageCopy& copy, const Cut& cut) {
    Copy<Vector, Index> arguments = {};
    arguments.vectors = static_cast<Index>(cut.vectors);
    arguments.page_vectors = Divisor<Index>(static_cast<uint64_t>(cut.page_vectors));
    arguments.first_part_vectors = static_cast<Index>(bytes_of(copy.parts[0]) / cut.vector_bytes);
    for (int i = 0; i < copy.num_parts; ++i)
      arguments.parts[i] = part_of<Vector, Index>(copy.parts[i], cut.vector_bytes);
    arguments.pairs = copy.pairs;
    arguments.record = copy.record;
    const int64_t blocks = (cut.vectors - 1) / (int64_t{kThreads} * kEach) + 1;
    void* parameters[] = {&arguments};
    return cuda::launch(driver, kernel(), {blocks, 1, kThreads, 1}, copy.stream, parameters);
  }
};

// The kernels for most copies: vectors of 16 bytes, and small. Those for what is left are fewer, and slower.
template <bool kOneRun, int kEach>
using Usual = Kernel<uint4, uint32_t, kOneRun, kEach>;
template <typename Vector, typename Index>
using Unusual = Kernel<Vector, Index, false, 1>;

// Calls `visit` with the kernel that a copy is launched with.
template <typename Visitor>
int32_t with_kernel(const Cut& cut, Visitor visit) {
  const bool small = cut.vectors < kSmallEnd;
  if (small && cut.vector_bytes == kWidestVector) {
    const bool many = cut.vectors >= kManyVectors;
    if (cut.one_run) return many ? visit(Usual<true, kSeveral>{}) : visit(Usual<true, 1>{});
    return many ? visit(Usual<false, kSeveral>{}) : visit(Usual<false, 1>{});
  }
  const auto sized = [&](auto vector) {
    using Vector = decltype(vector);
    return small ? visit(Unusual<Vector, uint32_t>{}) : visit(Unusual<Vector, uint64_t>{});
  };
  switch (cut.vector_bytes) {
    case 1:
      return sized(uint8_t{});
    case 2:
      return sized(uint16_t{});
    case 4:
      return sized(uint32_t{});
    case 8:
      return sized(uint2{});
    case 16:
      return visit(Unusual<uint4, uint64_t>{});
  }
  return no_kernel();
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
  return load_all<Usual<true, 1>, Usual<true, kSeveral>, Usual<false, 1>, Usual<false, kSeveral>,
                  Unusual<uint4, uint64_t>, Unusual<uint2, uint32_t>, Unusual<uint2, uint64_t>,
                  Unusual<uint32_t, uint32_t>, Unusual<uint32_t, uint64_t>, Unusual<uint16_t, uint32_t>,
                  Unusual<uint16_t, uint64_t>, Unusual<uint8_t, uint32_t>, Unusual<uint8_t, uint64_t>>(driver, arch);
}

}  // namespace baracuda::cuda::pages
