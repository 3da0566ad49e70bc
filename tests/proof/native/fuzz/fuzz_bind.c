/* libFuzzer's bytes become an append and described tensors, right ones and wrong ones. What bind accepts must be an
 * append that the model accepts, over the tensors' own memory, extents and strides; what it refuses must be left as it
 * was. */
#include <string.h>

#include "arena.h"
#include "formats.h"
#include "input.h"
#include "model.h"
#include "require.h"

enum { MOST_RANK = 4, MOST_GIVEN = BARACUDA_NUM_OPERANDS + 3 };

static unsigned long inputs, bound, strided, refused, by_addressing[4], by_transform[5];

static void report(void) {
  printf(
      "fuzz_bind: %lu inputs: %lu bound, %lu refused; of those bound %lu had strides; %lu last page, %lu ragged, %lu "
      "positions, %lu slots; %lu copies, %lu fp8, %lu per token and head, %lu fp8_ds_mla, %lu nvfp4\n",
      inputs, bound, refused, strided, by_addressing[0], by_addressing[1], by_addressing[2], by_addressing[3],
      by_transform[0], by_transform[1], by_transform[2], by_transform[3], by_transform[4]);
}

static bool is_row(int operand) { return operand == BARACUDA_OPERAND_KEY || operand == BARACUDA_OPERAND_VALUE; }
static bool is_cache(int operand) { return operand == BARACUDA_OPERAND_K_DATA || operand == BARACUDA_OPERAND_V_DATA; }
static bool is_index(int operand) {
  return operand >= BARACUDA_OPERAND_INDICES && operand <= BARACUDA_OPERAND_SEQ_LENS;
}
static bool is_scale(int operand) { return operand == BARACUDA_OPERAND_K_SCALE || operand == BARACUDA_OPERAND_V_SCALE; }
static bool is_scales(int operand) {
  return operand == BARACUDA_OPERAND_K_SCALES || operand == BARACUDA_OPERAND_V_SCALES;
}
static bool is_of_value(int operand) {
  return operand == BARACUDA_OPERAND_VALUE || operand == BARACUDA_OPERAND_V_DATA ||
         operand == BARACUDA_OPERAND_V_SCALE || operand == BARACUDA_OPERAND_V_SCALES;
}

/* Scales that lie in pages as a cache does, in the order that the layout says. */
static bool has_layout(const baracuda_paged_kv_append* op, int operand) {
  return is_cache(operand) || (is_scales(operand) && op->transform == BARACUDA_TRANSFORM_NVFP4);
}

/* A shape or strides in a block of its own size, so that reading past it is found. */
static int64_t* new_extents(const int64_t* values, int count) {
  int64_t* block = malloc(count > 0 ? (size_t)count * sizeof(int64_t) : 1);
  REQUIRE(block != NULL, "out of memory");
  if (count > 0) memcpy(block, values, (size_t)count * sizeof(int64_t));
  return block;
}

/* The extents that the operand should have: how many. */
static int right_shape(const baracuda_paged_kv_append* op, int operand, bool has_heads, int64_t dims[MOST_RANK]) {
  const int64_t width = is_of_value(operand) && op->value_head_dim != 0 ? op->value_head_dim : op->head_dim;
  int rank = 0;
  if (is_row(operand)) {
    dims[rank++] = rows_of(op);
    if (has_heads) dims[rank++] = op->num_heads;
    dims[rank++] = width;
  } else if (has_layout(op, operand)) {
    dims[rank++] = op->num_total_pages;
    if (has_heads && op->layout == BARACUDA_LAYOUT_HND) dims[rank++] = op->num_heads;
    dims[rank++] = op->page_size;
    if (has_heads && op->layout != BARACUDA_LAYOUT_HND) dims[rank++] = op->num_heads;
    dims[rank++] = is_cache(operand) ? cache_width(op, width) : scales_bytes(op, width);
  } else if (is_scales(operand)) {
    dims[rank++] = op->num_total_pages;
    dims[rank++] = op->page_size;
    if (has_heads) dims[rank++] = op->num_heads;
  } else if (is_scale(operand)) {
    dims[rank++] = has_heads ? op->num_heads : 1;
  } else if (operand == BARACUDA_OPERAND_INDICES) {
    dims[rank++] = op->total_used_pages;
  } else if (operand == BARACUDA_OPERAND_BLOCK_TABLE) {
    dims[rank++] = op->batch_size;
    dims[rank++] = op->max_pages;
  } else if (operand >= BARACUDA_OPERAND_BATCH_INDICES && operand <= BARACUDA_OPERAND_SLOT_MAPPING) {
    dims[rank++] = rows_of(op);
  } else {
    const bool bounds = operand == BARACUDA_OPERAND_INDPTR || operand == BARACUDA_OPERAND_APPEND_INDPTR;
    dims[rank++] = (int64_t)op->batch_size + bounds;
  }
  return rank;
}

