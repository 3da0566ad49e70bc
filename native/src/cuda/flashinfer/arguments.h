// What FlashInfer's kernels are launched with. nvcc compiles them from FlashInfer's own header, unmodified, and holds
// what is said here against it; the host's compiler, which could not read that header, takes this alone.
#ifndef BARACUDA_SRC_CUDA_FLASHINFER_ARGUMENTS_H_
#define BARACUDA_SRC_CUDA_FLASHINFER_ARGUMENTS_H_

#include <cstddef>
#include <cstdint>

#include "cuda/device_code.h"

#if defined(__CUDACC__)

#include <flashinfer/page.cuh>

#else

#include <flashinfer/fastdiv.cuh>

// NOLINTBEGIN(bugprone-reserved-identifier, readability-identifier-naming): FlashInfer's names, and CUDA's
struct __half;

namespace flashinfer {

template <typename T, typename Index>
struct paged_kv_t;

template <uint32_t kHeadDim, uint32_t kVector, typename T, typename Index>
void AppendPagedKVCacheDecodeKernel(paged_kv_t<T, Index> cache, T* key, T* value);

template <uint32_t kHeadDim, uint32_t kVector, typename T, typename Index>
void AppendPagedKVCacheKernel(paged_kv_t<T, Index> cache, T* key, T* value, Index* batch_indices, Index* positions,
                              uint32_t num_rows, size_t key_token_stride, size_t key_head_stride,
                              size_t value_token_stride, size_t value_head_stride);

}  // namespace flashinfer
// NOLINTEND(bugprone-reserved-identifier, readability-identifier-naming)

#endif  // defined(__CUDACC__)

namespace baracuda::cuda {

// paged_kv_t of whatever types, member for member. Strides are in elements.
struct PagedKv {
  ::flashinfer::uint_fastdiv page_size;
  uint32_t num_heads;
  uint32_t head_dim;
  uint32_t batch_size;
  uint32_t stride_page;
  uint32_t stride_n;  // from slot to slot
  uint32_t stride_h;  // from head to head
  void* k_data;
  void* v_data;
  void* indices;
  void* indptr;
  void* last_page_len;
  void* rope_pos_offset;
};

#if defined(__CUDACC__)
using Theirs = ::flashinfer::paged_kv_t<half, int32_t>;
#define BARACUDA_SAME_PLACE(member) static_assert(offsetof(PagedKv, member) == offsetof(Theirs, member))
BARACUDA_SAME_PLACE(page_size);
BARACUDA_SAME_PLACE(num_heads);
BARACUDA_SAME_PLACE(head_dim);
BARACUDA_SAME_PLACE(batch_size);
BARACUDA_SAME_PLACE(stride_page);
BARACUDA_SAME_PLACE(stride_n);
BARACUDA_SAME_PLACE(stride_h);
BARACUDA_SAME_PLACE(k_data);
BARACUDA_SAME_PLACE(v_data);
BARACUDA_SAME_PLACE(indices);
BARACUDA_SAME_PLACE(indptr);
BARACUDA_SAME_PLACE(last_page_len);
BARACUDA_SAME_PLACE(rope_pos_offset);
#undef BARACUDA_SAME_PLACE
static_assert(sizeof(PagedKv) == sizeof(Theirs));
#endif

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_FLASHINFER_ARGUMENTS_H_
