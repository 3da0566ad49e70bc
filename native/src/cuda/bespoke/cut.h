// How the rows of an append are cut up for the threads of a copy.
#ifndef BARACUDA_SRC_CUDA_BESPOKE_CUT_H_
#define BARACUDA_SRC_CUDA_BESPOKE_CUT_H_

#include <cstdint>

#include "append/append.h"

namespace baracuda::cuda::bespoke {

constexpr int64_t kWidestVector = 16;

// How an append is cut into vectors.
struct Cut {
  int64_t vector_bytes;  // the widest that every row, in its source and in its cache, is a whole number of
  int64_t row_vectors;   // of the wider part
  int64_t vectors;       // of all rows
};

// a * b of what is not negative, or the largest int64_t where that does not fit.
int64_t product(int64_t a, int64_t b) noexcept;

Cut cut_of(const Append& append) noexcept;

// What offsets count: so many bytes, in a source and in a cache.
struct Steps {
  int64_t row;
  int64_t cache;
  int64_t of_row;  // how many there are at most, of a row
};

// Whether 32 bits hold every offset but that of a page.
bool is_small(const Append& append, const Part& part, const Steps& steps) noexcept;
bool is_small(const Append& append, const Cut& cut) noexcept;

// Whether both parts are there, with the same strides and widths.
bool has_parts_alike(const Append& append) noexcept;

}  // namespace baracuda::cuda::bespoke

#endif  // BARACUDA_SRC_CUDA_BESPOKE_CUT_H_