/* What the operand is of, as an element; of int64 one beyond all. */
static int right_type(const baracuda_paged_kv_append* op, int operand, uint8_t choice) {
  const bool may_be_uint8 = choice % 8 == 1;
  if (is_index(operand)) return may_be_uint8 ? 8 : 0;
  if (is_scale(operand)) return BARACUDA_ELEMENT_F32;
  if (is_scales(operand)) {
    if (op->transform != BARACUDA_TRANSFORM_NVFP4) return BARACUDA_ELEMENT_F32;
    return may_be_uint8 ? BARACUDA_ELEMENT_U8 : BARACUDA_ELEMENT_FP8_E4M3;
  }
  const int32_t element = is_row(operand) ? source_element(op) : op->element;
  return element >= 1 && element <= 7 ? element : 1;
}

static void take_type(Input* input, const baracuda_paged_kv_append* op, int operand, baracuda_tensor* tensor) {
  static const uint8_t kTypes[9][2] = {{0, 32}, {2, 16}, {4, 16}, {2, 32}, {10, 8}, {12, 8}, {0, 8}, {1, 8}, {0, 64}};
  const uint8_t choice = take8(input);
  const int right = right_type(op, operand, choice);
  const int which = choice < 240 ? right : choice % 9;
  tensor->type_code = choice == 255 ? take8(input) : kTypes[which][0];
  tensor->type_bits = choice == 254 ? take8(input) : kTypes[which][1];
  tensor->type_lanes = choice == 253 ? 4 : 1;
}

static void take_strides(Input* input, bool may_stride, const int64_t* dims, int rank, int64_t* strides) {
  const uint8_t choice = take8(input);
  uint64_t step = 1;
  for (int i = rank - 1; i >= 0; --i) {
    strides[i] = (int64_t)step;
    step *= (uint64_t)dims[i];
    if (may_stride && choice % 4 == i) step += take_below(input, 8); /* a gap */
  }
  if (may_stride && choice / 4 % 4 == 1 && rank > 2) { /* two dimensions the other way round */
    const int64_t swapped = strides[0];
    strides[0] = (int64_t)((uint64_t)strides[1] * (uint64_t)dims[1]);
    strides[1] = swapped;
  }
  if (may_stride && choice / 16 % 8 == 1) strides[0] = (int64_t)(0 - (uint64_t)strides[0]);
  if (may_stride && choice / 16 % 8 == 2 && rank > 0) strides[take_below(input, (uint32_t)rank)] = 0;
  if (rank > 0 && take8(input) >= 248) strides[take_below(input, (uint32_t)rank)] = take_hostile(input);
}

