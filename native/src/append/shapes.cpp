#include "append/shapes.h"

namespace baracuda {

void Shapes::find_rank(Operands operands) noexcept {
  for (int i = BARACUDA_OPERAND_KEY; i <= BARACUDA_OPERAND_V_DATA; ++i) {
    if (operands[i] == nullptr) continue;
    headless_ = operands[i]->ndim == rank_of(i) - 1;
    if (!headless_) return;
  }
  for (int i = BARACUDA_OPERAND_K_SCALES; i <= BARACUDA_OPERAND_V_SCALES; ++i)
    if (operands[i] != nullptr) headless_ = operands[i]->ndim == rank_of(i) - 1;
}

const char* Shapes::dimensions_of(int operand) const noexcept {
  const bool by_request = op_.addressing == BARACUDA_ADDRESSING_LAST_PAGE;
  switch (kOperands[operand].shape) {
    case Shape::kRows:
      if (headless_) return by_request ? "[batch, head_dim]" : "[rows, head_dim]";
      return by_request ? "[batch, num_kv_heads, head_dim]" : "[rows, num_kv_heads, head_dim]";
    case Shape::kCache:
      if (headless_) return "[num_total_pages, page_size, head_dim]";
      return op_.layout == BARACUDA_LAYOUT_NHD ? "[num_total_pages, page_size, num_kv_heads, head_dim]"
                                               : "[num_total_pages, num_kv_heads, page_size, head_dim]";
    case Shape::kPageIds:
      return "[pages of all requests]";
    case Shape::kPerRequest:
      return "[batch]";
    case Shape::kPerRequestAnd1:
      return "[batch + 1]";
    case Shape::kPerRow:
      return "[rows]";
    case Shape::kBlockTable:
      return "[batch, max_pages]";
    case Shape::kScale:
    case Shape::kScales:
      break;
  }
  return "";
}

const char* Shapes::hint_for(int operand, const Tensor& tensor, const Extents& expected) const noexcept {
  const bool is_part = operand <= BARACUDA_OPERAND_V_DATA;
  if (mirrored_ && is_part && tensor.shape != nullptr && tensor.ndim == expected.rank - 1)
    return " (a guarded plan takes tensors without a head dimension, and so does append_paged_kv)";
  Extents or_more = expected;
  or_more.or_more = true;
  if (mirrored_ && kOperands[operand].shape == Shape::kRows && has_shape(tensor, or_more))
    return " (a guarded plan takes rows behind those, and so does append_paged_kv)";
  const bool heads_first = op_.layout == BARACUDA_LAYOUT_HND;
  if (kOperands[operand].shape != Shape::kCache || tensor.ndim != 4 || tensor.shape == nullptr) return "";
  if (tensor.shape[heads_first ? 2 : 1] != op_.num_heads) return "";
  return heads_first ? " (for [pages, page_size, heads, head_dim] pass layout=NHD)"
                     : " (for [pages, heads, page_size, head_dim] pass layout=HND)";
}

}  // namespace baracuda
