// The bespoke append: guarded, over any strides. A thread copies one vector of key and one of value, adjacent threads
// adjacent vectors, across heads and rows: few heads put several rows in a block, many rows several blocks to a row.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <type_traits>

#include "append/append.h"
#include "cuda/bespoke/ragged.h"
#include "cuda/bespoke/record.h"
#include "cuda/bespoke/vector.h"
#include "cuda/kernels.h"
#include "place/divisor.h"
#include "place/place.h"

namespace baracuda::cuda {

// Not an unnamed namespace: nvcc names the symbols of one after the folder that the source is in, in the machine code
// too, and two builds would not be the same bytes.
namespace bespoke {

constexpr uint32_t kThreads = 128;

// How wide the arithmetic of offsets is. A small one adds in 32 bits, divides by multiplying, and extends at the end; the
// product of page and page stride has 64 bits always.
struct Small {
  using Index = uint32_t;
  using Offset = int32_t;
};
struct Large {
  using Index = uint64_t;
  using Offset = int64_t;
};

// From one place to the next, in vectors. A head's are less the vectors of a row: what is added to them counts the
// vectors of a token.
template <typename Size>
struct Strides {
  typename Size::Offset token;  // in rows
  typename Size::Offset head;
  typename Size::Offset page;  // in the cache
  typename Size::Offset slot;
  typename Size::Offset cache_head;
  typename Size::Index row_vectors;  // 0 where there is no such part
};

// `kAlike`: both parts are there, with the same strides and widths, which strides[0] says.
template <typename Vector, typename Size, bool kAlike>
struct Copy {
  typename Size::Index vectors;
  Divisor<typename Size::Index> token_vectors;  // of the wider part
  Divisor<typename Size::Index> row_vectors;
  const Vector* rows[kMaxParts];
  Vector* caches[kMaxParts];
  Strides<Size> strides[kAlike ? 1 : kMaxParts];
  Placement placement;
  baracuda_error_record* record;
};

// Chosen where the kernel runs, by what the append has.
constexpr int kAnyPlacing = -1;

// `kPlacing`: the append's Placing, or kAnyPlacing. `kNarrow`: is_narrow() of its placement.
template <typename Vector, typename Size, bool kAlike, bool kNarrow, int kPlacing>
__global__ void __launch_bounds__(kThreads) append_kernel(const __grid_constant__ Copy<Vector, Size, kAlike> copy) {
  using Index = typename Size::Index;
  using Offset = typename Size::Offset;
  const Placing placing = kPlacing == kAnyPlacing ? copy.placement.placing : static_cast<Placing>(kPlacing);
  const Index thread = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x;
  // The threads of a warp look for a RAGGED row's request together: those that are too many look on.
  const bool is_one_of_many = placing == Placing::kRagged;
  if (!is_one_of_many && thread >= copy.vectors) return;
  const Index i = is_one_of_many && thread >= copy.vectors ? copy.vectors - 1 : thread;
  const Index row = copy.token_vectors.divide(i);
  const Index within = i - row * copy.token_vectors.divisor;
  const Index head = copy.row_vectors.divide(within);
  const auto strides = [&](int part) -> const Strides<Size>& { return copy.strides[kAlike ? 0 : part]; };
  const auto has = [&](int part) {
    return kAlike || within - head * copy.row_vectors.divisor < strides(part).row_vectors;
  };

  Vector vectors[kMaxParts];
  for (int part = 0; part < kMaxParts; ++part) {
    const Index from = row * strides(part).token + head * strides(part).head + within;
    load_if(has(part), copy.rows[part] + static_cast<Offset>(from), &vectors[part]);
  }
  using Int = std::conditional_t<kNarrow, int32_t, int64_t>;
  SeenOf<Int> seen;
  RowsOf<Int> rows;
  if (placing == Placing::kRagged) {
    read_rows_in_warp<kNarrow>(copy.placement, static_cast<int64_t>(row), &seen, &rows);
    if (thread >= copy.vectors) return;
    if (thread == 0)
      record_corruption(copy.record, copy.placement.num_rows, copy.placement.num_requests - 1, -1,
                        lost_rows_of<kNarrow>(copy.placement));
  }
  if (find_entry<kNarrow>(copy.placement, placing, static_cast<int64_t>(row), rows, &seen)) {
    const bool served = read_page<kNarrow>(copy.placement, placing, &seen);
    for (int part = 0; part < kMaxParts; ++part) {
      const Index in_page =
          static_cast<Index>(seen.slot) * strides(part).slot + head * strides(part).cache_head + within;
      const int64_t to = int64_t{static_cast<Offset>(seen.page)} * strides(part).page + static_cast<Offset>(in_page);
      store_if(served && has(part), copy.caches[part] + to, vectors[part]);
    }
    if (served) return;
  }
  if (within == 0)
    record_corruption(copy.record, static_cast<int64_t>(row), seen.request, seen.page,
                      corruption_of(copy.placement, placing, seen));
}

}  // namespace bespoke

namespace {

using bespoke::append_kernel;
using bespoke::Copy;
using bespoke::kAnyPlacing;
using bespoke::kThreads;
using bespoke::Large;
using bespoke::Small;
using bespoke::Strides;

constexpr int64_t kWidestVector = 16;

// 32-bit arithmetic, division too, ends here.
constexpr int64_t kSmallEnd = int64_t{1} << 31;

// How an append is cut into vectors.
struct Cut {
  int64_t vector_bytes;  // the widest that every row, in its source and in its cache, is a whole number of
  int64_t row_vectors;   // of the wider part
  int64_t vectors;       // of all rows
};

// All that has to be a multiple of a vector, as far as divisors of 16 can tell.
uint64_t bits_of(const Part& part) noexcept {
  uint64_t bits = reinterpret_cast<uintptr_t>(part.rows) | reinterpret_cast<uintptr_t>(part.cache);
  for (const int64_t bytes : {part.row_bytes, part.token_stride, part.head_stride, part.page_stride, part.slot_stride,
                              part.cache_head_stride})
    bits |= static_cast<uint64_t>(bytes);
  return bits;
}

// a * b, or the largest int64_t where that does not fit.
int64_t product(int64_t a, int64_t b) noexcept { return a != 0 && b > INT64_MAX / a ? INT64_MAX : a * b; }

Cut cut_of(const Append& append) noexcept {
  uint64_t bits = kWidestVector;
  int64_t row_bytes = 0;
  for (int i = 0; i < append.num_parts; ++i) {
    bits |= bits_of(append.parts[i]);
    row_bytes = std::max(row_bytes, append.parts[i].row_bytes);
  }
  const auto vector_bytes = static_cast<int64_t>(bits & (~bits + 1));
  const int64_t row_vectors = row_bytes / vector_bytes;
  return {vector_bytes, row_vectors, product(product(row_vectors, append.num_heads), rows_of(append))};
}

bool is_small(const Append& append, const Part& part, const Cut& cut) noexcept {
  const int64_t bytes = cut.vector_bytes;
  const auto magnitude = [bytes](int64_t stride) { return std::abs(stride / bytes); };
  for (const int64_t stride :
       {part.token_stride, part.head_stride, part.page_stride, part.slot_stride, part.cache_head_stride})
    if (magnitude(stride) >= kSmallEnd) return false;
  const int64_t heads = append.num_heads - 1;
  const int64_t in_rows = (rows_of(append) - 1) * magnitude(part.token_stride) + heads * magnitude(part.head_stride);
  const int64_t in_page =
      int64_t{append.placement.page_size - 1} * magnitude(part.slot_stride) + heads * magnitude(part.cache_head_stride);
  return in_rows < kSmallEnd - cut.row_vectors && in_page < kSmallEnd - cut.row_vectors;
}

bool is_small(const Append& append, const Cut& cut) noexcept {
  if (cut.vectors >= kSmallEnd) return false;
  for (int i = 0; i < append.num_parts; ++i)
    if (!is_small(append, append.parts[i], cut)) return false;
  return true;
}

bool has_parts_alike(const Append& append) noexcept {
  if (append.num_parts != kMaxParts) return false;
  const Part& k = append.parts[0];
  const Part& v = append.parts[1];
  return k.row_bytes == v.row_bytes && k.token_stride == v.token_stride && k.head_stride == v.head_stride &&
         have_caches_alike(k, v);
}

template <typename Size>
Strides<Size> strides_of(const Part& part, const Cut& cut) noexcept {
  using Offset = typename Size::Offset;
  const auto vectors = [&cut](int64_t bytes) { return bytes / cut.vector_bytes; };
  return {static_cast<Offset>(vectors(part.token_stride)),
          static_cast<Offset>(vectors(part.head_stride) - cut.row_vectors),
          static_cast<Offset>(vectors(part.page_stride)),
          static_cast<Offset>(vectors(part.slot_stride)),
          static_cast<Offset>(vectors(part.cache_head_stride) - cut.row_vectors),
          static_cast<typename Size::Index>(vectors(part.row_bytes))};
}

template <typename Vector, typename Size, bool kAlike, bool kNarrow, int kPlacing>
struct Kernel {
  static constexpr auto kFunction = append_kernel<Vector, Size, kAlike, kNarrow, kPlacing>;

