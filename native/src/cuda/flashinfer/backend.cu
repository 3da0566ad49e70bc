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

// The operands in FlashInfer's terms.
template <typename T, typename Index>
struct Terms {
  const Append& append;

  static T* rows(const unsigned char* data) { return reinterpret_cast<T*>(const_cast<unsigned char*>(data)); }
  static size_t elements(int64_t bytes) { return static_cast<size_t>(bytes) / sizeof(T); }

  Index* indices(PlaceOperand operand) const {
    return static_cast<Index*>(const_cast<void*>(append.placement.operands[operand]));
  }

  ::flashinfer::paged_kv_t<T, Index> cache() const {
    const Part& k = append.parts[0];
    const Part& v = append.parts[1];
    const Placement& placement = append.placement;
    // Heads before slots: the order of the strides, whatever the order in memory.
    const int64_t strides[] = {static_cast<int64_t>(elements(k.page_stride)),
                               static_cast<int64_t>(elements(k.cache_head_stride)),
                               static_cast<int64_t>(elements(k.slot_stride))};
    return {static_cast<uint32_t>(append.num_heads),
            static_cast<uint32_t>(placement.page_size),
            static_cast<uint32_t>(append.head_dim),
            static_cast<uint32_t>(placement.num_requests),
            ::flashinfer::QKVLayout::kHND,
            rows(k.cache),
            rows(v.cache),
            strides,
            indices(kPages),
            indices(kIndptr),
            indices(kLengths)};
  }
};

template <typename T, typename Index>
struct Decode {
  static cudaError_t launch(const Append& append) {
    const Terms<T, Index> terms{append};
    return ::flashinfer::AppendPagedKVCacheDecode(terms.cache(), terms.rows(append.parts[0].rows),
                                                  terms.rows(append.parts[1].rows),
                                                  static_cast<cudaStream_t>(append.stream));
  }

  template <uint32_t kHeadDim>
  static constexpr auto kernel =
      &::flashinfer::AppendPagedKVCacheDecodeKernel<kHeadDim, flashinfer::vector_elements(kHeadDim, sizeof(T)), T,
                                                    Index>;
};

// Rows that say whose they are, and which token.
template <typename T>
struct Positions {
  static cudaError_t launch(const Append& append) {
    const Terms<T, int32_t> terms{append};
    const Part& k = append.parts[0];
    const Part& v = append.parts[1];
    return ::flashinfer::AppendPagedKVCache(
        terms.cache(), terms.rows(k.rows), terms.rows(v.rows), terms.indices(kOwners), terms.indices(kTargets),
        static_cast<uint32_t>(append.placement.num_rows), terms.elements(k.token_stride), terms.elements(k.head_stride),
        terms.elements(v.token_stride), terms.elements(v.head_stride), static_cast<cudaStream_t>(append.stream));
  }

  template <uint32_t kHeadDim>
  static constexpr auto kernel =
      &::flashinfer::AppendPagedKVCacheKernel<kHeadDim, flashinfer::vector_elements(kHeadDim, sizeof(T)), T, int32_t>;
};

// Calls `visit` with the Decode<...> or Positions<...> that the append asks for.
template <typename Visitor>
cudaError_t dispatch(const Append& append, Visitor visit) {
  const auto by_placing = [&](auto word) {
    using T = typename decltype(word)::Type;
    if (append.placement.placing == Placing::kPositions) return visit(Positions<T>{});
    return append.placement.counts_new == 0 ? visit(Decode<T, BeforeAppendIndex>{}) : visit(Decode<T, int32_t>{});
  };
  switch (append.element->bytes()) {
    case 1:
      return by_placing(Word<1>{});
    case 2:
      return by_placing(Word<2>{});
    case 4:
      return by_placing(Word<4>{});
  }
  return cudaErrorInvalidValue;
}

cudaError_t launch(const Append& append) {
  return dispatch(append, [&](auto kernels) { return decltype(kernels)::launch(append); });
}

cudaError_t load(const Append& append, cudaFuncAttributes* attributes) {
  return dispatch(append, [&](auto kernels) {
    using Kernels = decltype(kernels);
    switch (append.head_dim) {
      case 64:
        return cudaFuncGetAttributes(attributes, Kernels::template kernel<64>);
      case 128:
        return cudaFuncGetAttributes(attributes, Kernels::template kernel<128>);
      case 256:
        return cudaFuncGetAttributes(attributes, Kernels::template kernel<256>);
    }
    return cudaErrorInvalidValue;
  });
}

}  // namespace

const Kernels kFlashInferKernels = {launch, load};

}  // namespace baracuda::cuda
