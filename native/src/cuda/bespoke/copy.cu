// The copy: which kernel it is launched with, and which ones a problem may need.
#include <cstdint>

#include "append/append.h"
#include "base/status.h"
#include "cuda/bespoke/copy_kernel.h"
#include "cuda/bespoke/cut.h"
#include "cuda/bespoke/placing.h"
#include "cuda/bespoke/transforms.h"
#include "cuda/kernel.h"
#include "place/divisor.h"
#include "place/placement.h"

extern "C" const unsigned char kernels_of_cuda_bespoke_copy[];  // NOLINT(readability-identifier-naming)

namespace baracuda::cuda::bespoke {
namespace {

Image image(kernels_of_cuda_bespoke_copy, Order::kOfKernel);

// Whether ragged rows are copied sooner by threads that have two vectors of each part: half as many threads, which an
// H100 holds at once where these are twice as many as it can, and finds fewer requests by. Not where there are so few
// that each one's own time counts, and not where there is a block for each multiprocessor and hardly more.
bool gains_by_two(const Cut& cut) noexcept {
  constexpr int64_t kLine = 128;  // bytes that memory is best read and written by: a half has some
  const bool has_halves = cut.row_vectors % (2 * kLine / kWidestVector) == 0;
  return has_halves && ((cut.vectors >= 8192 && cut.vectors <= 16384) || cut.vectors >= 65536);
}

template <typename Vector, typename Size, bool kAlike, bool kNarrow, int kPlacing>
struct Kernel {
  static cuda::Kernel kernel() noexcept {
    return kernel_in<append_kernel<Vector, Size, kAlike, kNarrow, kPlacing>>(image);
  }

  static int32_t launch(const Driver& driver, const Append& append, const Cut& whole) {
    const bool has_two = kEach<kAlike, kNarrow, kPlacing> == 2 && gains_by_two(whole);
    const Cut cut = has_two ? Cut{whole.vector_bytes, whole.row_vectors / 2, whole.vectors / 2} : whole;
    using Index = typename Size::Index;
    Copy<Vector, Size, kAlike> copy = {};
    copy.vectors = static_cast<Index>(cut.vectors);
    copy.token_vectors =
        Divisor<Index>(static_cast<uint64_t>(cut.row_vectors) * static_cast<uint64_t>(append.num_heads));
    copy.placement = append.placement;
    copy.row_vectors = Quotient<Index>(static_cast<uint64_t>(cut.row_vectors));
    copy.most_vectors = static_cast<Index>(cut.row_vectors);
    copy.vector_bytes = static_cast<uint32_t>(cut.vector_bytes);
    copy.apart = has_two ? static_cast<Index>(cut.row_vectors) : 0;
    copy.record = append.record;
    for (int i = 0; i < append.num_parts; ++i) {
      copy.rows[i] = reinterpret_cast<const Pointed<Vector>*>(append.parts[i].rows);
      copy.caches[i] = reinterpret_cast<Pointed<Vector>*>(append.parts[i].cache);
      if (i == 0 || !kAlike) set_strides(i, append.parts[i], cut, &copy);
    }
    const int64_t blocks = (cut.vectors - 1) / kThreads + 1;
    void* parameters[] = {&copy};
    return cuda::launch(driver, kernel(), {blocks, 1, kThreads, 1}, append.stream, parameters);
  }

 private:
  static void set_strides(int i, const Part& part, const Cut& cut, Copy<Vector, Size, kAlike>* copy) noexcept {
    using Offset = typename Size::Offset;
    const auto vectors = [&cut](int64_t bytes) { return bytes / cut.vector_bytes; };
    copy->strides[i] = {static_cast<Offset>(vectors(part.token_stride)),
                        static_cast<Offset>(vectors(part.head_stride) - cut.row_vectors)};
    copy->cache_strides[i] = {static_cast<Offset>(vectors(part.page_stride)),
                              static_cast<Offset>(vectors(part.slot_stride)),
                              static_cast<Offset>(vectors(part.cache_head_stride) - cut.row_vectors)};
    copy->part_vectors[i] = static_cast<typename Size::Index>(vectors(part.row_bytes));
  }
};

// The kernels for most appends: vectors of 16 bytes, and small.
template <int kPlacing, bool kAlike, bool kNarrow>
using Usual = Kernel<uint4, Small, kAlike, kNarrow, kPlacing>;

// And one for all others, which is slower.
using Unusual = Kernel<AnyVector, Large, false, false, kAnyPlacing>;

// Parts unlike each other and int64 tables are not both usual, but for slots, which engines have in int64: there parts
// unlike each other have one kernel for either width.
constexpr bool is_usual(int placing, bool alike, bool narrow) noexcept {
  return alike || narrow != (placing == static_cast<int>(Placing::kSlots));
}

// Calls `visit` with the kernel of what is aligned and small.
template <bool kAlike, bool kNarrow, typename Visitor>
int32_t with_usual(Placing placing, Visitor visit) {
  return with_placing(placing, [&visit](auto its) {
    if constexpr (is_usual(its.value, kAlike, kNarrow))
      return visit(Usual<its.value, kAlike, kNarrow>{});
    else
      return visit(Unusual{});
  });
}

// Calls `visit` with the kernel that an append is launched with.
template <typename Visitor>
int32_t with_kernel(const Append& append, const Cut& cut, Visitor visit) {
  if (cut.vector_bytes != kWidestVector || !is_small(append, cut)) return visit(Unusual{});
  const Placing placing = append.placement.placing;
  const bool narrow = is_narrow(append.placement);
  if (has_parts_alike(append))
    return narrow ? with_usual<true, true>(placing, visit) : with_usual<true, false>(placing, visit);
  return narrow && placing != Placing::kSlots ? with_usual<false, true>(placing, visit)
                                              : with_usual<false, false>(placing, visit);
}

}  // namespace

int32_t launch_copy(const Driver& driver, const Append& append) {
  const Cut cut = cut_of(append);
  return with_kernel(append, cut, [&](auto kernel) { return decltype(kernel)::launch(driver, append, cut); });
}

int32_t load_copy(const Driver& driver, const Append& append, int32_t* arch) {
  const Placing placing = append.placement.placing;
  const auto load = [&](auto kernel) { return cuda::load(driver, decltype(kernel)::kernel(), arch); };
  BARACUDA_TRY(load(Unusual{}));
  BARACUDA_TRY((with_usual<false, false>(placing, load)));
  BARACUDA_TRY((with_usual<false, true>(placing, load)));
  BARACUDA_TRY((with_usual<true, false>(placing, load)));
  return with_usual<true, true>(placing, load);
}

}  // namespace baracuda::cuda::bespoke