  static cudaError_t launch(const Append& append, const Cut& cut) {
    using Index = typename Size::Index;
    Copy<Vector, Size, kAlike> copy = {
        static_cast<Index>(cut.vectors),
        Divisor<Index>(static_cast<uint64_t>(cut.row_vectors) * static_cast<uint64_t>(append.num_heads)),
        Divisor<Index>(static_cast<uint64_t>(cut.row_vectors)),
        {},
        {},
        {},
        append.placement,
        append.record};
    for (int i = 0; i < append.num_parts; ++i) {
      copy.rows[i] = reinterpret_cast<const Vector*>(append.parts[i].rows);
      copy.caches[i] = reinterpret_cast<Vector*>(append.parts[i].cache);
      if (i == 0 || !kAlike) copy.strides[i] = strides_of<Size>(append.parts[i], cut);
    }
    const int64_t blocks = (cut.vectors - 1) / kThreads + 1;
    if (blocks > INT32_MAX) return cudaErrorInvalidConfiguration;
    void* arguments[] = {&copy};
    return cudaLaunchKernel(reinterpret_cast<const void*>(kFunction), dim3(static_cast<unsigned int>(blocks)),
                            dim3(kThreads), arguments, 0, static_cast<cudaStream_t>(append.stream));
  }
};

// Calls `visit` with an append's way to a place, as an integral constant.
template <typename Visitor>
cudaError_t with_placing(Placing placing, Visitor visit) {
  switch (placing) {
    case Placing::kLastPage:
      return visit(std::integral_constant<int, static_cast<int>(Placing::kLastPage)>{});
    case Placing::kNewest:
      return visit(std::integral_constant<int, static_cast<int>(Placing::kNewest)>{});
    case Placing::kRagged:
      return visit(std::integral_constant<int, static_cast<int>(Placing::kRagged)>{});
    case Placing::kPositions:
      return visit(std::integral_constant<int, static_cast<int>(Placing::kPositions)>{});
    case Placing::kSlots:
      return visit(std::integral_constant<int, static_cast<int>(Placing::kSlots)>{});
  }
  return cudaErrorInvalidValue;
}

// The kernels for most appends: vectors of 16 bytes, and small.
template <int kPlacing, bool kAlike, bool kNarrow>
using Usual = Kernel<uint4, Small, kAlike, kNarrow, kPlacing>;

// Those for what is left are fewer, and slower.
template <typename Vector, typename Size>
using Unusual = Kernel<Vector, Size, false, false, kAnyPlacing>;

// Calls `visit` with the kernel that an append is launched with.
template <typename Visitor>
cudaError_t with_kernel(const Append& append, const Cut& cut, Visitor visit) {
  const bool small = is_small(append, cut);
  if (small && cut.vector_bytes == kWidestVector)
    return with_placing(append.placement.placing, [&](auto placing) {
      const bool narrow = is_narrow(append.placement);
      if (has_parts_alike(append))
        return narrow ? visit(Usual<placing.value, true, true>{}) : visit(Usual<placing.value, true, false>{});
      return narrow ? visit(Usual<placing.value, false, true>{}) : visit(Usual<placing.value, false, false>{});
    });
  const auto sized = [&](auto vector) {
    using Vector = decltype(vector);
    return small ? visit(Unusual<Vector, Small>{}) : visit(Unusual<Vector, Large>{});
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
      return visit(Unusual<uint4, Large>{});
  }
  return cudaErrorInvalidValue;
}

cudaError_t launch(const Append& append) {
  const Cut cut = cut_of(append);
  return with_kernel(append, cut, [&](auto kernel) { return decltype(kernel)::launch(append, cut); });
}

template <typename... Each>
cudaError_t load_all(cudaFuncAttributes* attributes) {
  cudaError_t error = cudaSuccess;
  ((error = error == cudaSuccess ? cudaFuncGetAttributes(attributes, Each::kFunction) : error), ...);
  return error;
}

template <typename Vector>
cudaError_t load_vector(cudaFuncAttributes* attributes) {
  return load_all<Unusual<Vector, Small>, Unusual<Vector, Large>>(attributes);
}

cudaError_t load(const Append& append, cudaFuncAttributes* attributes) {
  const uint32_t bytes = append.element->bytes();
  cudaError_t error = load_all<Unusual<uint4, Large>>(attributes);
  if (error == cudaSuccess) error = load_vector<uint2>(attributes);
  if (error == cudaSuccess && bytes <= sizeof(uint32_t)) error = load_vector<uint32_t>(attributes);
  if (error == cudaSuccess && bytes <= sizeof(uint16_t)) error = load_vector<uint16_t>(attributes);
  if (error == cudaSuccess && bytes <= sizeof(uint8_t)) error = load_vector<uint8_t>(attributes);
  if (error != cudaSuccess) return error;
  return with_placing(append.placement.placing, [&](auto placing) {
    return load_all<Usual<placing.value, false, false>, Usual<placing.value, false, true>,
                    Usual<placing.value, true, false>, Usual<placing.value, true, true>>(attributes);
  });
}

}  // namespace

const Kernels kBespokeKernels = {launch, load};

}  // namespace baracuda::cuda
