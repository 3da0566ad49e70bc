// From described tensors to a filled struct: the checks on shape, strides, type and device, in the order of the Rust
// plan's can_implement, and then those of every append.
#include "append/bind.h"

#include <cstddef>
#include <cstdio>

#include "append/element.h"
#include "append/operands.h"
#include "append/problem.h"
#include "append/status.h"

namespace baracuda {
namespace {

constexpr int kMaxRank = 4;
constexpr size_t kTextBytes = 96;

// An expected shape: rank extents, all of them stated.
struct Shape {
  int rank;
  int64_t extents[kMaxRank];
};

void write_shape(char (&text)[kTextBytes], int rank, const int64_t* extents) noexcept {
  size_t used = 0;
  text[0] = '\0';
  for (int i = 0; i < rank && used < kTextBytes; ++i) {
    const int written =
        std::snprintf(text + used, kTextBytes - used, i == 0 ? "%lld" : ", %lld", static_cast<long long>(extents[i]));
    used += written > 0 ? static_cast<size_t>(written) : 0;
  }
}

void write_type(char (&text)[kTextBytes], const Tensor& tensor) noexcept {
  const Element* element = find_element(tensor.type_code, tensor.type_bits);
  if (element != nullptr && tensor.type_lanes == 1) {
    std::snprintf(text, kTextBytes, "%s", element->name);
    return;
  }
  static constexpr const char* kKinds[] = {"int", "uint", "float", "opaque", "bfloat", "complex", "bool"};
  if (tensor.type_code < sizeof(kKinds) / sizeof(kKinds[0]) && tensor.type_lanes == 1)
    std::snprintf(text, kTextBytes, "%s%u", kKinds[tensor.type_code], tensor.type_bits);
  else
    std::snprintf(text, kTextBytes, "DLPack type (%u, %u, %u)", tensor.type_code, tensor.type_bits, tensor.type_lanes);
}

int32_t check_rank(baracuda_operand operand, const Tensor& tensor, int rank) noexcept {
  if (tensor.ndim < 0 || (tensor.ndim > 0 && tensor.shape == nullptr))
    return fail(BARACUDA_INVALID_PROBLEM, "%s has ndim %d and no shape", kOperandNames[operand], tensor.ndim);
  if (tensor.ndim == rank) return BARACUDA_OK;
  return fail(BARACUDA_INVALID_PROBLEM, "%s has %d dimensions; it should have %d", kOperandNames[operand], tensor.ndim,
              rank);
}

int32_t check_shape(baracuda_operand operand, const Tensor* tensor, const Shape& expected) noexcept {
  if (tensor == nullptr) return BARACUDA_OK;
  if (tensor->ndim < 0 || (tensor->ndim > 0 && tensor->shape == nullptr))
    return fail(BARACUDA_INVALID_PROBLEM, "%s has ndim %d and no shape", kOperandNames[operand], tensor->ndim);
  bool same = tensor->ndim == expected.rank;
  for (int i = 0; same && i < expected.rank; ++i) same = tensor->shape[i] == expected.extents[i];
  if (same) return BARACUDA_OK;
  char is[kTextBytes];
  char should_be[kTextBytes];
  write_shape(is, tensor->ndim, tensor->shape);
  write_shape(should_be, expected.rank, expected.extents);
  return fail(BARACUDA_INVALID_PROBLEM, "%s has shape [%s]; it should be [%s]", kOperandNames[operand], is, should_be);
}

// A dimension of extent 1 is never stepped over, so its stride may be anything.
bool is_contiguous(const Tensor& tensor) noexcept {
  if (tensor.strides == nullptr) return true;
  uint64_t step = 1;
  for (int i = tensor.ndim - 1; i >= 0; --i) {
    if (tensor.shape[i] != 1 && static_cast<uint64_t>(tensor.strides[i]) != step) return false;
    step *= static_cast<uint64_t>(tensor.shape[i]);
  }
  return true;
}

int32_t check_contiguous(baracuda_operand operand, const Tensor* tensor) noexcept {
  if (tensor == nullptr || is_contiguous(*tensor)) return BARACUDA_OK;
  char shape[kTextBytes];
  char strides[kTextBytes];
  write_shape(shape, tensor->ndim, tensor->shape);
  write_shape(strides, tensor->ndim, tensor->strides);
  return fail(BARACUDA_UNSUPPORTED, "%s of shape [%s] has strides [%s] (in elements); it should be contiguous",
              kOperandNames[operand], shape, strides);
}

int32_t check_type(baracuda_operand operand, const Tensor* tensor, const Element& element) noexcept {
  if (tensor == nullptr ||
      (tensor->type_code == element.dlpack_code && tensor->type_bits == element.bits && tensor->type_lanes == 1))
    return BARACUDA_OK;
  char is[kTextBytes];
  write_type(is, *tensor);
  return fail(BARACUDA_UNSUPPORTED, "%s is of type %s; it should be %s", kOperandNames[operand], is, element.name);
}

constexpr Element kPageTableType = {0, "int32", 0, 32};

int32_t infer_extent(const char* name, baracuda_operand operand, int64_t extent, int32_t* field) noexcept {
  if (*field != 0) return BARACUDA_OK;
  if (extent < 1 || extent > INT32_MAX)
    return fail(BARACUDA_INVALID_PROBLEM, "%s is %lld in the shape of %s; it should be 1 .. 2^31 - 1", name,
                static_cast<long long>(extent), kOperandNames[operand]);
  *field = static_cast<int32_t>(extent);
  return BARACUDA_OK;
}

// Fills in what `op` does not state, from key and k_data, which state all of it.
int32_t infer_problem(Append* op, Operands operands) noexcept {
  if (const Tensor* key = operands[BARACUDA_OPERAND_KEY]; key != nullptr) {
    if (op->batch_size == 0 || op->num_heads == 0 || op->head_dim == 0)
      BARACUDA_TRY(check_rank(BARACUDA_OPERAND_KEY, *key, 3));
    if (op->batch_size == 0)
      BARACUDA_TRY(infer_extent("batch_size", BARACUDA_OPERAND_KEY, key->shape[0], &op->batch_size));
    if (op->num_heads == 0)
      BARACUDA_TRY(infer_extent("num_heads", BARACUDA_OPERAND_KEY, key->shape[1], &op->num_heads));
    if (op->head_dim == 0) BARACUDA_TRY(infer_extent("head_dim", BARACUDA_OPERAND_KEY, key->shape[2], &op->head_dim));
    if (op->element == BARACUDA_ELEMENT_NONE) {
      const Element* element = find_element(key->type_code, key->type_bits);
      if (element == nullptr || key->type_lanes != 1) {
        char is[kTextBytes];
        write_type(is, *key);
        return fail(BARACUDA_UNSUPPORTED, "key is of type %s; it should be one of the element types", is);
      }
      op->element = element->value;
    }
  }
  if (const Tensor* k_data = operands[BARACUDA_OPERAND_K_DATA]; k_data != nullptr) {
    if (op->page_size == 0 || op->num_total_pages == 0) BARACUDA_TRY(check_rank(BARACUDA_OPERAND_K_DATA, *k_data, 4));
    if (op->page_size == 0)
      BARACUDA_TRY(infer_extent("page_size", BARACUDA_OPERAND_K_DATA,
                                k_data->shape[op->layout == BARACUDA_LAYOUT_NHD ? 1 : 2], &op->page_size));
    if (op->num_total_pages == 0)
      BARACUDA_TRY(infer_extent("num_total_pages", BARACUDA_OPERAND_K_DATA, k_data->shape[0], &op->num_total_pages));
  }
  return BARACUDA_OK;
}

int32_t check_shapes(const Append& op, Operands operands) noexcept {
  const int64_t pages = op.num_total_pages;
  const Shape rows = {3, {op.batch_size, op.num_heads, op.head_dim}};
  const Shape cache = op.layout == BARACUDA_LAYOUT_NHD ? Shape{4, {pages, op.page_size, op.num_heads, op.head_dim}}
                                                       : Shape{4, {pages, op.num_heads, op.page_size, op.head_dim}};
  BARACUDA_TRY(check_shape(BARACUDA_OPERAND_KEY, operands[BARACUDA_OPERAND_KEY], rows));
  BARACUDA_TRY(check_shape(BARACUDA_OPERAND_VALUE, operands[BARACUDA_OPERAND_VALUE], rows));
  BARACUDA_TRY(check_shape(BARACUDA_OPERAND_K_DATA, operands[BARACUDA_OPERAND_K_DATA], cache));
  BARACUDA_TRY(check_shape(BARACUDA_OPERAND_V_DATA, operands[BARACUDA_OPERAND_V_DATA], cache));
  BARACUDA_TRY(
      check_shape(BARACUDA_OPERAND_INDPTR, operands[BARACUDA_OPERAND_INDPTR], {1, {int64_t{op.batch_size} + 1}}));
  return check_shape(BARACUDA_OPERAND_LAST_PAGE_LEN, operands[BARACUDA_OPERAND_LAST_PAGE_LEN], {1, {op.batch_size}});
}

int32_t check_rows_and_caches_contiguous(Operands operands) noexcept {
  for (int i = BARACUDA_OPERAND_KEY; i <= BARACUDA_OPERAND_V_DATA; ++i)
    BARACUDA_TRY(check_contiguous(static_cast<baracuda_operand>(i), operands[i]));
  return BARACUDA_OK;
}

int32_t check_types(const Append& op, Operands operands) noexcept {
  const Element* element = find_element(op.element);
  if (element == nullptr)
    return fail(BARACUDA_UNSUPPORTED, "element is %d; it should be a baracuda_element", op.element);
  for (int i = BARACUDA_OPERAND_KEY; i < BARACUDA_NUM_OPERANDS; ++i)
    BARACUDA_TRY(check_type(static_cast<baracuda_operand>(i), operands[i],
                            i <= BARACUDA_OPERAND_V_DATA ? *element : kPageTableType));
  return BARACUDA_OK;
}

// indices alone is free in length, so its shape tells how many pages the table has.
int32_t check_page_table_vectors(Append* op, Operands operands) noexcept {
  if (const Tensor* indices = operands[BARACUDA_OPERAND_INDICES]; indices != nullptr) {
    BARACUDA_TRY(check_rank(BARACUDA_OPERAND_INDICES, *indices, 1));
    op->total_used_pages = 0;
    if (indices->shape[0] != 0 || !is_guarded(*op))
      BARACUDA_TRY(
          infer_extent("total_used_pages", BARACUDA_OPERAND_INDICES, indices->shape[0], &op->total_used_pages));
  }
  for (int i = BARACUDA_OPERAND_INDICES; i < BARACUDA_NUM_OPERANDS; ++i)
    BARACUDA_TRY(check_contiguous(static_cast<baracuda_operand>(i), operands[i]));
  return BARACUDA_OK;
}

void store_pointers(Append* op, Operands operands) noexcept {
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i) {
    if (operands[i] == nullptr) continue;
    void* const address = address_of(*operands[i]);
    visit_pointer(
        *op, i, [address](auto& member) { member = static_cast<std::remove_reference_t<decltype(member)>>(address); });
  }
}

}  // namespace

