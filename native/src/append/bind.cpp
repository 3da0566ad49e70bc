// From described tensors to a filled struct: the checks on shape, strides, type and device, in the order of
// baracuda-kernels' can_implement, and then those of every append.
#include "append/bind.h"

#include <cstdio>

#include "append/backend.h"
#include "append/choices.h"
#include "append/memory.h"
#include "append/problem.h"
#include "append/tensor.h"
#include "append/transform.h"
#include "base/cancellation.h"
#include "base/element.h"
#include "base/hints.h"
#include "base/status.h"

namespace baracuda {
namespace {

constexpr const char* kElementNames = "f16, bf16, f32, fp8_e4m3, fp8_e5m2, int8 or uint8";

// One call's way through the table of operands: what is given, and what it is held against.
class Binding {
 public:
  Binding(Op* op, Operands operands) noexcept
      : op_(*op),
        operands_(operands),
        given_(given_operands(operands)),
        mirrored_(has_flag(*op, BARACUDA_FLAG_MIRRORED)),
        strided_(has_flag(*op, BARACUDA_FLAG_STRIDED)) {}

  int32_t check_and_fill() noexcept {
    BARACUDA_TRY(check_given());
    find_rank();
    if (has_flag(op_, BARACUDA_FLAG_INFER)) BARACUDA_TRY(infer());
    BARACUDA_TRY(check_shapes());
    BARACUDA_TRY(take_strides());
    BARACUDA_TRY(take_scales());
    BARACUDA_TRY(check_types());
    return take_page_table();
  }

  BARACUDA_ALWAYS_INLINE void store_pointers() noexcept {
    visit_operands(given_, [&](auto i) -> int32_t {
      pointer_in(op_, i) = address_of(*operands_[i]);
      return BARACUDA_OK;
    });
  }

 private:
  // What an append does not want must not be there: it would be forgotten without a word.
  int32_t check_given() const noexcept {
    const uint32_t unwanted = given_ & ~wanted_operands(op_);
    if (unwanted == 0) return BARACUDA_OK;
    return fail(BARACUDA_INVALID_PROBLEM,
                "%s is given; with addressing %s, table %s, lengths %s, transform %s and parts %s there is none",
                name_of(lowest_bit(unwanted)), kAddressingNames[op_.addressing], kTableNames[op_.table],
                kLengthsNames[op_.lengths], kTransforms[op_.transform].name, kPartsNames[op_.parts]);
  }

  // Without a head dimension rows have rank 2 and caches rank 3: all that are given. Where one alone is so it is the one
  // that is wrong.
  void find_rank() noexcept {
    if (mirrored_ || op_.num_heads > 1) return;
    for (int i = BARACUDA_OPERAND_KEY; i <= BARACUDA_OPERAND_V_DATA; ++i) {
      if (operands_[i] == nullptr) continue;
      headless_ = operands_[i]->ndim == rank_of(i) - 1;
      if (!headless_) return;
    }
    for (int i = BARACUDA_OPERAND_K_SCALES; i <= BARACUDA_OPERAND_V_SCALES; ++i)
      if (operands_[i] != nullptr) headless_ = operands_[i]->ndim == rank_of(i) - 1;
  }

  int rank_of(int operand) const noexcept {
    const Shape shape = kOperands[operand].shape;
    const bool is_of_rows = shape == Shape::kScales && op_.transform != BARACUDA_TRANSFORM_NVFP4;
    return shape == Shape::kRows || is_of_rows ? 3 : 4;
  }
  int given_rank_of(int operand) const noexcept { return rank_of(operand) - (headless_ ? 1 : 0); }

  template <typename Field>
  int32_t infer_extent(const char* name, int operand, int dimension, int64_t least, Field* field) noexcept {
    if (*field != 0) return BARACUDA_OK;
    const int64_t extent = operands_[operand]->shape[dimension];
    if (extent < least || extent > INT32_MAX)
      return fail(BARACUDA_INVALID_PROBLEM, "%s is %lld in the shape of %s; it should be %lld .. 2^31 - 1", name,
                  static_cast<long long>(extent), name_of(operand), static_cast<long long>(least));
    *field = static_cast<Field>(extent);
    said_ |= 1u << operand;
    return BARACUDA_OK;
  }

