// How FlashInfer's appends cut their work: one block of (head_dim / vector, num_heads) threads a row.
#ifndef BARACUDA_SRC_CUDA_FLASHINFER_GEOMETRY_H_
#define BARACUDA_SRC_CUDA_FLASHINFER_GEOMETRY_H_

#include <cstdint>

namespace baracuda::flashinfer {

// Elements a thread copies of a row: at least 16 bytes, and never more than 32 threads a row.
constexpr uint32_t vector_elements(uint32_t head_dim, uint32_t element_bytes) noexcept {
  const uint32_t by_bytes = 16 / element_bytes;
  const uint32_t by_warp = head_dim / 32;
  return by_bytes > by_warp ? by_bytes : by_warp;
}

}  // namespace baracuda::flashinfer

#endif  // BARACUDA_SRC_CUDA_FLASHINFER_GEOMETRY_H_
