// FlashInfer's kernels, launched as its own launchers do.
#include <cstdint>

#include "append/append.h"
#include "base/status.h"
#include "cuda/flashinfer/arguments.h"
#include "cuda/flashinfer/before_append_index.h"
#include "cuda/flashinfer/geometry.h"
#include "cuda/kernel.h"
#include "cuda/kernels.h"

extern "C" const unsigned char kernels_of_cuda_flashinfer_backend[];  // NOLINT(readability-identifier-naming)

namespace baracuda::cuda {
namespace {

Image image(kernels_of_cuda_flashinfer_backend, Order::kOfStream);

// A copy does not look into its elements: types of one width share one kernel.
template <uint32_t kBytes>
struct Word;
template <>
struct Word<1> {
  using Type = uint8_t;
};
template <>
struct Word<2> {
  using Type = __half;
};
template <>
struct Word<4> {
  using Type = float;
};

void* placing_operand(const Append& append, PlaceOperand operand) noexcept {
  return const_cast<void*>(append.placement.operands[operand]);
}

void* rows_of(const Part& part) noexcept { return const_cast<unsigned char*>(part.rows); }

template <uint32_t kBytes>
uint32_t elements(int64_t bytes) noexcept {
  return static_cast<uint32_t>(bytes / kBytes);
}

template <uint32_t kBytes>
PagedKv cache_of(const Append& append) noexcept {
  const Part& k = append.parts[0];
  return {static_cast<uint32_t>(append.placement.page_size()),
          static_cast<uint32_t>(append.num_heads),
          static_cast<uint32_t>(append.head_dim),
          static_cast<uint32_t>(append.placement.num_requests),
          elements<kBytes>(k.page_stride),
          elements<kBytes>(k.slot_stride),
          elements<kBytes>(k.cache_head_stride),
          k.cache,
          append.parts[1].cache,
          placing_operand(append, kPages),
          placing_operand(append, kIndptr),
          placing_operand(append, kLengths),
          nullptr};
}

template <uint32_t kBytes>
Geometry geometry_of(const Append& append, int64_t blocks) noexcept {
  const auto head_dim = static_cast<uint32_t>(append.head_dim);
  return {blocks, 1, head_dim / flashinfer::vector_elements(head_dim, kBytes), static_cast<uint32_t>(append.num_heads)};
}

template <uint32_t kBytes, typename Index>
struct Decode {
  template <uint32_t kHeadDim>
  static Kernel kernel() noexcept {
    return kernel_in<&::flashinfer::AppendPagedKVCacheDecodeKernel<
        kHeadDim, flashinfer::vector_elements(kHeadDim, kBytes), typename Word<kBytes>::Type, Index>>(image);
  }

  static int32_t launch(const Driver& driver, const Kernel& kernel, const Append& append) {
    PagedKv cache = cache_of<kBytes>(append);
    void* key = rows_of(append.parts[0]);
    void* value = rows_of(append.parts[1]);
    void* parameters[] = {&cache, static_cast<void*>(&key), static_cast<void*>(&value)};
    const Geometry geometry = geometry_of<kBytes>(append, append.placement.num_requests);
    return cuda::launch(driver, kernel, geometry, append.stream, parameters);
  }
};

// Rows that say whose they are, and which token.
template <uint32_t kBytes>
struct Positions {
  template <uint32_t kHeadDim>
  static Kernel kernel() noexcept {
    return kernel_in<&::flashinfer::AppendPagedKVCacheKernel<kHeadDim, flashinfer::vector_elements(kHeadDim, kBytes),
                                                             typename Word<kBytes>::Type, int32_t>>(image);
  }

  static int32_t launch(const Driver& driver, const Kernel& kernel, const Append& append) {
    const Part& k = append.parts[0];
    const Part& v = append.parts[1];
    const int64_t rows = append.placement.num_rows;
    Geometry geometry = geometry_of<kBytes>(append, 0);
    int32_t multiprocessors = 0;
    BARACUDA_TRY(find_multiprocessors(driver, &multiprocessors));
    int32_t blocks = 0;
    const auto threads = static_cast<int32_t>(geometry.threads_x * geometry.threads_y);
    BARACUDA_TRY(blocks_per_multiprocessor(driver, kernel, threads, &blocks));
    geometry.blocks_x = flashinfer::blocks_for_rows(rows, multiprocessors, blocks);
    PagedKv cache = cache_of<kBytes>(append);
    void* key = rows_of(k);
    void* value = rows_of(v);
    void* owners = placing_operand(append, kOwners);
    void* targets = placing_operand(append, kTargets);
    auto num_rows = static_cast<uint32_t>(rows);
    const auto stride = [](int64_t bytes) { return static_cast<size_t>(bytes) / kBytes; };
    size_t strides[] = {stride(k.token_stride), stride(k.head_stride), stride(v.token_stride), stride(v.head_stride)};
    void* parameters[] = {&cache,
                          static_cast<void*>(&key),
                          static_cast<void*>(&value),
                          static_cast<void*>(&owners),
                          static_cast<void*>(&targets),
                          &num_rows,
                          &strides[0],
                          &strides[1],
                          &strides[2],
                          &strides[3]};
    return cuda::launch(driver, kernel, geometry, append.stream, parameters);
  }
};

// Calls `visit` with the Decode<...> or Positions<...> that the append asks for, and its kernel.
template <typename Visitor>
int32_t dispatch(const Append& append, Visitor visit) {
  const auto by_head_dim = [&](auto kernels) {
    using Kernels = decltype(kernels);
    switch (append.head_dim) {
      case 64:
        return visit(kernels, Kernels::template kernel<64>());
      case 128:
        return visit(kernels, Kernels::template kernel<128>());
      case 256:
        return visit(kernels, Kernels::template kernel<256>());
      default:
        return no_kernel();
    }
  };
  const auto by_placing = [&](auto word) {
    constexpr uint32_t kBytes = sizeof(word);
    if (append.placement.placing == Placing::kPositions) return by_head_dim(Positions<kBytes>{});
    if (append.placement.counts_new == 0) return by_head_dim(Decode<kBytes, BeforeAppendIndex>{});
    return by_head_dim(Decode<kBytes, int32_t>{});
  };
  switch (append.element->bytes()) {
    case 1:
      return by_placing(uint8_t{});
    case 2:
      return by_placing(uint16_t{});
    case 4:
      return by_placing(uint32_t{});
    default:
      return no_kernel();
  }
}

int32_t launch(const Driver& driver, const Append& append) {
  return dispatch(
      append, [&](auto kernels, const Kernel& kernel) { return decltype(kernels)::launch(driver, kernel, append); });
}

int32_t load(const Driver& driver, const Append& append, int32_t* arch) {
  return dispatch(append, [&](auto, const Kernel& kernel) { return cuda::load(driver, kernel, arch); });
}

}  // namespace

const Kernels kFlashInferKernels = {launch, load};

}  // namespace baracuda::cuda
