// From described tensors to a filled struct: the checks on shape, strides, type and device, in the order of
// baracuda-kernels' can_implement, and then those of every append.
#include "append/bind.h"

#include <cstdio>

#include "append/backend.h"
#include "append/choices.h"
#include "append/infer.h"
#include "append/memory.h"
#include "append/problem.h"
#include "append/shapes.h"
#include "append/tensor.h"
#include "append/transform.h"
#include "base/cancellation.h"
#include "base/element.h"
#include "base/hints.h"
#include "base/status.h"

namespace baracuda {
namespace {

// One call's way through the table of operands: what is given, and what it is held against.
class Binding {
 public:
  Binding(Op* op, Operands operands) noexcept
      : op_(*op),
        operands_(operands),
        given_(given_operands(operands)),
        mirrored_(has_flag(*op, BARACUDA_FLAG_MIRRORED)),
        strided_(has_flag(*op, BARACUDA_FLAG_STRIDED)),
        shapes_(*op, operands, mirrored_),
        inference_(op, operands, shapes_, mirrored_) {}

  int32_t check_and_fill() noexcept {
    BARACUDA_TRY(check_given());
    if (has_flag(op_, BARACUDA_FLAG_INFER)) BARACUDA_TRY(inference_.infer());
    BARACUDA_TRY(check_shapes());
    BARACUDA_TRY(take_strides());
    BARACUDA_TRY(take_scales());
    BARACUDA_TRY(check_types());
    return take_page_table();
  }

