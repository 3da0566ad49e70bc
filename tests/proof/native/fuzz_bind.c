/* libFuzzer's bytes become an append and seven described tensors, right ones and wrong ones. What bind accepts must be
 * an append that the model accepts, over the tensors' own memory; what it refuses must be left as it was. */
#include <string.h>

#include "arena.h"
#include "input.h"
#include "model.h"
#include "require.h"

static const int kRanks[BARACUDA_NUM_OPERANDS] = {3, 3, 4, 4, 1, 1, 1};

static unsigned long inputs, bound, refused;

static void report(void) { printf("fuzz_bind: %lu inputs: %lu bound, %lu refused\n", inputs, bound, refused); }

/* A shape or strides in a block of its own size, so that reading past it is found. */
static int64_t* new_extents(const int64_t* values, int count) {
  int64_t* block = malloc(count > 0 ? (size_t)count * sizeof(int64_t) : 1);
  REQUIRE(block != NULL, "out of memory");
  if (count > 0) memcpy(block, values, (size_t)count * sizeof(int64_t));
  return block;
}

/* The extents that the operand should have, `dims` of them. */
static void right_shape(const baracuda_paged_kv_append* op, int operand, int64_t dims[4]) {
  const int64_t rows[] = {op->batch_size, op->num_heads, op->head_dim, 1};
  const int64_t hnd[] = {op->num_total_pages, op->num_heads, op->page_size, op->head_dim};
  const int64_t nhd[] = {op->num_total_pages, op->page_size, op->num_heads, op->head_dim};
  const int64_t lengths[] = {op->total_used_pages, (int64_t)op->batch_size + 1, op->batch_size};
  if (operand <= BARACUDA_OPERAND_VALUE)
    memcpy(dims, rows, sizeof(rows));
  else if (operand <= BARACUDA_OPERAND_V_DATA)
    memcpy(dims, op->layout == BARACUDA_LAYOUT_NHD ? nhd : hnd, sizeof(hnd));
  else
    dims[0] = lengths[operand - BARACUDA_OPERAND_INDICES];
}

static void take_type(Input* input, int operand, int32_t element, baracuda_tensor* tensor) {
  static const uint8_t kTypes[6][2] = {{0, 32}, {2, 16}, {4, 16}, {2, 32}, {10, 8}, {12, 8}};
  const uint8_t choice = take8(input);
  const int right = operand >= BARACUDA_OPERAND_INDICES ? 0 : element >= 1 && element <= 5 ? element : 1;
  const int which = choice < 240 ? right : choice % 6;
  tensor->type_code = choice == 255 ? take8(input) : kTypes[which][0];
  tensor->type_bits = choice == 254 ? take8(input) : kTypes[which][1];
  tensor->type_lanes = choice == 253 ? 4 : 1;
}

