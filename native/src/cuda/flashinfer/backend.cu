// The only unit that includes FlashInfer.
#include <cstdint>
#include <flashinfer/page.cuh>

#include "append/append.h"
#include "cuda/flashinfer/before_append_index.h"
#include "cuda/flashinfer/geometry.h"
#include "cuda/kernels.h"

namespace baracuda::cuda {
namespace {

// A copy does not look into its elements: types of one width share one kernel.
template <uint32_t kBytes>
struct Word;
template <>
struct Word<1> {
  using Type = uint8_t;
};
template <>
struct Word<2> {
  using Type = half;
};
template <>
struct Word<4> {
  using Type = float;
};

template <typename T, typename Index>
struct FlashInfer {
  static cudaError_t launch(const Append& append) {
    const Part& k = append.parts[0];
    const Part& v = append.parts[1];
    const Placement& placement = append.placement;
    const auto elements = [](int64_t bytes) { return bytes / int64_t{sizeof(T)}; };
    const auto table = [&](PlaceOperand operand) {
      return static_cast<Index*>(const_cast<void*>(placement.operands[operand]));
    };
    const auto rows = [](const unsigned char* data) { return reinterpret_cast<T*>(const_cast<unsigned char*>(data)); };
    // Heads before slots: the order of the strides, whatever the order in memory.
    const int64_t strides[] = {elements(k.page_stride), elements(k.cache_head_stride), elements(k.slot_stride)};
    const ::flashinfer::paged_kv_t<T, Index> cache(
        static_cast<uint32_t>(append.num_heads), static_cast<uint32_t>(placement.page_size),
        static_cast<uint32_t>(append.head_dim), static_cast<uint32_t>(placement.num_requests),
        ::flashinfer::QKVLayout::kHND, rows(k.cache), rows(v.cache), strides, table(kPages), table(kIndptr),
        table(kLengths));
    return ::flashinfer::AppendPagedKVCacheDecode(cache, rows(k.rows), rows(v.rows),
                                                  static_cast<cudaStream_t>(append.stream));
  }

  static cudaError_t load(const Append& append, cudaFuncAttributes* attributes) {
    switch (append.head_dim) {
      case 64:
        return load_width<64>(attributes);
      case 128:
        return load_width<128>(attributes);
      case 256:
        return load_width<256>(attributes);
    }
    return cudaErrorInvalidValue;
  }

  template <uint32_t kHeadDim>
  static cudaError_t load_width(cudaFuncAttributes* attributes) {
    constexpr uint32_t kVector = flashinfer::vector_elements(kHeadDim, sizeof(T));
    return cudaFuncGetAttributes(attributes,
                                 &::flashinfer::AppendPagedKVCacheDecodeKernel<kHeadDim, kVector, T, Index>);
  }
};

// Calls `visit` with the FlashInfer<...> that the append asks for.
template <typename Visitor>
cudaError_t dispatch(const Append& append, Visitor visit) {
  const auto by_convention = [&](auto word) {
    using T = typename decltype(word)::Type;
    return append.placement.counts_new == 0 ? visit(FlashInfer<T, BeforeAppendIndex>{})
                                            : visit(FlashInfer<T, int32_t>{});
  };
  switch (append.element->bytes()) {
    case 1:
      return by_convention(Word<1>{});
    case 2:
      return by_convention(Word<2>{});
    case 4:
      return by_convention(Word<4>{});
  }
  return cudaErrorInvalidValue;
}

cudaError_t launch(const Append& append) {
  return dispatch(append, [&](auto kernels) { return decltype(kernels)::launch(append); });
}

cudaError_t load(const Append& append, cudaFuncAttributes* attributes) {
  return dispatch(append, [&](auto kernels) { return decltype(kernels)::load(append, attributes); });
}

}  // namespace

const Kernels kFlashInferKernels = {launch, load};

}  // namespace baracuda::cuda
