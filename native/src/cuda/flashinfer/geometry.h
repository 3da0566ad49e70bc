// How FlashInfer's launchers cut the work: one block of (head_dim / vector, num_heads) threads a row, or for several
// rows by turns. The build hashes the text of those launchers and stops where it changes.
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

// Blocks of the kernel that is told positions: no more than the device holds at once, and no more than give each
// multiprocessor its share of the rows.
constexpr int64_t blocks_for_rows(int64_t rows, int64_t multiprocessors, int64_t blocks_that_one_holds) noexcept {
  const int64_t share = (rows + multiprocessors - 1) / multiprocessors;
  return multiprocessors * (share < blocks_that_one_holds ? share : blocks_that_one_holds);
}

}  // namespace baracuda::flashinfer

#endif  // BARACUDA_SRC_CUDA_FLASHINFER_GEOMETRY_H_