static void take_tensor(Input* input, const baracuda_paged_kv_append* op, int operand, uint8_t* data,
                        baracuda_tensor* tensor) {
  int64_t dims[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  int64_t strides[8];
  right_shape(op, operand, dims);
  memset(tensor, 0, sizeof(*tensor));
  tensor->ndim = kRanks[operand];
  if (take8(input) >= 248) tensor->ndim = (int32_t)take_below(input, 10) - 1;
  if (take8(input) >= 248) dims[take_below(input, 4)] = (int64_t)take_hostile(input) * (take8(input) % 2 ? 1 : 1 << 20);
  uint64_t step = 1;
  for (int i = tensor->ndim - 1; i >= 0; --i) {
    strides[i] = (int64_t)step;
    step *= (uint64_t)dims[i];
  }
  if (tensor->ndim > 0 && take8(input) >= 248) strides[take_below(input, (uint32_t)tensor->ndim)] = take_hostile(input);
  tensor->shape = take8(input) >= 252 ? NULL : new_extents(dims, tensor->ndim);
  tensor->strides = take8(input) % 2 == 0 ? NULL : new_extents(strides, tensor->ndim);
  take_type(input, operand, op->element, tensor);
  tensor->byte_offset = take8(input) >= 248 ? take_below(input, 64) : 0;
  tensor->data = data;
  tensor->device_type = TAKE_EXTENT(input, 1, 1, 1, 1, 1, 1, 3, 13, 2);
  tensor->device_id = TAKE_EXTENT(input, 0, -1);
}

static void take_problem(Input* input, baracuda_paged_kv_append* op) {
  memset(op, 0, sizeof(*op));
  op->struct_size = sizeof(*op);
  op->backend = TAKE_EXTENT(input, BARACUDA_BACKEND_HOST, BARACUDA_BACKEND_HOST, BARACUDA_BACKEND_FLASHINFER);
  op->flags = take8(input) % 2;
  op->element = TAKE_EXTENT(input, 1, 2, 3, 4, 5);
  op->layout = TAKE_EXTENT(input, 0, 1);
  op->length_convention = TAKE_EXTENT(input, 0, 1);
  op->batch_size = TAKE_EXTENT(input, 1, 2, 3);
  op->page_size = TAKE_EXTENT(input, 1, 2, 3);
  op->num_heads = TAKE_EXTENT(input, 1, 2, 3);
  op->head_dim = TAKE_EXTENT(input, 64, 64, 64, 128, 16);
  op->num_total_pages = TAKE_EXTENT(input, 1, 2, 3);
  op->total_used_pages = TAKE_EXTENT(input, 1, 2, 3, 4);
}

/* Forget some of what the tensors tell. */
static void unstate(Input* input, baracuda_paged_kv_append* op) {
  const uint8_t which = take8(input);
  if (which & 1) op->element = BARACUDA_ELEMENT_NONE;
  if (which & 2) op->batch_size = 0;
  if (which & 4) op->num_heads = 0;
  if (which & 8) op->head_dim = 0;
  if (which & 16) op->page_size = 0;
  if (which & 32) op->num_total_pages = 0;
  if (which & 64) op->total_used_pages = 0;
}

static const void* pointer_of(const baracuda_paged_kv_append* op, int operand) {
  const void* pointers[] = {op->key, op->value, op->k_data, op->v_data, op->indices, op->indptr, op->last_page_len};
  return pointers[operand];
}

static void check_bound(const baracuda_paged_kv_append* op, const baracuda_paged_kv_append* asked,
                        const baracuda_tensor* const operands[BARACUDA_NUM_OPERANDS]) {
  REQUIRE(status_of_problem(op) == BARACUDA_OK, "bound a problem that the model refuses");
  REQUIRE(status_of_operands(op) == BARACUDA_OK, "bound operands that the model refuses");
  REQUIRE(op->backend == BARACUDA_BACKEND_HOST, "bound for backend %d without CUDA", op->backend);
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i) {
    if (operands[i] == NULL) {
      REQUIRE(pointer_of(op, i) == pointer_of(asked, i), "operand %d is not the one there was", i);
      continue;
    }
    /* No memory, whatever the offset, is NULL. */
    const uintptr_t data = operands[i]->data == NULL ? 0 : (uintptr_t)operands[i]->data + operands[i]->byte_offset;
    REQUIRE(operands[i]->data != NULL || i == BARACUDA_OPERAND_INDICES, "operand %d is NULL", i);
    REQUIRE((uintptr_t)pointer_of(op, i) == data, "operand %d is not the tensor's memory", i);
    REQUIRE(operands[i]->device_type != 2, "operand %d is not host memory", i);
    int64_t dims[4];
    right_shape(op, i, dims);
    REQUIRE(operands[i]->ndim == kRanks[i], "operand %d has %d dimensions", i, operands[i]->ndim);
    for (int d = 0; d < operands[i]->ndim; ++d)
      REQUIRE(operands[i]->shape[d] == dims[d], "operand %d, dimension %d", i, d);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input = {data, data + size};
  baracuda_paged_kv_append op;
  baracuda_tensor tensors[BARACUDA_NUM_OPERANDS];
  const baracuda_tensor* operands[BARACUDA_NUM_OPERANDS];
  if (inputs++ == 0) atexit(report);
  take_problem(&input, &op);
  /* Bind reads no operand, so that where they are is all that matters. */
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i) {
    const uint8_t choice = take8(&input);
    uint8_t* place = arena + 4096 * i;
    if (choice >= 248) place = choice % 2 ? NULL : arena + take_below(&input, ARENA_BYTES);
    take_tensor(&input, &op, i, place, &tensors[i]);
    operands[i] = take8(&input) < 248 ? &tensors[i] : NULL;
  }
  unstate(&input, &op);
  op.key = take8(&input) % 2 ? arena : NULL;
  op.k_data = take8(&input) % 2 ? arena + 8192 : NULL;

  baracuda_paged_kv_append passed = op;
  arena_close();
  const int32_t status = baracuda_paged_kv_append_bind(&passed, operands);
  arena_open_all();
  if (status == BARACUDA_OK) {
    ++bound;
    check_bound(&passed, &op, operands);
  } else {
    ++refused;
    REQUIRE(status >= 1 && status <= 3, "status %d", status);
    REQUIRE(memcmp(&passed, &op, sizeof(op)) == 0, "a refused bind changed the append");
    REQUIRE(baracuda_last_error_message()[0] != '\0', "status %d without a message", status);
  }
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i) {
    free((void*)(uintptr_t)tensors[i].shape);
    free((void*)(uintptr_t)tensors[i].strides);
  }
  return 0;
}