int32_t bind_operands(Append* op, Operands operands) noexcept {
  BARACUDA_TRY(infer_problem(op, operands));
  BARACUDA_TRY(check_shapes(*op, operands));
  BARACUDA_TRY(check_rows_and_caches_contiguous(operands));
  BARACUDA_TRY(check_types(*op, operands));
  BARACUDA_TRY(check_page_table_vectors(op, operands));
  BARACUDA_TRY(check_problem(*op));
  store_pointers(op, operands);
  BARACUDA_TRY(check_operands(*op));
  return find_backend(op->backend)->check_reachable(*op, operands);
}

namespace {

int32_t bind(Append* caller, Operands operands) noexcept {
  Append op;
  BARACUDA_TRY(read_struct(caller, &op));
  BARACUDA_TRY(bind_operands(&op, operands));
  write_struct(op, caller);
  return BARACUDA_OK;
}

}  // namespace
}  // namespace baracuda

extern "C" int32_t baracuda_paged_kv_append_bind(baracuda_paged_kv_append* op,
                                                 const baracuda_tensor* const operands[BARACUDA_NUM_OPERANDS]) {
  return baracuda::at_the_abi("baracuda_paged_kv_append_bind", [&]() -> int32_t {
    if (operands == nullptr)
      return baracuda::fail(BARACUDA_INVALID_PROBLEM, "operands is NULL; it should be an array of %d tensors",
                            BARACUDA_NUM_OPERANDS);
    return baracuda::bind(op, operands);
  });
}

extern "C" int32_t baracuda_paged_kv_append_bind_objects(baracuda_paged_kv_append* op,
                                                         void* const objects[BARACUDA_NUM_OPERANDS],
                                                         baracuda_tensor_reader reader) {
  return baracuda::at_the_abi("baracuda_paged_kv_append_bind_objects", [&]() -> int32_t {
    if (objects == nullptr || reader == nullptr)
      return baracuda::fail(BARACUDA_INVALID_PROBLEM, "%s is NULL; it should not be",
                            objects == nullptr ? "objects" : "reader");
    baracuda::Tensor tensors[BARACUDA_NUM_OPERANDS];
    const baracuda::Tensor* operands[BARACUDA_NUM_OPERANDS] = {};
    for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i) {
      if (objects[i] == nullptr) continue;
      if (reader(objects[i], &tensors[i]) != 0)
        return baracuda::fail(BARACUDA_INVALID_PROBLEM, "%s could not be read as a tensor by its own exporter",
                              baracuda::kOperandNames[i]);
      operands[i] = &tensors[i];
    }
    return baracuda::bind(op, operands);
  });
}
