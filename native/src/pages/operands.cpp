#include "pages/operands.h"

#include "base/saturating.h"

namespace baracuda {

uint64_t bytes_of_page(const CacheMembers& cache) noexcept {
  auto bytes = static_cast<uint64_t>(cache.element_bytes);
  for (int i = 0; i < rank_of_page(cache.page); ++i)
    bytes = saturating_product(bytes, static_cast<uint64_t>(cache.page[i]));
  return bytes;
}

int64_t pack_page(const CacheMembers& cache, int64_t* strides) noexcept {
  int64_t bytes = cache.element_bytes;
  for (int i = rank_of_page(cache.page) - 1; i >= 0; --i) {
    strides[i] = bytes;
    bytes = saturating_signed_product(bytes, cache.page[i]);
  }
  return bytes;
}

int64_t strides_of_cache(const CopyOp& op, const CacheMembers& cache, int64_t* strides) noexcept {
  int64_t page_stride = pack_page(cache, strides);
  if ((op.flags & BARACUDA_FLAG_STRIDED) != 0) {
    page_stride = saturating_signed_product(cache.strides[0], cache.element_bytes);
    for (int i = 0; i < rank_of_page(cache.page); ++i)
      strides[i] = saturating_signed_product(cache.strides[i + 1], cache.element_bytes);
  }
  return op.num_total_pages > 1 ? page_stride : 0;
}

}  // namespace baracuda
