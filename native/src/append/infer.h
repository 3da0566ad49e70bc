// What an append does not state, from the operands that say it.
#ifndef BARACUDA_SRC_APPEND_INFER_H_
#define BARACUDA_SRC_APPEND_INFER_H_

#include <cstdint>

#include "append/operands.h"
#include "append/shapes.h"
#include "base/status.h"

namespace baracuda {

// The operand that an append takes its number of requests, or of rows, from.
inline int count_said_by(const Op& op) noexcept {
  switch (static_cast<baracuda_addressing>(op.addressing)) {
    case BARACUDA_ADDRESSING_LAST_PAGE:
    case BARACUDA_ADDRESSING_RAGGED:
      break;
    case BARACUDA_ADDRESSING_POSITIONS:
      return BARACUDA_OPERAND_BATCH_INDICES;
    case BARACUDA_ADDRESSING_SLOTS:
      return BARACUDA_OPERAND_SLOT_MAPPING;
  }
  return op.lengths == BARACUDA_LENGTHS_SEQ_LENS ? BARACUDA_OPERAND_SEQ_LENS : BARACUDA_OPERAND_LAST_PAGE_LEN;
}

class Inference {
 public:
  Inference(Op* op, Operands operands, const Shapes& shapes, bool mirrored) noexcept
      : op_(*op), operands_(operands), shapes_(shapes), mirrored_(mirrored) {}

  // Fills in what is 0: from key, value and k_data, and the counts from what says where rows go.
  int32_t infer() noexcept;

  // Takes `field`, where it is 0, from an operand of a rank that was checked.
  template <typename Field>
  int32_t extent(const char* name, int operand, int dimension, int64_t least, Field* field) noexcept {
    if (*field != 0) return BARACUDA_OK;
    const int64_t extent = operands_[operand]->shape[dimension];
    if (extent < least || extent > INT32_MAX)
      return fail(BARACUDA_INVALID_PROBLEM, "%s is %lld in the shape of %s; it should be %lld .. 2^31 - 1", name,
                  static_cast<long long>(extent), name_of(operand), static_cast<long long>(least));
    *field = static_cast<Field>(extent);
    said_ |= 1u << operand;
    return BARACUDA_OK;
  }

  // Whether an operand's shape, or its type, said what was not stated.
  bool was_said_by(int operand) const noexcept { return (said_ >> operand & 1u) != 0; }
  uint32_t types_said_by() const noexcept { return said_type_; }

 private:
  template <typename Field>
  int32_t infer_count(const char* name, int operand, Field* field, int rank = 1) noexcept;
  int32_t check_kept(const char* name, int operand) const noexcept;
  int32_t infer_counts() noexcept;
  int32_t infer_requests() noexcept;
  int32_t infer_element(int first, int last, const char* names, int32_t* inferred) noexcept;
  int32_t infer_elements() noexcept;
  int32_t refuse_inferred(int32_t status, int first, int32_t inferred, const char* does,
                          const char* wanted) const noexcept;

  Op& op_;
  Operands operands_;
  const Shapes& shapes_;
  const bool mirrored_;
  uint32_t said_ = 0;
  uint32_t said_type_ = 0;
};

}  // namespace baracuda

#endif  // BARACUDA_SRC_APPEND_INFER_H_
