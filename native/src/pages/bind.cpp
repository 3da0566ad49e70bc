// From described tensors to a filled struct: the checks on shape, strides, type and device, and then those of every
// copy.
#include "pages/bind.h"

#include <algorithm>
#include <initializer_list>

#include "base/cancellation.h"
#include "base/saturating.h"
#include "base/status.h"
#include "pages/backend.h"
#include "pages/memory.h"
#include "pages/problem.h"

namespace baracuda {
namespace {

int32_t check_wanted(const CopyOp& op, CopyOperands operands) noexcept {
  for (int i = 0; i < BARACUDA_NUM_COPY_OPERANDS; ++i) {
    if ((operands[i] != nullptr) == wants(op, i)) continue;
    if (wants(op, i))
      return fail(BARACUDA_INVALID_PROBLEM, "%s is NULL; it should be the operand's tensor", copy_name_of(i));
    return fail(BARACUDA_INVALID_PROBLEM, "%s is given; with movement %s and parts %s there is none", copy_name_of(i),
                kMovementNames[op.movement], op.parts == BARACUDA_PARTS_KEY ? "KEY" : "KEY_AND_VALUE");
  }
  return BARACUDA_OK;
}

// Of an element of whole bytes; 0 of another.
int32_t element_bytes_of(const Tensor& tensor) noexcept {
  const int32_t bits = int32_t{tensor.type_bits} * tensor.type_lanes;
  return bits % 8 == 0 ? bits / 8 : 0;
}

int32_t take_count(const char* name, int operand, int64_t extent, int64_t least, int32_t* count) noexcept {
  if (extent < least || extent > INT32_MAX)
    return fail(BARACUDA_INVALID_PROBLEM, "%s is %lld in the shape of %s; it should be %lld .. 2^31 - 1", name,
                static_cast<long long>(extent), copy_name_of(operand), static_cast<long long>(least));
  *count = static_cast<int32_t>(extent);
  return BARACUDA_OK;
}

struct CacheFields {
  int32_t operand;
  int32_t* element_bytes;
  int64_t* page;
  int64_t* strides;
};

int32_t take_cache(const CacheFields& to, const Tensor& tensor, CopyOp* op) noexcept {
  const char* const name = copy_name_of(to.operand);
  BARACUDA_TRY(check_described(name, tensor));
  if (tensor.ndim < 1 || tensor.ndim > 1 + kMaxPageRank)
    return fail(BARACUDA_INVALID_PROBLEM, "%s has %d dimensions; it should have 1 to %d, the page first", name,
                tensor.ndim, 1 + kMaxPageRank);
  for (int i = 1; i < tensor.ndim; ++i)
    if (tensor.shape[i] < 1)
      return fail(BARACUDA_INVALID_PROBLEM, "%s has an extent of %lld in dimension %d; it should be at least 1", name,
                  static_cast<long long>(tensor.shape[i]), i);
  if (to.operand == BARACUDA_COPY_OPERAND_K_DATA) {
    BARACUDA_TRY(take_count("num_total_pages", to.operand, tensor.shape[0], 1, &op->num_total_pages));
  } else if (tensor.shape[0] != op->num_total_pages) {
    return fail(BARACUDA_INVALID_PROBLEM, "%s has %lld pages and k_data has %d; they should be as many", name,
                static_cast<long long>(tensor.shape[0]), op->num_total_pages);
  }
  if ((op->flags & BARACUDA_FLAG_STRIDED) == 0 && !is_contiguous(tensor))
    return refuse_strides(name, tensor, "it should be contiguous, or its strides be asked for (STRIDED)");
  *to.element_bytes = element_bytes_of(tensor);
  std::fill_n(to.page, kMaxPageRank, 0);
  std::fill_n(to.strides, 1 + kMaxPageRank, 0);
  for (int i = 0; i < tensor.ndim; ++i) {
    if (i > 0) to.page[i - 1] = tensor.shape[i];
    to.strides[i] = stride_of(tensor, i);
  }
  return BARACUDA_OK;
}

int32_t take_list(int operand, const Tensor& tensor, CopyOp* op, int* first) noexcept {
  const char* const name = copy_name_of(operand);
  BARACUDA_TRY(check_rank(name, tensor, 1));
  int32_t entries = 0;
  BARACUDA_TRY(take_count("num_copies", operand, tensor.shape[0], 0, &entries));
  if (*first >= 0 && entries != op->num_copies)
    return fail(BARACUDA_INVALID_PROBLEM, "%s has %d entries and %s has %d; they should be as many", name, entries,
                copy_name_of(*first), op->num_copies);
  *first = operand;
  op->num_copies = entries;
  if (!is_contiguous(tensor)) return refuse_strides(name, tensor, "it should be contiguous");
  constexpr uint8_t kInt = 0;  // DLPack's
  const bool is_int = tensor.type_code == kInt && tensor.type_lanes == 1;
  if (!is_int || (tensor.type_bits != 32 && tensor.type_bits != 64)) return refuse_type(name, tensor, "int32 or int64");
  const uint32_t mask = 1u << operand;
  op->int64_operands = tensor.type_bits == 64 ? op->int64_operands | mask : op->int64_operands & ~mask;
  return BARACUDA_OK;
}

// The bytes of a page say whether the rows are of these caches; what they are called by is their owner's.
int32_t check_buffer(const CopyOp& op, const Tensor& tensor) noexcept {
  const char* const name = copy_name_of(BARACUDA_COPY_OPERAND_BUFFER);
  BARACUDA_TRY(check_described(name, tensor));
  if (tensor.ndim < 2 || tensor.shape[0] < op.num_copies)
    return fail(BARACUDA_INVALID_PROBLEM,
                "%s has %d dimensions and %lld rows; it should have 2 or more, and a row for each of %d pages", name,
                tensor.ndim, tensor.ndim < 1 ? 0LL : static_cast<long long>(tensor.shape[0]), op.num_copies);
  uint64_t row_bytes = static_cast<uint64_t>(element_bytes_of(tensor));
  for (int i = 1; i < tensor.ndim; ++i)
    row_bytes = saturating_product(row_bytes, tensor.shape[i] < 0 ? 0 : static_cast<uint64_t>(tensor.shape[i]));
  uint64_t page_bytes = 0;
  for (int part = 0; part < num_parts(op); ++part)
    page_bytes = saturating_sum(page_bytes, bytes_of_page(cache_in(op, part)));
  if (row_bytes != page_bytes)
    return fail(BARACUDA_INVALID_PROBLEM, "%s has rows of %llu bytes; a page has %llu, %s", name,
                static_cast<unsigned long long>(row_bytes), static_cast<unsigned long long>(page_bytes),
                num_parts(op) == 1 ? "of k_data alone" : "K's and then V's");
  return is_contiguous(tensor) ? BARACUDA_OK : refuse_strides(name, tensor, "it should be contiguous");
}

int32_t fill(CopyOp* op, CopyOperands operands) noexcept {
  BARACUDA_TRY(check_wanted(*op, operands));
  const CacheFields caches[] = {{BARACUDA_COPY_OPERAND_K_DATA, &op->k_element_bytes, op->k_page, op->k_data_strides},
                                {BARACUDA_COPY_OPERAND_V_DATA, &op->v_element_bytes, op->v_page, op->v_data_strides}};
  for (int i = 0; i < num_parts(*op); ++i) BARACUDA_TRY(take_cache(caches[i], *operands[caches[i].operand], op));
  int first = -1;
  for (const int list : {BARACUDA_COPY_OPERAND_SOURCE, BARACUDA_COPY_OPERAND_DESTINATION})
    if (operands[list] != nullptr) BARACUDA_TRY(take_list(list, *operands[list], op, &first));
  BARACUDA_TRY(check_copy_extents(*op));
  if (operands[BARACUDA_COPY_OPERAND_BUFFER] != nullptr)
    BARACUDA_TRY(check_buffer(*op, *operands[BARACUDA_COPY_OPERAND_BUFFER]));
  for (int i = 0; i < BARACUDA_NUM_COPY_OPERANDS; ++i)
    if (operands[i] != nullptr) pointer_in(*op, i) = address_of(*operands[i]);
  return BARACUDA_OK;
}

}  // namespace

int32_t bind_copy(CopyOp* op, CopyOperands operands, PageCopy* copy) noexcept {
  BARACUDA_TRY(check_copy_choices(*op));
  BARACUDA_TRY(fill(op, operands));
  make_copy(*op, copy);
  BARACUDA_TRY(check_copy_memory(*op, *copy));
  const CancellationHeld held;
  return copy->backend->check_reachable(*op, operands);
}

}  // namespace baracuda
