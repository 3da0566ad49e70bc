// The copy: which kernel it is launched with, and which ones a problem may need.
#include <cstdint>
#include <type_traits>

#include "append/append.h"
#include "cuda/bespoke/copy_kernel.h"
#include "cuda/bespoke/cut.h"
#include "cuda/bespoke/placing.h"
#include "cuda/bespoke/transforms.h"
#include "cuda/bespoke/vector.h"
#include "place/divisor.h"
#include "place/place.h"

namespace baracuda::cuda::bespoke {
namespace {

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

// The kernels for most appends: vectors of 16 bytes, and small.
template <int kPlacing, bool kAlike, bool kNarrow>
using Usual = Kernel<uint4, Small, kAlike, kNarrow, kPlacing>;

// Those for what is left are fewer, and slower.
template <typename Vector, typename Size>
using Unusual = Kernel<Vector, Size, false, false, kAnyPlacing>;

// Calls `visit` with the kernel that an append is launched with, and how it is cut up for that.
template <typename Visitor>
cudaError_t with_kernel(const Append& append, Visitor visit) {
  const Cut cut = cut_of(append, kWidestVector);
  if (!is_small(append, cut)) {
    // What is neither small nor aligned is bytes: nobody has so much of it.
    if (cut.vector_bytes == kWidestVector) return visit(Unusual<uint4, Large>{}, cut);
    return visit(Unusual<uint8_t, Large>{}, cut_of(append, 1));
  }
  switch (cut.vector_bytes) {
    case 1:
      return visit(Unusual<uint8_t, Small>{}, cut);
    case 2:
      return visit(Unusual<uint16_t, Small>{}, cut);
    case 4:
      return visit(Unusual<uint32_t, Small>{}, cut);
    case 8:
      return visit(Unusual<uint2, Small>{}, cut);
    default:
      break;
  }
  return with_placing(append.placement.placing, [&](auto placing) {
    const bool narrow = is_narrow(append.placement);
    if (has_parts_alike(append))
      return narrow ? visit(Usual<placing.value, true, true>{}, cut) : visit(Usual<placing.value, true, false>{}, cut);
    return narrow ? visit(Usual<placing.value, false, true>{}, cut) : visit(Usual<placing.value, false, false>{}, cut);
  });
}

template <typename... Each>
cudaError_t load_all(cudaFuncAttributes* attributes) {
  cudaError_t error = cudaSuccess;
  ((error = error == cudaSuccess ? cudaFuncGetAttributes(attributes, Each::kFunction) : error), ...);
  return error;
}

}  // namespace

cudaError_t launch_copy(const Append& append) {
  return with_kernel(append, [&append](auto kernel, const Cut& cut) { return decltype(kernel)::launch(append, cut); });
}

cudaError_t load_copy(const Append& append, cudaFuncAttributes* attributes) {
  const uint32_t bytes = append.element->bytes();
  cudaError_t error = load_all<Unusual<uint4, Large>, Unusual<uint8_t, Large>, Unusual<uint2, Small>>(attributes);
  if (error == cudaSuccess && bytes <= sizeof(uint32_t)) error = load_all<Unusual<uint32_t, Small>>(attributes);
  if (error == cudaSuccess && bytes <= sizeof(uint16_t)) error = load_all<Unusual<uint16_t, Small>>(attributes);
  if (error == cudaSuccess && bytes <= sizeof(uint8_t)) error = load_all<Unusual<uint8_t, Small>>(attributes);
  if (error != cudaSuccess) return error;
  return with_placing(append.placement.placing, [&](auto placing) {
    return load_all<Usual<placing.value, false, false>, Usual<placing.value, false, true>,
                    Usual<placing.value, true, false>, Usual<placing.value, true, true>>(attributes);
  });
}

}  // namespace baracuda::cuda::bespoke