  int32_t check_rank(int operand, int rank) const noexcept {
    const Tensor& tensor = *operands_[operand];
    if (BARACUDA_LIKELY(tensor.ndim == rank && tensor.shape != nullptr)) return BARACUDA_OK;
    return refuse_rank(operand, tensor, rank, dimensions_of(operand));
  }

  // In words, for messages.
  const char* dimensions_of(int operand) const noexcept {
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

  // What has an entry, or a row, for each request or for each row.
  template <typename Field>
  int32_t infer_count(const char* name, int operand, Field* field, int rank = 1) noexcept {
    if (*field != 0) return BARACUDA_OK;
    if (operands_[operand] == nullptr) return check_kept(name, operand);
    BARACUDA_TRY(check_rank(operand, rank));
    return infer_extent(name, operand, 0, 0, field);
  }

  // A count that nothing says is not 0 because of that; it may be in an append that was bound before, whose operands without
  // entries may be NULL.
  BARACUDA_COLD int32_t check_kept(const char* name, int operand) noexcept {
    if (!wants(wanted_operands(op_), operand) || op_.k_data != nullptr) return BARACUDA_OK;
    return fail(BARACUDA_INVALID_PROBLEM, "%s is 0 and %s is NULL, which would say it; one of them should be given",
                name, name_of(operand));
  }

  // How many requests and rows there are: the addressing's answer, and only for a RAGGED append key's, where the number of
  // rows is not to be had without reading append_indptr.
  int32_t infer_counts() noexcept {
    switch (op_.addressing) {
      case BARACUDA_ADDRESSING_RAGGED:
        BARACUDA_TRY(infer_count("batch_size", count_said_by(), &op_.batch_size));
        return infer_count("num_rows", BARACUDA_OPERAND_KEY, &op_.num_rows, given_rank_of(BARACUDA_OPERAND_KEY));
      case BARACUDA_ADDRESSING_POSITIONS:
        BARACUDA_TRY(infer_count("num_rows", BARACUDA_OPERAND_BATCH_INDICES, &op_.num_rows));
        return infer_requests();
      case BARACUDA_ADDRESSING_SLOTS:
        return infer_count("num_rows", BARACUDA_OPERAND_SLOT_MAPPING, &op_.num_rows);
      default:
        return infer_count("batch_size", count_said_by(), &op_.batch_size);
    }
  }

  // From the entries of indptr, of which there is one more.
  int32_t infer_requests() noexcept {
    constexpr int kIndptr = BARACUDA_OPERAND_INDPTR;
    if (op_.batch_size != 0) return BARACUDA_OK;
    if (operands_[kIndptr] == nullptr) return check_kept("batch_size", kIndptr);
    BARACUDA_TRY(check_rank(kIndptr, 1));
    BARACUDA_TRY(infer_extent("batch_size + 1", kIndptr, 0, 1, &op_.batch_size));
    op_.batch_size -= 1;
    return BARACUDA_OK;
  }

  // What `op` does not state: from key, value and k_data, and the counts from what says where rows go.
  int32_t infer() noexcept {
    if (headless_) op_.num_heads = 1;
    if (BARACUDA_LIKELY(op_.transform == BARACUDA_TRANSFORM_COPY)) {
      if (op_.element == BARACUDA_ELEMENT_NONE)
        BARACUDA_TRY(infer_element(BARACUDA_OPERAND_KEY, BARACUDA_OPERAND_V_DATA, &op_.element));
    } else {
      BARACUDA_TRY(infer_elements());
    }
    for (int i = BARACUDA_OPERAND_KEY; i <= BARACUDA_OPERAND_VALUE; ++i) {
      if (operands_[i] == nullptr) continue;
      // baracuda-kernels knows one width.
      int32_t& width = i == BARACUDA_OPERAND_KEY || mirrored_ ? op_.head_dim : op_.value_head_dim;
      if (width != 0 && op_.num_heads != 0) continue;
      const int rank = given_rank_of(i);
      BARACUDA_TRY(check_rank(i, rank));
      if (!headless_) BARACUDA_TRY(infer_extent("num_heads", i, 1, 1, &op_.num_heads));
      BARACUDA_TRY(infer_extent(i == BARACUDA_OPERAND_KEY ? "head_dim" : "value_head_dim", i, rank - 1, 1, &width));
    }
    const int k_data = BARACUDA_OPERAND_K_DATA;
    if (operands_[k_data] != nullptr && (op_.page_size == 0 || op_.num_total_pages == 0)) {
      BARACUDA_TRY(check_rank(k_data, given_rank_of(k_data)));
      const int slot_dimension = headless_ || op_.layout == BARACUDA_LAYOUT_NHD ? 1 : 2;
      BARACUDA_TRY(infer_extent("page_size", k_data, slot_dimension, 1, &op_.page_size));
      BARACUDA_TRY(infer_extent("num_total_pages", k_data, 0, 1, &op_.num_total_pages));
    }
    return infer_counts();
  }

  // Of the operands first .. last. uint8 may stand for whatever the others say that it is.
  int32_t infer_element(int first, int last, int32_t* inferred) noexcept {
    bool some_uint8 = false;
    for (int i = first; i <= last; ++i) {
      if (operands_[i] == nullptr) continue;
      const Element* const element = element_of(*operands_[i]);
      if (element == nullptr) return refuse_type(i, *operands_[i], kElementNames);
      if (element->value == BARACUDA_ELEMENT_U8) {
        some_uint8 = true;
      } else if (*inferred == BARACUDA_ELEMENT_NONE) {
        *inferred = element->value;
        said_type_ |= 1u << i;
      }
    }
    if (*inferred == BARACUDA_ELEMENT_NONE && some_uint8) *inferred = BARACUDA_ELEMENT_U8;
    return BARACUDA_OK;
  }

  // Key and value have one type, and what they are written to another.
  int32_t infer_elements() noexcept {
    if (op_.source_element == BARACUDA_ELEMENT_NONE)
      BARACUDA_TRY(infer_element(BARACUDA_OPERAND_KEY, BARACUDA_OPERAND_VALUE, &op_.source_element));
    if (op_.element != BARACUDA_ELEMENT_NONE) return BARACUDA_OK;
    BARACUDA_TRY(infer_element(BARACUDA_OPERAND_K_DATA, BARACUDA_OPERAND_V_DATA, &op_.element));
    const Transform& transform = kTransforms[op_.transform];
    if (op_.element != BARACUDA_ELEMENT_U8 || (transform.elements & element_bit(op_.element)) != 0) return BARACUDA_OK;
    return fail(BARACUDA_INVALID_PROBLEM,
                "element is not stated and k_data is uint8; with transform %s it should be %s", transform.name,
                transform.element_names);
  }

  int32_t width_of(int operand) const noexcept {
    return kOperands[operand].part == 0 ? op_.head_dim : value_head_dim(op_);
  }

  Extents expected_shape(int operand) const noexcept {
    const int64_t pages = op_.num_total_pages;
    const int64_t heads = op_.num_heads;
    const int64_t slots = op_.page_size;
    const int64_t batch = op_.batch_size;
    switch (kOperands[operand].shape) {
      case Shape::kRows:
        if (headless_) return {2, true, {num_rows(op_), width_of(operand)}};
        return {3, !mirrored_, {num_rows(op_), heads, width_of(operand)}};
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

  // Of rows of `width` in the order that the layout says.
  Extents expected_cache(int64_t width) const noexcept {
    const int64_t pages = op_.num_total_pages;
    const int64_t heads = op_.num_heads;
    const int64_t slots = op_.page_size;
    if (headless_) return {3, false, {pages, slots, width}};
    if (op_.layout == BARACUDA_LAYOUT_NHD) return {4, false, {pages, slots, heads, width}};
    return {4, false, {pages, heads, slots, width}};
  }

  // What takes the operand as it is, or the natural mistake: the other layout's cache.
  const char* shape_hint(int operand, const Extents& expected) const noexcept {
    const Tensor& tensor = *operands_[operand];
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

  // What take_page_table and take_scale look at.
  static bool has_free_length(Shape shape) noexcept {
    return shape == Shape::kPageIds || shape == Shape::kBlockTable || shape == Shape::kScale;
  }

  BARACUDA_ALWAYS_INLINE int32_t check_shapes() const noexcept {
    return visit_operands(given_, [&](auto i) -> int32_t {
      if (has_free_length(kOperands[i].shape)) return BARACUDA_OK;
      const Extents expected = expected_shape(i);
      if (BARACUDA_LIKELY(has_shape(*operands_[i], expected))) return BARACUDA_OK;
      return refuse_shape_of(i, expected);
    });
  }

  BARACUDA_COLD int32_t refuse_shape_of(int operand, const Extents& expected) const noexcept {
    const Tensor& tensor = *operands_[operand];
    const char* const hint = shape_hint(operand, expected);
    if (tensor.shape == nullptr || tensor.ndim != expected.rank) {
      char dimensions[192];
      std::snprintf(dimensions, sizeof dimensions, "%s%s", dimensions_of(operand), hint);
      return refuse_rank(operand, tensor, expected.rank, dimensions);
    }
    if (*hint != '\0') return refuse_shape(operand, tensor, expected, hint);
    const int other = compared_with(operand, expected);
    if (other < 0) return refuse_shape(operand, tensor, expected, "");
    return refuse_shape_beside(operand, tensor, expected, other, *operands_[other]);
  }

  // Whose shape said what this one is held against, so that either may be the wrong one; -1 where that was stated.
  int compared_with(int operand, const Extents& expected) const noexcept {
    const Tensor& tensor = *operands_[operand];
    int dimension = 0;
    while (dimension < expected.rank - 1 && tensor.shape[dimension] == expected.extents[dimension]) ++dimension;
    const int part = kOperands[operand].part;
    if (kOperands[operand].shape == Shape::kScales) return -1;
    int other = count_said_by();
    if (kOperands[operand].shape == Shape::kRows && dimension > 0) other = BARACUDA_OPERAND_KEY;
    if (kOperands[operand].shape == Shape::kCache) {
      const int slots = headless_ || op_.layout == BARACUDA_LAYOUT_NHD ? 1 : 2;
      other = dimension == 0 || dimension == slots ? BARACUDA_OPERAND_K_DATA : BARACUDA_OPERAND_KEY + part;
    }
    return other != operand && (said_ >> other & 1u) != 0 ? other : -1;
  }

  // The operand that an append takes its number of requests, or of rows, from.
  int count_said_by() const noexcept {
    switch (op_.addressing) {
      case BARACUDA_ADDRESSING_POSITIONS:
        return BARACUDA_OPERAND_BATCH_INDICES;
      case BARACUDA_ADDRESSING_SLOTS:
        return BARACUDA_OPERAND_SLOT_MAPPING;
      default:
        return op_.lengths == BARACUDA_LENGTHS_SEQ_LENS ? BARACUDA_OPERAND_SEQ_LENS : BARACUDA_OPERAND_LAST_PAGE_LEN;
    }
  }

  int32_t take_strides() noexcept {
    return visit_operands<BARACUDA_OPERAND_KEY, BARACUDA_OPERAND_V_DATA>(given_, [&](auto i) -> int32_t {
      const Tensor& tensor = *operands_[i];
      if (!strided_) return is_contiguous(tensor) ? BARACUDA_OK : refuse_strides(i, tensor, packing_wanted(tensor));
      if (!has_whole_rows(tensor))
        return refuse_strides(i, tensor, "the elements of a row should lie side by side, the last stride be 1");
      store_strides(i, tensor);
      return BARACUDA_OK;
    });
  }

  // Those of k_scale, v_scale, k_scales and v_scales; of the first two the shapes too.
  int32_t take_scales() noexcept {
    if (BARACUDA_LIKELY(op_.transform == BARACUDA_TRANSFORM_COPY)) return BARACUDA_OK;
    return visit_operands<BARACUDA_OPERAND_K_SCALE, BARACUDA_OPERAND_V_SCALES>(given_, [&](auto i) -> int32_t {
      return kOperands[i].shape == Shape::kScale ? take_scale(i) : take_scales_strides(i);
    });
  }

  int32_t take_scale(int operand) noexcept {
    const Tensor& tensor = *operands_[operand];
    const bool is_one = tensor.ndim == 0 || (tensor.ndim == 1 && tensor.shape != nullptr && tensor.shape[0] == 1);
    const bool is_one_each = !is_one && tensor.ndim == 1 && tensor.shape != nullptr && tensor.shape[0] == op_.num_heads;
    if (!is_one && !is_one_each)
      return refuse_shape(operand, tensor, {1, false, {op_.num_heads}}, ", one for each head, or [1]");
    if (is_one_each && !is_contiguous(tensor)) return refuse_strides(operand, tensor, "it should be contiguous");
    (operand == BARACUDA_OPERAND_K_SCALE ? op_.k_scale_stride : op_.v_scale_stride) = is_one_each ? 1 : 0;
    return BARACUDA_OK;
  }

  int32_t take_scales_strides(int operand) noexcept {
    const Tensor& tensor = *operands_[operand];
    if (!strided_)
      return is_contiguous(tensor)
                 ? BARACUDA_OK
                 : refuse_strides(operand, tensor, "it should be contiguous, or its strides be asked for (STRIDED)");
    int64_t* const strides = operand == BARACUDA_OPERAND_K_SCALES ? op_.k_scales_strides : op_.v_scales_strides;
    if (op_.transform == BARACUDA_TRANSFORM_NVFP4) {
      if (!has_whole_rows(tensor))
        return refuse_strides(operand, tensor, "the scales of a row should lie side by side, the last stride be 1");
      store_place_strides(tensor, strides);
      return BARACUDA_OK;
    }
    strides[0] = stride_of(tensor, 0);
    strides[1] = stride_of(tensor, 1);
    strides[2] = headless_ ? 0 : stride_of(tensor, 2);
    return BARACUDA_OK;
  }

  // What takes any strides wants the elements of a row side by side too.
  const char* packing_wanted(const Tensor& tensor) const noexcept {
    if (!has_whole_rows(tensor)) return "it should be contiguous";
    return mirrored_
               ? "with baracuda-kernels' checks it should be contiguous: a guarded plan takes it as it is, and so "
                 "does append_paged_kv"
               : "it should be contiguous, or its strides be asked for (STRIDED)";
  }

  static bool has_whole_rows(const Tensor& tensor) noexcept {
    const int last = tensor.ndim - 1;
    return tensor.shape[last] <= 1 || stride_of(tensor, last) == 1 || is_empty(tensor);
  }

  void store_strides(int operand, const Tensor& tensor) noexcept {
    if (kOperands[operand].shape == Shape::kRows) {
      int64_t* const strides = operand == BARACUDA_OPERAND_KEY ? op_.key_strides : op_.value_strides;
      strides[0] = stride_of(tensor, 0);
      strides[1] = headless_ ? 0 : stride_of(tensor, 1);
      return;
    }
    store_place_strides(tensor, operand == BARACUDA_OPERAND_K_DATA ? op_.k_data_strides : op_.v_data_strides);
  }

  // Page, slot and head of what lies in the order that the layout says.
  void store_place_strides(const Tensor& tensor, int64_t* strides) const noexcept {
    const bool heads_first = !headless_ && op_.layout == BARACUDA_LAYOUT_HND;
    strides[0] = stride_of(tensor, 0);
    strides[1] = stride_of(tensor, heads_first ? 2 : 1);
    strides[2] = headless_ ? 0 : stride_of(tensor, heads_first ? 1 : 2);
  }

  int32_t check_types() noexcept {
    const Element* const element = find_element(op_.element);
    if (element == nullptr)
      return fail(BARACUDA_UNSUPPORTED, "element is %d; it should be one of %s (1 to 7)", op_.element, kElementNames);
    const Element* source = element;
    if (op_.transform != BARACUDA_TRANSFORM_COPY) {
      source = find_element(source_element(op_));
      if (source == nullptr)
        return fail(BARACUDA_UNSUPPORTED, "source_element is %d; it should be one of %s (1 to 7)", op_.source_element,
                    kElementNames);
    }
    return visit_operands(given_, [&](auto i) -> int32_t {
      const Tensor& tensor = *operands_[i];
      switch (kOperands[i].type) {
        case Type::kSource:
          if (has_type(tensor, *source) || is_held_as_uint8(tensor, *source)) return BARACUDA_OK;
          return refuse_element(i, *source);
        case Type::kCache:
          if (has_type(tensor, *element) || is_held_as_uint8(tensor, *element)) return BARACUDA_OK;
          return refuse_element(i, *element);
        case Type::kIndex:
          return take_index_type(i, tensor);
        case Type::kF32:
          return check_f32(i, tensor);
        case Type::kScales:
          if (op_.transform != BARACUDA_TRANSFORM_NVFP4) return check_f32(i, tensor);
          if (has_type(tensor, *find_element(BARACUDA_ELEMENT_FP8_E4M3)) ||
              has_type(tensor, *find_element(BARACUDA_ELEMENT_U8)))
            return BARACUDA_OK;
          return refuse_type(i, tensor, "fp8_e4m3 or uint8");
      }
      return BARACUDA_OK;
    });
  }

  BARACUDA_COLD int32_t refuse_element(int operand, const Element& wanted) const noexcept {
    const uint32_t others = said_type_ & ~(1u << operand);
    if (others == 0) return refuse_type(operand, *operands_[operand], wanted.name);
    return refuse_type_beside(operand, *operands_[operand], wanted.name, lowest_bit(others));
  }

  static int32_t check_f32(int operand, const Tensor& tensor) noexcept {
    return has_type(tensor, *find_element(BARACUDA_ELEMENT_F32)) ? BARACUDA_OK : refuse_type(operand, tensor, "f32");
  }

  // Frameworks without fp8 hold its bytes as uint8.
  bool is_held_as_uint8(const Tensor& tensor, const Element& element) const noexcept {
    return !mirrored_ && element.is_fp8() && has_type(tensor, *find_element(BARACUDA_ELEMENT_U8));
  }

  int32_t take_index_type(int operand, const Tensor& tensor) noexcept {
    constexpr uint8_t kInt = 0;  // DLPack's
    const bool is_int = tensor.type_code == kInt && tensor.type_lanes == 1;
    const bool is_int64 = is_int && tensor.type_bits == 64 && !mirrored_;
    if (!is_int64 && !(is_int && tensor.type_bits == 32))
      return refuse_type(operand, tensor,
                         mirrored_
                             ? "int32 (convert it, such as by .int(), or select a guarded plan, which takes int64 too)"
                             : "int32 or int64 (convert it, such as by .int())");
    const uint32_t mask = 1u << operand;
    op_.int64_operands = is_int64 ? op_.int64_operands | mask : op_.int64_operands & ~mask;
    return BARACUDA_OK;
  }

  // indices and block_table are free in length, so their shapes tell how many pages the table has.
  int32_t take_page_table() noexcept {
    if (const Tensor* const table = operands_[BARACUDA_OPERAND_BLOCK_TABLE]; table != nullptr) {
      BARACUDA_TRY(check_rank(BARACUDA_OPERAND_BLOCK_TABLE, 2));
      if (table->shape[0] < op_.batch_size)
        return fail(BARACUDA_INVALID_PROBLEM, "block_table has %lld rows; it should have one for each of %d requests",
                    static_cast<long long>(table->shape[0]), op_.batch_size);
      op_.max_pages = table->shape[1];
      op_.block_table_stride = table->shape[0] > 1 ? stride_of(*table, 0) : 0;
      if (table->shape[1] > 1 && stride_of(*table, 1) != 1 && !is_empty(*table))
        return refuse_strides(BARACUDA_OPERAND_BLOCK_TABLE, *table, "the entries of a row should lie side by side");
    }
    if (const Tensor* const indices = operands_[BARACUDA_OPERAND_INDICES]; indices != nullptr) {
      BARACUDA_TRY(check_rank(BARACUDA_OPERAND_INDICES, 1));
      op_.total_used_pages = 0;
      const int64_t least = mirrored_ || find_backend(op_.backend)->may_not_state_pages ? 1 : 0;
      BARACUDA_TRY(infer_extent("total_used_pages", BARACUDA_OPERAND_INDICES, 0, least, &op_.total_used_pages));
    }
    return visit_operands<BARACUDA_OPERAND_INDICES, BARACUDA_OPERAND_SEQ_LENS>(given_, [&](auto i) -> int32_t {
      const Tensor* const given = operands_[i];
      if (given == nullptr || kOperands[i].shape == Shape::kBlockTable || is_contiguous(*given)) return BARACUDA_OK;
      return refuse_strides(i, *given, "it should be contiguous");
    });
  }

  Op& op_;
  Operands operands_;
  uint32_t given_;
  bool mirrored_;
  bool strided_;
  bool headless_ = false;
  uint32_t said_ = 0;       // the operands whose shapes said what was not stated
  uint32_t said_type_ = 0;  // and their types
};

}  // namespace

int32_t bind_operands(Op* op, Operands operands, Append* append) noexcept {
  BARACUDA_TRY(check_choices(*op));
  Binding binding(op, operands);
  BARACUDA_TRY(binding.check_and_fill());
  BARACUDA_TRY(check_extents(*op));
  binding.store_pointers();
  make_append(*op, append);
  BARACUDA_TRY(check_memory(*op, *append));
  // The host backend calls nobody but the driver, and holds it there.
  if (append->backend->is_host) return append->backend->check_reachable(*op, operands);
  const CancellationHeld held;
  return append->backend->check_reachable(*op, operands);
}

}  // namespace baracuda
