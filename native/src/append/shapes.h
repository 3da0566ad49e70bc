// What shape each operand should have, in numbers and in words.
#ifndef BARACUDA_SRC_APPEND_SHAPES_H_
#define BARACUDA_SRC_APPEND_SHAPES_H_

#include <cstdint>

#include "append/operands.h"
#include "append/problem.h"
#include "append/tensor.h"
#include "append/transform.h"
#include "base/hints.h"
#include "base/status.h"

namespace baracuda {

// Of an append whose choices are known. What it does not state yet is looked at when it is asked for.
class Shapes {
 public:
  Shapes(const Op& op, Operands operands, bool mirrored) noexcept : op_(op), mirrored_(mirrored) {
    if (!mirrored && op.num_heads <= 1) find_rank(operands);
  }

  // Whether there is no head dimension.
  bool headless() const noexcept { return headless_; }

  int given_rank_of(int operand) const noexcept { return rank_of(operand) - (headless_ ? 1 : 0); }

  int32_t check_rank(int operand, const Tensor& tensor, int rank) const noexcept {
    if (BARACUDA_LIKELY(tensor.ndim == rank && tensor.shape != nullptr)) return BARACUDA_OK;
    return refuse_rank(operand, tensor, rank, dimensions_of(operand));
  }

  // Whether an operand's length says something, and so is nothing that it is held against.
  static bool has_free_length(Shape shape) noexcept {
    return shape == Shape::kPageIds || shape == Shape::kBlockTable || shape == Shape::kScale;
  }

  Extents expected(int operand) const noexcept {
    const int64_t pages = op_.num_total_pages;
    const int64_t heads = op_.num_heads;
    const int64_t slots = op_.page_size;
    const int64_t batch = op_.batch_size;
    switch (kOperands[operand].shape) {
      case Shape::kRows: {
        // Those of a prefill without requests too: it may be bound anew, with some, to the same rows.
        const int64_t rows = op_.addressing == BARACUDA_ADDRESSING_RAGGED ? op_.num_rows : num_rows(op_);
        if (headless_) return {2, true, {rows, width_of(operand)}};
        return {3, !mirrored_, {rows, heads, width_of(operand)}};
      }
      case Shape::kCache:
        return expected_cache(cache_width(op_.transform, width_of(operand)));
      case Shape::kPerRequest:
        return {1, false, {batch}};
      case Shape::kPerRequestAnd1:
        return {1, false, {batch + 1}};
      case Shape::kPerRow:
        return {1, false, {num_rows(op_)}};
      case Shape::kScales:
        if (op_.transform == BARACUDA_TRANSFORM_NVFP4)
          return expected_cache(scales_width(op_.transform, width_of(operand)));
        if (headless_) return {2, false, {pages, slots}};
        return {3, false, {pages, slots, heads}};
      case Shape::kPageIds:
      case Shape::kBlockTable:
      case Shape::kScale:
        break;
    }
    return {0, false, {}};
  }

  // In words, for messages.
  const char* dimensions_of(int operand) const noexcept;

  // What takes an operand as it is that is not as expected, or the natural mistake: the other layout's cache.
  const char* hint_for(int operand, const Tensor& tensor, const Extents& expected) const noexcept;

 private:
  // Without a head dimension rows have rank 2 and caches rank 3. What most of them have is meant, or k_data's where as
  // many have the other, and the others are wrong. Scales are asked where nothing else is given.
  void find_rank(Operands operands) noexcept;

  int rank_of(int operand) const noexcept {
    const Shape shape = kOperands[operand].shape;
    const bool is_of_rows = shape == Shape::kScales && op_.transform != BARACUDA_TRANSFORM_NVFP4;
    return shape == Shape::kRows || is_of_rows ? 3 : 4;
  }
  int32_t width_of(int operand) const noexcept {
    return kOperands[operand].part == 0 ? op_.head_dim : value_head_dim(op_);
  }

  // Of rows of `width` in the order that the layout says.
  Extents expected_cache(int64_t width) const noexcept {
    const int64_t pages = op_.num_total_pages;
    const int64_t heads = op_.num_heads;
    const int64_t slots = op_.page_size;
    if (headless_) return {3, false, {pages, slots, width}};
    if (op_.layout == BARACUDA_LAYOUT_NHD) return {4, false, {pages, slots, heads, width}};
    return {4, false, {pages, heads, slots, width}};
  }

  const Op& op_;
  const bool mirrored_;
  bool headless_ = false;
};

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_SHAPES_H_
