#include "append/infer.h"

#include "append/tensor.h"
#include "append/transform.h"
#include "base/element.h"
#include "base/hints.h"

namespace baracuda {

// What has an entry, or a row, for each request or for each row.
template <typename Field>
int32_t Inference::infer_count(const char* name, int operand, Field* field, int rank) noexcept {
  if (*field != 0) return BARACUDA_OK;
  if (operands_[operand] == nullptr) return check_kept(name, operand);
  BARACUDA_TRY(shapes_.check_rank(operand, *operands_[operand], rank));
  return extent(name, operand, 0, 0, field);
}

// A count that nothing says is not 0 because of that; it may be in an append that was bound before, whose operands
// without entries may be NULL.
BARACUDA_COLD int32_t Inference::check_kept(const char* name, int operand) const noexcept {
  if (!wants(wanted_operands(op_), operand) || op_.k_data != nullptr) return BARACUDA_OK;
  return fail(BARACUDA_INVALID_PROBLEM, "%s is 0 and %s is NULL, which would say it; one of them should be given", name,
              name_of(operand));
}

// How many requests and rows there are: the addressing's answer, and only for a RAGGED append key's, where the number
// of rows is not to be had without reading append_indptr.
int32_t Inference::infer_counts() noexcept {
  switch (static_cast<baracuda_addressing>(op_.addressing)) {
    case BARACUDA_ADDRESSING_LAST_PAGE:
      break;
    case BARACUDA_ADDRESSING_RAGGED:
      BARACUDA_TRY(infer_count("batch_size", count_said_by(op_), &op_.batch_size));
      return infer_count("num_rows", BARACUDA_OPERAND_KEY, &op_.num_rows, shapes_.given_rank_of(BARACUDA_OPERAND_KEY));
    case BARACUDA_ADDRESSING_POSITIONS:
      BARACUDA_TRY(infer_count("num_rows", BARACUDA_OPERAND_BATCH_INDICES, &op_.num_rows));
      return infer_requests();
    case BARACUDA_ADDRESSING_SLOTS:
      return infer_count("num_rows", BARACUDA_OPERAND_SLOT_MAPPING, &op_.num_rows);
  }
  return infer_count("batch_size", count_said_by(op_), &op_.batch_size);
}

// From the entries of indptr, of which there is one more.
int32_t Inference::infer_requests() noexcept {
  constexpr int kIndptr = BARACUDA_OPERAND_INDPTR;
  if (op_.batch_size != 0) return BARACUDA_OK;
  if (operands_[kIndptr] == nullptr) return check_kept("batch_size", kIndptr);
  BARACUDA_TRY(shapes_.check_rank(kIndptr, *operands_[kIndptr], 1));
  BARACUDA_TRY(extent("batch_size + 1", kIndptr, 0, 1, &op_.batch_size));
  op_.batch_size -= 1;
  return BARACUDA_OK;
}

int32_t Inference::infer() noexcept {
  if (shapes_.headless()) op_.num_heads = 1;
  if (BARACUDA_LIKELY(op_.transform == BARACUDA_TRANSFORM_COPY)) {
    if (op_.element == BARACUDA_ELEMENT_NONE)
      BARACUDA_TRY(infer_element(BARACUDA_OPERAND_KEY, BARACUDA_OPERAND_V_DATA, kElementNames, &op_.element));
  } else {
    BARACUDA_TRY(infer_elements());
  }
  for (int i = BARACUDA_OPERAND_KEY; i <= BARACUDA_OPERAND_VALUE; ++i) {
    if (operands_[i] == nullptr) continue;
    // baracuda-kernels knows one width.
    int32_t& width = i == BARACUDA_OPERAND_KEY || mirrored_ ? op_.head_dim : op_.value_head_dim;
    if (width != 0 && op_.num_heads != 0) continue;
    const int rank = shapes_.given_rank_of(i);
    BARACUDA_TRY(shapes_.check_rank(i, *operands_[i], rank));
    if (!shapes_.headless()) BARACUDA_TRY(extent("num_heads", i, 1, 1, &op_.num_heads));
    BARACUDA_TRY(extent(i == BARACUDA_OPERAND_KEY ? "head_dim" : "value_head_dim", i, rank - 1, 1, &width));
  }
  const int k_data = BARACUDA_OPERAND_K_DATA;
  if (operands_[k_data] != nullptr && (op_.page_size == 0 || op_.num_total_pages == 0)) {
    BARACUDA_TRY(shapes_.check_rank(k_data, *operands_[k_data], shapes_.given_rank_of(k_data)));
    const int slot_dimension = shapes_.headless() || op_.layout == BARACUDA_LAYOUT_NHD ? 1 : 2;
    BARACUDA_TRY(extent("page_size", k_data, slot_dimension, 1, &op_.page_size));
    BARACUDA_TRY(extent("num_total_pages", k_data, 0, 1, &op_.num_total_pages));
  }
  return infer_counts();
}

// Of the operands first .. last. uint8 may stand for whatever the others say that it is.
int32_t Inference::infer_element(int first, int last, const char* names, int32_t* inferred) noexcept {
  bool some_uint8 = false;
  for (int i = first; i <= last; ++i) {
    if (operands_[i] == nullptr) continue;
    const Element* const element = element_of(*operands_[i]);
    if (element == nullptr) return refuse_type(i, *operands_[i], names);
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

// The type that was inferred from the operand `first`, or from the one behind it.
BARACUDA_COLD int32_t Inference::refuse_inferred(int32_t status, int first, int32_t inferred, const char* does,
                                                 const char* wanted) const noexcept {
  const uint32_t said = said_type_ & (3u << first);
  return fail(status, "%s is of type %s; transform %s %s %s", name_of(said != 0 ? lowest_bit(said) : first),
              element_name(inferred), kTransforms[op_.transform].name, does, wanted);
}

// Key and value have one type, and what they are written to another.
int32_t Inference::infer_elements() noexcept {
  const Transform& transform = kTransforms[op_.transform];
  if (op_.source_element == BARACUDA_ELEMENT_NONE) {
    BARACUDA_TRY(
        infer_element(BARACUDA_OPERAND_KEY, BARACUDA_OPERAND_VALUE, transform.source_names, &op_.source_element));
    if (op_.source_element != BARACUDA_ELEMENT_NONE && (transform.sources & element_bit(op_.source_element)) == 0)
      return refuse_inferred(BARACUDA_INVALID_PROBLEM, BARACUDA_OPERAND_KEY, op_.source_element,
                             "reads key and value of", transform.source_names);
  }
  if (op_.element != BARACUDA_ELEMENT_NONE) return BARACUDA_OK;
  BARACUDA_TRY(infer_element(BARACUDA_OPERAND_K_DATA, BARACUDA_OPERAND_V_DATA, transform.element_names, &op_.element));
  if (op_.element == BARACUDA_ELEMENT_NONE || (transform.elements & element_bit(op_.element)) != 0) return BARACUDA_OK;
  if (op_.element == BARACUDA_ELEMENT_U8)
    return fail(BARACUDA_INVALID_PROBLEM,
                "element is not stated and k_data is uint8; with transform %s it should be %s", transform.name,
                transform.element_names);
  return refuse_inferred(BARACUDA_UNSUPPORTED, BARACUDA_OPERAND_K_DATA, op_.element, "writes caches of",
                         transform.element_names);
}

}  // namespace baracuda
