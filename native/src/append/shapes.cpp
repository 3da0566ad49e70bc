#include "append/shapes.h"

namespace baracuda {

void Shapes::find_rank(Operands operands) noexcept {
  const auto missing = [&](int i) { return rank_of(i) - operands[i]->ndim; };
  const auto has_all = [&](int i) { return operands[i] != nullptr && missing(i) == 0; };
  if (has_all(BARACUDA_OPERAND_KEY) && has_all(BARACUDA_OPERAND_K_DATA)) return;  // two of four, and k_data
  int without = 0;  // how many more have one dimension less than have all of them
  bool some = false;
  const auto count = [&](int first, int last) {
    for (int i = first; i <= last; ++i) {
      if (operands[i] == nullptr) continue;
      some = true;
      if (missing(i) == 1) ++without;
      if (missing(i) == 0) --without;
    }
  };
  count(BARACUDA_OPERAND_KEY, BARACUDA_OPERAND_V_DATA);
  if (!some) count(BARACUDA_OPERAND_K_SCALES, BARACUDA_OPERAND_V_SCALES);
  const bool k_data_has_none = operands[BARACUDA_OPERAND_K_DATA] != nullptr && missing(BARACUDA_OPERAND_K_DATA) == 1;
  headless_ = without > 0 || (without == 0 && k_data_has_none);
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
    case Shape::kScales:
      if (op_.transform == BARACUDA_TRANSFORM_NVFP4) return "those of its cache";
      return headless_ ? "[num_total_pages, page_size]" : "[num_total_pages, page_size, num_kv_heads]";
    case Shape::kScale:
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
