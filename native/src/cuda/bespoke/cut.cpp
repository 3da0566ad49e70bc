#include "cuda/bespoke/cut.h"

#include <algorithm>
#include <cstdlib>
#include <initializer_list>

#include "cuda/bespoke/width.h"

namespace baracuda::cuda::bespoke {
namespace {

// All that has to be a multiple of a vector, as far as divisors of 16 can tell.
uint64_t bits_of(const Part& part) noexcept {
  uint64_t bits = reinterpret_cast<uintptr_t>(part.rows) | reinterpret_cast<uintptr_t>(part.cache);
  for (const int64_t bytes : {part.row_bytes, part.token_stride, part.head_stride, part.page_stride, part.slot_stride,
                              part.cache_head_stride})
    bits |= static_cast<uint64_t>(bytes);
  return bits;
}

}  // namespace

int64_t product(int64_t a, int64_t b) noexcept { return a != 0 && b > INT64_MAX / a ? INT64_MAX : a * b; }

Cut cut_of(const Append& append) noexcept {
  uint64_t bits = kWidestVector;
  int64_t row_bytes = 0;
  for (int i = 0; i < append.num_parts; ++i) {
    bits |= bits_of(append.parts[i]);
    row_bytes = std::max(row_bytes, append.parts[i].row_bytes);
  }
  const auto vector_bytes = static_cast<int64_t>(bits & (~bits + 1));
  const int64_t row_vectors = row_bytes / vector_bytes;
  return {vector_bytes, row_vectors, product(product(row_vectors, append.num_heads), rows_of(append))};
}

bool is_small(const Append& append, const Part& part, const Steps& steps) noexcept {
  const auto in_rows = [&steps](int64_t stride) { return std::abs(stride / steps.row); };
  const auto in_cache = [&steps](int64_t stride) { return std::abs(stride / steps.cache); };
  for (const int64_t stride : {in_rows(part.token_stride), in_rows(part.head_stride), in_cache(part.page_stride),
                               in_cache(part.slot_stride), in_cache(part.cache_head_stride)})
    if (stride >= kSmallEnd) return false;
  const int64_t heads = append.num_heads - 1;
  const int64_t rows = (rows_of(append) - 1) * in_rows(part.token_stride) + heads * in_rows(part.head_stride);
  const int64_t page =
      int64_t{append.placement.page_size() - 1} * in_cache(part.slot_stride) + heads * in_cache(part.cache_head_stride);
  return rows < kSmallEnd - steps.of_row && page < kSmallEnd - steps.of_row;
}

bool is_small(const Append& append, const Cut& cut) noexcept {
  if (cut.vectors >= kSmallEnd) return false;
  for (int i = 0; i < append.num_parts; ++i)
    if (!is_small(append, append.parts[i], {cut.vector_bytes, cut.vector_bytes, cut.row_vectors})) return false;
  return true;
}

bool has_parts_alike(const Append& append) noexcept {
  if (append.num_parts != kMaxParts) return false;
  const Part& k = append.parts[0];
  const Part& v = append.parts[1];
  return k.row_bytes == v.row_bytes && k.token_stride == v.token_stride && k.head_stride == v.head_stride &&
         have_caches_alike(k, v);
}

}  // namespace baracuda::cuda::bespoke
