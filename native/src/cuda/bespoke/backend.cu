// The guarded append. A thread copies one 16-byte vector of key and one of value, adjacent threads adjacent vectors,
// across heads and requests: few heads put several requests in a block, many rows several blocks to a request.
#include <cstdint>

#include "append/element.h"
#include "append/place.h"
#include "cuda/bespoke/divisor.h"
#include "cuda/kernels.h"

namespace baracuda {

// Not an unnamed namespace: nvcc names the symbols of one after the folder that the source is in, in the machine code
// too, and two builds would not be the same bytes.
namespace guarded {

using Vector = uint4;

constexpr uint32_t kThreads = 128;

// Offsets and strides in vectors. Index counts the vectors of key and those of a page: 32 bits where they suffice. The
// offset in a cache has 64 bits always.
template <typename Index>
struct GuardedAppend {
  const Vector* key;
  const Vector* value;
  Vector* k_data;
  Vector* v_data;
  const int32_t* indices;
  const int32_t* indptr;
  const int32_t* last_page_len;
  baracuda_error_record* record;
  GuardLimits limits;
  Index vectors;
  Divisor<Index> request_vectors;
  Divisor<Index> row_vectors;
  Index page_stride;
  Index head_stride;
  Index slot_stride;
};

// A store under a predicate, not behind a branch: a branch would draw the load of what is stored behind it, and with it
// behind the page table.
__device__ __forceinline__ void store_if(bool condition, Vector* to, const Vector& vector) {
  asm volatile(
      "{\n\t"
      ".reg .pred p;\n\t"
      "setp.ne.u32 p, %0, 0;\n\t"
      "@p st.global.v4.u32 [%1], {%2, %3, %4, %5};\n\t"
      "}"
      :
      : "r"(static_cast<uint32_t>(condition)), "l"(to), "r"(vector.x), "r"(vector.y), "r"(vector.z), "r"(vector.w)
      : "memory");
}

// Of all that meet a corrupt request, over all launches since the record was zeroed, one describes it.
__device__ void record_corruption(const GuardLimits& limits, baracuda_error_record* record,
                                  const baracuda_error_record& seen) {
  const int32_t reason = corruption_of(limits, seen);
  if (record == nullptr || reason == BARACUDA_CORRUPT_NONE) return;
  if (atomicCAS(&record->reason, BARACUDA_CORRUPT_NONE, reason) == BARACUDA_CORRUPT_NONE) describe(record, seen);
}

template <typename Index>
__global__ void __launch_bounds__(kThreads) guarded_append_kernel(const __grid_constant__ GuardedAppend<Index> append) {
  const Index i = static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x;
  if (i >= append.vectors) return;
  const Vector key = append.key[i];
  const Vector value = append.value[i];
  const Index request = append.request_vectors.divide(i);
  const Index within = i - request * append.request_vectors.divisor;
  const Index head = append.row_vectors.divide(within);
  const Index vector = within - head * append.row_vectors.divisor;
  const Index in_slot = head * append.head_stride + vector;
  baracuda_error_record seen;
  uint32_t slot;
  const bool served =
      find_slot(append.limits, append.indices, append.indptr, append.last_page_len, request, &seen, &slot);
  const uint64_t to = static_cast<uint64_t>(static_cast<uint32_t>(seen.page)) * append.page_stride +
                      (in_slot + slot * append.slot_stride);
  store_if(served, append.k_data + to, key);
  store_if(served, append.v_data + to, value);
  if (!served && within == 0) record_corruption(append.limits, append.record, seen);
}

}  // namespace guarded

namespace {

using guarded::guarded_append_kernel;
using guarded::GuardedAppend;
using guarded::kThreads;
using guarded::Vector;

int64_t row_vectors_of(const Append& op) {
  return int64_t{op.head_dim} * find_element(op.element)->bytes() / int64_t{sizeof(Vector)};
}

int64_t vectors_of(const Append& op) { return row_vectors_of(op) * op.num_heads * op.batch_size; }

// Whether 32-bit indices neither wrap nor leave the range of their division, which ends at 2^31.
bool is_small(const Append& op) {
  const int64_t limit = int64_t{1} << 31;
  return vectors_of(op) < limit && row_vectors_of(op) * op.num_heads < limit / op.page_size;
}

template <typename Index>
cudaError_t launch_indexed(const Append& op) {
  const int64_t row_vectors = row_vectors_of(op);
  const int64_t token_vectors = row_vectors * op.num_heads;
  const bool heads_first = op.layout == BARACUDA_LAYOUT_HND;
  GuardedAppend<Index> append = {static_cast<const Vector*>(op.key),
                                 static_cast<const Vector*>(op.value),
                                 static_cast<Vector*>(op.k_data),
                                 static_cast<Vector*>(op.v_data),
                                 op.indices,
                                 op.indptr,
                                 op.last_page_len,
                                 op.error_record,
                                 guard_limits(op),
                                 static_cast<Index>(vectors_of(op)),
                                 Divisor<Index>(static_cast<uint64_t>(token_vectors)),
                                 Divisor<Index>(static_cast<uint64_t>(row_vectors)),
                                 static_cast<Index>(token_vectors * op.page_size),
                                 static_cast<Index>(heads_first ? row_vectors * op.page_size : row_vectors),
                                 static_cast<Index>(heads_first ? row_vectors : token_vectors)};
  const int64_t blocks = (vectors_of(op) + kThreads - 1) / kThreads;
  if (blocks > INT32_MAX) return cudaErrorInvalidConfiguration;
  void* arguments[] = {&append};
  return cudaLaunchKernel(reinterpret_cast<const void*>(&guarded_append_kernel<Index>),
                          dim3(static_cast<unsigned int>(blocks)), dim3(kThreads), arguments, 0,
                          static_cast<cudaStream_t>(op.stream));
}

cudaError_t launch(const Append& op) {
  return is_small(op) ? launch_indexed<uint32_t>(op) : launch_indexed<uint64_t>(op);
}

const void* kernel(const Append& op) {
  return is_small(op) ? reinterpret_cast<const void*>(&guarded_append_kernel<uint32_t>)
                      : reinterpret_cast<const void*>(&guarded_append_kernel<uint64_t>);
}

}  // namespace

const Kernels kGuardedKernels = {launch, kernel};

}  // namespace baracuda