  BARACUDA_ALWAYS_INLINE void store_pointers() noexcept {
    visit_operands(given_, [&](int i) -> int32_t {
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
                name_of(lowest_bit(unwanted)), kAddressingNames.of(op_.addressing), kTableNames.of(op_.table),
                kLengthsNames.of(op_.lengths), kTransforms[op_.transform].name, kPartsNames.of(op_.parts));
  }

  BARACUDA_ALWAYS_INLINE int32_t check_shapes() const noexcept {
    return visit_operands(given_, [&](int i) -> int32_t {
      if (Shapes::has_free_length(kOperands[i].shape)) return BARACUDA_OK;
      const Extents expected = shapes_.expected(i);
      if (BARACUDA_LIKELY(has_shape(*operands_[i], expected))) return BARACUDA_OK;
      return refuse_shape_of(i, expected);
    });
  }

  BARACUDA_COLD int32_t refuse_shape_of(int operand, const Extents& expected) const noexcept {
    const Tensor& tensor = *operands_[operand];
    const char* const hint = shapes_.hint_for(operand, tensor, expected);
    if (tensor.shape == nullptr || tensor.ndim != expected.rank) {
      char dimensions[192];
      std::snprintf(dimensions, sizeof dimensions, "%s%s", shapes_.dimensions_of(operand), hint);
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
    int other = count_said_by(op_);
    const bool key_says_rows = op_.addressing == BARACUDA_ADDRESSING_RAGGED;
    if (kOperands[operand].shape == Shape::kRows && (dimension > 0 || key_says_rows)) other = BARACUDA_OPERAND_KEY;
    if (op_.addressing == BARACUDA_ADDRESSING_POSITIONS && operand == BARACUDA_OPERAND_INDPTR) return -1;
    if (kOperands[operand].shape == Shape::kCache) {
      const int slots = shapes_.headless() || op_.layout == BARACUDA_LAYOUT_NHD ? 1 : 2;
      other = dimension == 0 || dimension == slots ? BARACUDA_OPERAND_K_DATA : BARACUDA_OPERAND_KEY + part;
    }
    return other != operand && inference_.was_said_by(other) ? other : -1;
  }

  int32_t take_strides() noexcept {
    return visit_operands<lies_by_strides>(given_, [&](int i) -> int32_t {
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
    return visit_operands<is_scale>(given_, [&](int i) -> int32_t {
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
    strides[2] = shapes_.headless() ? 0 : stride_of(tensor, 2);
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
      strides[1] = shapes_.headless() ? 0 : stride_of(tensor, 1);
      return;
    }
    store_place_strides(tensor, operand == BARACUDA_OPERAND_K_DATA ? op_.k_data_strides : op_.v_data_strides);
  }

  // Page, slot and head of what lies in the order that the layout says.
  void store_place_strides(const Tensor& tensor, int64_t* strides) const noexcept {
    const bool heads_first = !shapes_.headless() && op_.layout == BARACUDA_LAYOUT_HND;
    strides[0] = stride_of(tensor, 0);
    strides[1] = stride_of(tensor, heads_first ? 2 : 1);
    strides[2] = shapes_.headless() ? 0 : stride_of(tensor, heads_first ? 1 : 2);
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
    return visit_operands(given_, [&](int i) -> int32_t {
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
    const Tensor& tensor = *operands_[operand];
    uint32_t others = inference_.types_said_by() & ~(1u << operand);
    const char* hint = "";
    if (op_.transform != BARACUDA_TRANSFORM_COPY)  // rows have one type, and caches another
      others &= is_row(kOperands[operand]) ? operands_of_kind<is_row>() : operands_of_kind<is_cache>();
    else if (!mirrored_ && may_be_quantised(operand, wanted))
      hint = "; with k_scale (FP8), or k_scales (PER_TOKEN_HEAD), rows are quantised";
    char type[160];
    std::snprintf(type, sizeof type, "%s%s", wanted.name, hint);
    if (others == 0) return refuse_type(operand, tensor, type);
    std::snprintf(type, sizeof type, "%s, as %s is%s", wanted.name, name_of(lowest_bit(others)), hint);
    return refuse_type(operand, tensor, type);
  }

  static constexpr bool is_row(const Operand& operand) noexcept { return operand.type == Type::kSource; }
  static constexpr bool is_cache(const Operand& operand) noexcept { return operand.type == Type::kCache; }

  // Of a copy whose rows and caches have two types: whether some transform reads the one and writes the other.
  bool may_be_quantised(int operand, const Element& wanted) const noexcept {
    const Element* const found = element_of(*operands_[operand]);
    if (found == nullptr) return false;
    const uint32_t source = element_bit(is_row(kOperands[operand]) ? found->value : wanted.value);
    const uint32_t element = element_bit(is_row(kOperands[operand]) ? wanted.value : found->value);
    const auto takes_both = [&](const Transform& transform) {
      return (transform.sources & source) != 0 && (transform.elements & element) != 0;
    };
    return takes_both(kTransforms[BARACUDA_TRANSFORM_FP8]) ||
           takes_both(kTransforms[BARACUDA_TRANSFORM_PER_TOKEN_HEAD]);
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
                         mirrored_ ? "int32 (convert it, by torch's .int() or NumPy's .astype('int32'), or select a "
                                     "guarded plan, which takes int64 too)"
                                   : "int32 or int64 (convert it, by torch's .int() or NumPy's .astype('int32'))");
    const uint32_t mask = 1u << operand;
    op_.int64_operands = is_int64 ? op_.int64_operands | mask : op_.int64_operands & ~mask;
    return BARACUDA_OK;
  }

  // indices and block_table are free in length, so their shapes tell how many pages the table has.
  int32_t take_page_table() noexcept {
    if (const Tensor* const table = operands_[BARACUDA_OPERAND_BLOCK_TABLE]; table != nullptr) {
      BARACUDA_TRY(shapes_.check_rank(BARACUDA_OPERAND_BLOCK_TABLE, *table, 2));
      if (table->shape[0] < op_.batch_size)
        return fail(BARACUDA_INVALID_PROBLEM, "block_table has %lld rows; it should have one for each of %d requests",
                    static_cast<long long>(table->shape[0]), op_.batch_size);
      op_.max_pages = table->shape[1];
      op_.block_table_stride = table->shape[0] > 1 ? stride_of(*table, 0) : 0;
      if (table->shape[1] > 1 && stride_of(*table, 1) != 1 && !is_empty(*table))
        return refuse_strides(BARACUDA_OPERAND_BLOCK_TABLE, *table, "the entries of a row should lie side by side");
    }
    if (const Tensor* const indices = operands_[BARACUDA_OPERAND_INDICES]; indices != nullptr) {
      BARACUDA_TRY(shapes_.check_rank(BARACUDA_OPERAND_INDICES, *indices, 1));
      op_.total_used_pages = 0;
      const int64_t least = mirrored_ || find_backend(op_.backend)->may_not_state_pages ? 1 : 0;
      BARACUDA_TRY(inference_.extent("total_used_pages", BARACUDA_OPERAND_INDICES, 0, least, &op_.total_used_pages));
    }
    return visit_operands<says_places>(given_, [&](int i) -> int32_t {
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
  Shapes shapes_;
  Inference inference_;
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