static void take_tensor(Input* input, const baracuda_paged_kv_append* op, int operand, bool has_heads, uint8_t* data,
                        baracuda_tensor* tensor) {
  int64_t dims[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  int64_t strides[8] = {0};
  memset(tensor, 0, sizeof(*tensor));
  const bool is_one = is_scale(operand) && take8(input) % 2 == 0;
  tensor->ndim = right_shape(op, operand, has_heads && !is_one, dims);
  if (is_one && take8(input) % 4 == 0) tensor->ndim = 0;
  if (take8(input) >= 248) tensor->ndim = (int32_t)take_below(input, 10) - 1;
  if (take8(input) >= 248) dims[take_below(input, 4)] = (int64_t)take_hostile(input) * (take8(input) % 2 ? 1 : 1 << 20);
  const bool or_more = is_row(operand) || operand == BARACUDA_OPERAND_BLOCK_TABLE;
  if (or_more && take8(input) % 4 == 0) dims[0] += take_below(input, 3); /* more than are appended */
  const bool may_stride = operand == BARACUDA_OPERAND_BLOCK_TABLE ||
                          (!is_index(operand) && !is_scale(operand) && (op->flags & BARACUDA_FLAG_STRIDED) != 0);
  take_strides(input, may_stride, dims, tensor->ndim, strides);
  tensor->shape = take8(input) >= 252 ? NULL : new_extents(dims, tensor->ndim);
  tensor->strides = take8(input) % 4 == 0 ? NULL : new_extents(strides, tensor->ndim);
  take_type(input, op, operand, tensor);
  tensor->byte_offset = take8(input) >= 248 ? take_below(input, 64) : 0;
  tensor->data = data;
  tensor->device_type = TAKE_EXTENT(input, 1, 1, 1, 1, 1, 1, 3, 13, 2);
  tensor->device_id = TAKE_EXTENT(input, 0, -1);
}

/* With what it takes, and rarely with what it does not. */
static void take_transform(Input* input, baracuda_paged_kv_append* op) {
  op->transform = TAKE_EXTENT(input, 1, 2, 3, 4);
  op->source_element = TAKE_EXTENT(input, 1, 2, 3, 1, 2, 1, 2);
  if (take8(input) >= 240) return;
  op->element = BARACUDA_ELEMENT_U8;
  switch (op->transform) {
    case BARACUDA_TRANSFORM_FP8:
      op->element = TAKE_EXTENT(input, BARACUDA_ELEMENT_FP8_E4M3, BARACUDA_ELEMENT_FP8_E5M2);
      break;
    case BARACUDA_TRANSFORM_PER_TOKEN_HEAD:
      op->element = TAKE_EXTENT(input, BARACUDA_ELEMENT_FP8_E4M3, BARACUDA_ELEMENT_I8);
      break;
    case BARACUDA_TRANSFORM_FP8_DS_MLA:
      op->num_heads = TAKE_EXTENT(input, 1);
      op->head_dim = TAKE_EXTENT(input, DS_MLA_RANK);
      op->value_head_dim = TAKE_EXTENT(input, DS_MLA_ROPE);
      break;
    default:
      op->head_dim = TAKE_EXTENT(input, 16, 32, 64);
      if (op->value_head_dim != 0) op->value_head_dim = TAKE_EXTENT(input, 16, 48);
      break;
  }
}

static void take_problem(Input* input, baracuda_paged_kv_append* op) {
  memset(op, 0, sizeof(*op));
  op->struct_size = sizeof(*op);
  op->backend = TAKE_EXTENT(input, BARACUDA_BACKEND_HOST, BARACUDA_BACKEND_HOST, BARACUDA_BACKEND_FLASHINFER);
  const uint8_t flags = take8(input);
  op->flags = flags % 16; /* GUARDED, STRIDED, SKIP_SLOT, INFER */
  if (flags < 240) op->flags &= ~BARACUDA_FLAG_SKIP_SLOT;
  if (flags / 16 % 4 == 0) op->flags = (op->flags & BARACUDA_FLAG_INFER) | BARACUDA_FLAG_MIRRORED;
  op->element = TAKE_EXTENT(input, 1, 2, 3, 4, 5, 6, 7);
  op->layout = TAKE_EXTENT(input, 0, 1);
  op->length_convention = TAKE_EXTENT(input, 0, 1);
  op->batch_size = TAKE_EXTENT(input, 1, 2, 3, 0);
  op->page_size = TAKE_EXTENT(input, 1, 2, 3);
  op->num_heads = TAKE_EXTENT(input, 1, 2, 3);
  op->head_dim = TAKE_EXTENT(input, 64, 64, 64, 128, 16, 5);
  op->num_total_pages = TAKE_EXTENT(input, 1, 2, 3);
  op->total_used_pages = TAKE_EXTENT(input, 1, 2, 3, 4, 0);
  const uint8_t choices = take8(input);
  if (choices % 8 == 1) op->value_head_dim = TAKE_EXTENT(input, 64, 32, 7);
  if (choices / 8 % 8 == 1) op->parts = TAKE_EXTENT(input, 1, 1, 1, 2);
  const bool is_mirrored = (op->flags & BARACUDA_FLAG_MIRRORED) != 0;
  if (take8(input) % 4 != 0 && (!is_mirrored || choices >= 250)) take_transform(input, op);
  if (take8(input) % 4 == 0 || (op->flags & BARACUDA_FLAG_MIRRORED) != 0) return;
  static const int32_t kWays[][3] = {{0, 0, 1}, {0, 1, 1}, {1, 0, 0}, {1, 0, 1}, {1, 1, 1}, {2, 0, 0}, {3, 0, 0}};
  const int32_t* way = kWays[take_below(input, 7)];
  op->addressing = way[0];
  op->table = way[1];
  op->lengths = way[2];
  if (op->addressing == BARACUDA_ADDRESSING_RAGGED && op->lengths == 0 && choices < 250)
    op->length_convention = BARACUDA_AFTER_APPEND;
  op->num_rows = TAKE_EXTENT(input, 1, 2, 3, 5, 0);
  op->max_pages = TAKE_EXTENT(input, 1, 2, 3, 0);
  if (choices % 64 == 5) op->addressing = TAKE_EXTENT(input, 0, 1, 2, 3, 4);
}

/* Forget some of what the tensors tell. */
static void unstate(Input* input, baracuda_paged_kv_append* op) {
  const uint8_t which = take8(input);
  op->total_used_pages = which & 64 ? 0 : op->total_used_pages;
  if ((op->flags & BARACUDA_FLAG_INFER) == 0 && which < 250) return;
  if (which & 1) op->element = BARACUDA_ELEMENT_NONE;
  if (which & 1 && take8(input) % 2) op->source_element = BARACUDA_ELEMENT_NONE;
  if (which & 2) op->batch_size = 0;
  if (which & 4) op->num_heads = 0;
  if (which & 8) op->head_dim = op->value_head_dim = 0;
  if (which & 16) op->page_size = 0;
  if (which & 32) op->num_total_pages = 0;
  if (which & 128) op->num_rows = op->max_pages = 0;
}

static bool is_contiguous(const baracuda_tensor* tensor) {
  uint64_t step = 1;
  for (int i = 0; i < tensor->ndim; ++i)
    if (tensor->shape[i] == 0 || tensor->strides == NULL) return true;
  for (int i = tensor->ndim - 1; i >= 0; step *= (uint64_t)tensor->shape[i--])
    if (tensor->shape[i] != 1 && (uint64_t)tensor->strides[i] != step) return false;
  return true;
}

/* As if from a contiguous tensor where there are none. */
static int64_t stride_of(const baracuda_tensor* tensor, int dimension) {
  uint64_t step = 1;
  if (tensor->strides != NULL) return tensor->strides[dimension];
  for (int i = tensor->ndim - 1; i > dimension; --i) step *= (uint64_t)tensor->shape[i];
  return (int64_t)step;
}

static void check_shape(const baracuda_paged_kv_append* op, int operand, const baracuda_tensor* tensor) {
  int64_t dims[MOST_RANK];
  const bool has_heads = is_index(operand) || tensor->ndim == (has_layout(op, operand) ? 4 : 3);
  if (is_scale(operand)) { /* none, one, or one for each head */
    REQUIRE(tensor->ndim == 0 || tensor->ndim == 1, "operand %d has %d dimensions", operand, tensor->ndim);
    const int64_t count = tensor->ndim == 0 ? 1 : tensor->shape[0];
    const int64_t stride = operand == BARACUDA_OPERAND_K_SCALE ? op->k_scale_stride : op->v_scale_stride;
    REQUIRE(count == 1 || count == op->num_heads, "operand %d has %lld scales", operand, (long long)count);
    REQUIRE(stride == (count == 1 ? 0 : 1), "operand %d of %lld scales has the stride %lld", operand, (long long)count,
            (long long)stride);
    return;
  }
  const int rank = right_shape(op, operand, has_heads, dims);
  REQUIRE(tensor->ndim == rank, "operand %d has %d dimensions", operand, tensor->ndim);
  REQUIRE(has_heads || op->num_heads == 1, "operand %d has no dimension for %d heads", operand, op->num_heads);
  for (int i = 0; i < rank; ++i) {
    const bool is_table = operand == BARACUDA_OPERAND_BLOCK_TABLE;
    const bool or_more = i == 0 && (is_table || (is_row(operand) && (op->flags & BARACUDA_FLAG_MIRRORED) == 0));
    REQUIRE(or_more ? tensor->shape[i] >= dims[i] : tensor->shape[i] == dims[i], "operand %d, dimension %d", operand,
            i);
  }
}

static void check_stride(int64_t found, const baracuda_tensor* tensor, int dimension) {
  REQUIRE(found == stride_of(tensor, dimension), "a stride of %lld, dimension %d has %lld", (long long)found, dimension,
          (long long)stride_of(tensor, dimension));
}

static void check_strides(const baracuda_paged_kv_append* op, int operand, const baracuda_tensor* tensor) {
  if (operand == BARACUDA_OPERAND_BLOCK_TABLE) {
    const bool is_stepped = tensor->shape[0] > 1;
    REQUIRE(op->block_table_stride == (is_stepped ? stride_of(tensor, 0) : 0), "block_table's stride");
    REQUIRE(tensor->shape[0] == 0 || tensor->shape[1] <= 1 || stride_of(tensor, 1) == 1, "block_table's rows");
    return;
  }
  if (is_index(operand) || is_scale(operand) || (op->flags & BARACUDA_FLAG_STRIDED) == 0) {
    REQUIRE(is_contiguous(tensor), "operand %d is not contiguous", operand);
    return;
  }
  const int last = tensor->ndim - 1;
  if (is_scales(operand) && !has_layout(op, operand)) {
    const int64_t* strides = operand == BARACUDA_OPERAND_K_SCALES ? op->k_scales_strides : op->v_scales_strides;
    for (int i = 0; i <= last; ++i) check_stride(strides[i], tensor, i);
    return;
  }
  bool is_empty = false;
  for (int i = 0; i <= last; ++i) is_empty = is_empty || tensor->shape[i] == 0;
  REQUIRE(is_empty || tensor->shape[last] == 1 || stride_of(tensor, last) == 1, "operand %d's rows", operand);
  if (is_row(operand)) {
    const int64_t* strides = operand == BARACUDA_OPERAND_KEY ? op->key_strides : op->value_strides;
    check_stride(strides[0], tensor, 0);
    if (last == 2) check_stride(strides[1], tensor, 1);
    return;
  }
  const int64_t* of_data = operand == BARACUDA_OPERAND_K_DATA ? op->k_data_strides : op->v_data_strides;
  const int64_t* of_scales = operand == BARACUDA_OPERAND_K_SCALES ? op->k_scales_strides : op->v_scales_strides;
  const int64_t* strides = is_scales(operand) ? of_scales : of_data;
  const bool heads_first = last == 3 && op->layout == BARACUDA_LAYOUT_HND;
  check_stride(strides[0], tensor, 0);
  check_stride(strides[1], tensor, heads_first ? 2 : 1);
  if (last == 3) check_stride(strides[2], tensor, heads_first ? 1 : 2);
}

static void check_type(const baracuda_paged_kv_append* op, int operand, const baracuda_tensor* tensor) {
  static const uint8_t kTypes[8][2] = {{0, 0}, {2, 16}, {4, 16}, {2, 32}, {10, 8}, {12, 8}, {0, 8}, {1, 8}};
  const bool mirrored = (op->flags & BARACUDA_FLAG_MIRRORED) != 0;
  REQUIRE(tensor->type_lanes == 1, "operand %d has %d lanes", operand, tensor->type_lanes);
  if (is_index(operand)) {
    REQUIRE(tensor->type_code == 0 && tensor->type_bits == 8 * entry_bytes(op, operand), "operand %d's type", operand);
    return;
  }
  const bool are_bytes = is_scales(operand) && op->transform == BARACUDA_TRANSFORM_NVFP4;
  int32_t element = is_row(operand) ? source_element(op) : op->element;
  if (is_scale(operand) || is_scales(operand)) element = are_bytes ? BARACUDA_ELEMENT_FP8_E4M3 : BARACUDA_ELEMENT_F32;
  const bool is_its_own = tensor->type_code == kTypes[element][0] && tensor->type_bits == kTypes[element][1];
  const bool is_fp8 = element == BARACUDA_ELEMENT_FP8_E4M3 || element == BARACUDA_ELEMENT_FP8_E5M2;
  const bool is_uint8 = tensor->type_code == 1 && tensor->type_bits == 8;
  REQUIRE(is_its_own || (is_fp8 && is_uint8 && !mirrored), "operand %d's type", operand);
}

static void check_kept(const char* name, const baracuda_paged_kv_append* asked, int32_t was, int32_t is) {
  const bool may_change = was == 0 && (asked->flags & BARACUDA_FLAG_INFER) != 0;
  REQUIRE(was == is || may_change, "%s was %d and is %d", name, was, is);
}

static void check_bound(const baracuda_paged_kv_append* op, const baracuda_paged_kv_append* asked,
                        const baracuda_tensor* const operands[MOST_GIVEN]) {
  bool may_refuse;
  REQUIRE(status_of_problem(op) == BARACUDA_OK, "bound a problem that the model refuses");
  REQUIRE(status_of_operands(op, &may_refuse) == BARACUDA_OK, "bound operands that the model refuses");
  REQUIRE(op->backend == BARACUDA_BACKEND_HOST, "bound for backend %d without CUDA", op->backend);
  REQUIRE(op->flags == asked->flags, "the flags have changed");
  check_kept("element", asked, asked->element, op->element);
  check_kept("source_element", asked, asked->source_element, op->source_element);
  REQUIRE(op->transform == asked->transform, "transform has changed");
  check_kept("batch_size", asked, asked->batch_size, op->batch_size);
  check_kept("page_size", asked, asked->page_size, op->page_size);
  check_kept("num_heads", asked, asked->num_heads, op->num_heads);
  check_kept("head_dim", asked, asked->head_dim, op->head_dim);
  check_kept("value_head_dim", asked, asked->value_head_dim, op->value_head_dim);
  check_kept("num_total_pages", asked, asked->num_total_pages, op->num_total_pages);
  const bool infers = (asked->flags & BARACUDA_FLAG_INFER) != 0;
  REQUIRE(op->num_rows == asked->num_rows || (asked->num_rows == 0 && infers), "num_rows was %lld and is %lld",
          (long long)asked->num_rows, (long long)op->num_rows);
  if (op->addressing == BARACUDA_ADDRESSING_RAGGED && infers && asked->num_rows == 0 && operands[0] != NULL)
    REQUIRE(op->num_rows == operands[0]->shape[0], "num_rows is %lld, not key's", (long long)op->num_rows);
  for (int i = 0; i < MOST_GIVEN; ++i) {
    if (operands[i] == NULL) {
      if (i < BARACUDA_NUM_OPERANDS)
        REQUIRE(pointer_of(op, i) == pointer_of(asked, i), "operand %d is not the one there was", i);
      continue;
    }
    REQUIRE(i < BARACUDA_NUM_OPERANDS && is_wanted(op, i), "operand %d is none of this append", i);
    /* No memory, whatever the offset, is NULL. */
    const uintptr_t data = operands[i]->data == NULL ? 0 : (uintptr_t)operands[i]->data + operands[i]->byte_offset;
    const bool has_elements = reach_of(op, i).above != 0;
    REQUIRE(operands[i]->data != NULL || !has_elements, "operand %d is NULL", i);
    REQUIRE((uintptr_t)pointer_of(op, i) == data, "operand %d is not the tensor's memory", i);
    REQUIRE(operands[i]->device_type != 2, "operand %d is not host memory", i);
    check_shape(op, i, operands[i]);
    check_strides(op, i, operands[i]);
    check_type(op, i, operands[i]);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input = {data, data + size};
  baracuda_paged_kv_append op;
  baracuda_tensor tensors[MOST_GIVEN];
  const baracuda_tensor* operands[MOST_GIVEN] = {NULL};
  const baracuda_tensor* passed_operands[MOST_GIVEN];
  if (inputs++ == 0) atexit(report);
  memset(tensors, 0, sizeof(tensors));
  take_problem(&input, &op);
  const bool has_heads = op.num_heads != 1 || take8(&input) % 2 == 0;
  /* Bind reads no operand, so that where they are is all that matters. */
  enum { FAR_APART = 1 << 16 };
  const uint8_t* const first = arena;
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i) {
    if (!is_wanted(&op, i) && take8(&input) >= 16) continue;
    const uint8_t choice = take8(&input);
    const unsigned aside = is_index(i) || choice >= 64 ? 0 : choice % 16;
    uint8_t* place = (uint8_t*)((uintptr_t)first + (uintptr_t)FAR_APART * (unsigned)i + aside);
    if (choice >= 248) place = choice % 2 ? NULL : arena + take_below(&input, ARENA_BYTES);
    take_tensor(&input, &op, i, has_heads, place, &tensors[i]);
    if (take8(&input) < (is_wanted(&op, i) ? 252 : 8)) operands[i] = &tensors[i];
  }
  int32_t num_operands = TAKE_EXTENT(&input, BARACUDA_NUM_OPERANDS, BARACUDA_NUM_OPERANDS, MOST_GIVEN);
  if (op.transform == BARACUDA_TRANSFORM_COPY && take8(&input) % 4 == 0) num_operands = BARACUDA_OPERAND_SEQ_LENS + 1;
  if (num_operands > MOST_GIVEN) num_operands = MOST_GIVEN;
  if (take8(&input) >= 248) {
    const int extra = BARACUDA_NUM_OPERANDS + (int)take_below(&input, MOST_GIVEN - BARACUDA_NUM_OPERANDS);
    take_tensor(&input, &op, BARACUDA_OPERAND_LAST_PAGE_LEN, true, arena, &tensors[extra]);
    operands[extra] = &tensors[extra];
  }
  for (int i = num_operands < 0 ? 0 : num_operands; i < MOST_GIVEN; ++i) operands[i] = NULL; /* not handed over */
  unstate(&input, &op);
  op.key = take8(&input) % 2 ? arena : NULL;
  op.k_data = take8(&input) % 2 ? arena + 4096 : NULL;

  baracuda_paged_kv_append passed = op;
  memcpy(passed_operands, operands, sizeof(operands));
  arena_close();
  const int32_t status = baracuda_paged_kv_append_bind(&passed, passed_operands, num_operands);
  arena_open_all();
  if (status == BARACUDA_OK) {
    ++bound;
    strided += (op.flags & BARACUDA_FLAG_STRIDED) != 0;
    by_addressing[passed.addressing & 3] += 1;
    by_transform[passed.transform % 5] += 1;
    REQUIRE(num_operands >= 0, "%d operands", num_operands);
    check_bound(&passed, &op, operands);
  } else {
    ++refused;
    REQUIRE(status >= 1 && status <= 3, "status %d", status);
    REQUIRE(memcmp(&passed, &op, sizeof(op)) == 0, "a refused bind changed the append");
    REQUIRE(baracuda_last_error_message()[0] != '\0', "status %d without a message", status);
  }
  for (int i = 0; i < MOST_GIVEN; ++i) {
    free((void*)(uintptr_t)tensors[i].shape);
    free((void*)(uintptr_t)tensors[i].strides);
  }
  return 0;
}
