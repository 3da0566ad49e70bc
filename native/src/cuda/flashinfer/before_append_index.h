// FlashInfer's kernel, BEFORE_APPEND: its index type is a template parameter, and this one makes it count the new
// token.
//
// The kernel computes a request's length with the new token in it as
//
//     (indptr[b + 1] - indptr[b] - 1) * page_size + last_page_len[b]
//
// where the product is a uint32_t. It is the only place where an index is added to an unsigned integer, so an index
// type whose operator+(uint32_t, index) adds one more turns "tokens already there" into "tokens with the new one".
// Everywhere else the type is a plain int32_t. The build hashes the kernel's text and stops where that changes.
#ifndef BARACUDA_SRC_CUDA_FLASHINFER_BEFORE_APPEND_INDEX_H_
#define BARACUDA_SRC_CUDA_FLASHINFER_BEFORE_APPEND_INDEX_H_

#include <cstdint>

#include "base/host_device.h"

namespace baracuda::cuda {

struct BeforeAppendIndex {
  int32_t value;

  BeforeAppendIndex() = default;
  // FlashInfer's kernels convert both ways without a word. NOLINTBEGIN(misc-explicit-constructor)
  BARACUDA_HOST_DEVICE constexpr BeforeAppendIndex(uint32_t index) : value(static_cast<int32_t>(index)) {}
  BARACUDA_HOST_DEVICE constexpr operator int32_t() const { return value; }
  // NOLINTEND(misc-explicit-constructor)
};

static_assert(sizeof(BeforeAppendIndex) == sizeof(int32_t) && alignof(BeforeAppendIndex) == alignof(int32_t));

BARACUDA_HOST_DEVICE constexpr uint32_t operator+(uint32_t tokens_before_last_page, BeforeAppendIndex last_page_len) {
  return tokens_before_last_page + static_cast<uint32_t>(last_page_len.value) + 1u;
}

#if defined(__CUDACC__)
// Found by argument-dependent lookup where the kernel reads `indices`.
__device__ __forceinline__ int32_t __ldg(const BeforeAppendIndex* index) { return ::__ldg(&index->value); }
#endif

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_FLASHINFER_BEFORE_APPEND_INDEX_H_
