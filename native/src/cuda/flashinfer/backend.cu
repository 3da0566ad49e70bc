// The only unit that includes FlashInfer.
#include <cstdint>
#include <flashinfer/page.cuh>

#include "append/element.h"
#include "cuda/flashinfer/before_append_index.h"
#include "cuda/flashinfer/geometry.h"
#include "cuda/kernels.h"

namespace baracuda {
namespace {

// A copy does not look into its elements: types of one width share one kernel.
template <uint32_t kBits>
struct Word;
template <>
struct Word<8> {
  using Type = uint8_t;
};
template <>
struct Word<16> {
  using Type = half;
};
template <>
struct Word<32> {
  using Type = float;
};

template <typename T, typename Index>
struct FlashInfer {
  static cudaError_t launch(const Append& op) {
    const auto layout = op.layout == BARACUDA_LAYOUT_NHD ? flashinfer::QKVLayout::kNHD : flashinfer::QKVLayout::kHND;
    auto index = [](const int32_t* table) { return reinterpret_cast<Index*>(const_cast<int32_t*>(table)); };
    auto rows = [](const void* data) { return static_cast<T*>(const_cast<void*>(data)); };
    const flashinfer::paged_kv_t<T, Index> cache(
        static_cast<uint32_t>(op.num_heads), static_cast<uint32_t>(op.page_size), static_cast<uint32_t>(op.head_dim),
        static_cast<uint32_t>(op.batch_size), layout, rows(op.k_data), rows(op.v_data), index(op.indices),
        index(op.indptr), index(op.last_page_len));
    return flashinfer::AppendPagedKVCacheDecode(cache, rows(op.key), rows(op.value),
                                                static_cast<cudaStream_t>(op.stream));
  }

  template <uint32_t kHeadDim>
  static const void* kernel_of() {
    constexpr uint32_t kVector = flashinfer_vector(kHeadDim, sizeof(T));
    return reinterpret_cast<const void*>(&flashinfer::AppendPagedKVCacheDecodeKernel<kHeadDim, kVector, T, Index>);
  }

  static const void* kernel(const Append& op) {
    switch (op.head_dim) {
      case 64:
        return kernel_of<64>();
      case 128:
        return kernel_of<128>();
      default:
        return kernel_of<256>();
    }
  }
};

// Calls `visit` with the FlashInfer<...> that op asks for.
template <typename Visitor>
auto dispatch(const Append& op, Visitor visit) {
  auto by_convention = [&](auto word) {
    using T = typename decltype(word)::Type;
    return op.length_convention == BARACUDA_BEFORE_APPEND ? visit(FlashInfer<T, BeforeAppendIndex>{})
                                                          : visit(FlashInfer<T, int32_t>{});
  };
  switch (op.element) {
#define BARACUDA_CASE(ENUM, name, value, dlpack_code, bits) \
  case value:                                               \
    return by_convention(Word<bits>{});
    BARACUDA_FOR_EACH_ELEMENT(BARACUDA_CASE)
#undef BARACUDA_CASE
    default:
      return decltype(by_convention(Word<8>{})){};
  }
}

cudaError_t launch(const Append& op) {
  return dispatch(op, [&](auto kernels) { return decltype(kernels)::launch(op); });
}

const void* kernel(const Append& op) {
  return dispatch(op, [&](auto kernels) { return decltype(kernels)::kernel(op); });
}

}  // namespace

const Kernels kFlashInferKernels = {launch, kernel};

}  // namespace baracuda
