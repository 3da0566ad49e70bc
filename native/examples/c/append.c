/* SPDX-License-Identifier: MIT
 *
 * One decode step for two requests, through the general struct. */
#include <baracuda_ffi.h>
#include <stdio.h>
#include <string.h>

#include "../gpu.h"

enum { BATCH = 2, PAGES = 3, PAGE_SIZE = 4, HEADS = 2, HEAD_DIM = 64, ROW = HEADS * HEAD_DIM };
enum { CACHE = PAGES * PAGE_SIZE * ROW };

/* f16, as the 16 bits that they are: an append copies and does not compute. */
typedef struct operands {
  uint16_t k_data[CACHE], v_data[CACHE], key[BATCH * ROW], value[BATCH * ROW];
  int32_t indices[3], indptr[BATCH + 1], last_page_len[BATCH];
} operands;

/* Request 0 holds 5 tokens in pages 2 and 0, request 1 holds 3 in page 1. Their new tokens belong in slot 1 of page 0
 * and in slot 3 of page 1. */
static void fill(operands* o) {
  static const int32_t indices[3] = {2, 0, 1}, indptr[BATCH + 1] = {0, 2, 3}, last_page_len[BATCH] = {1, 3};
  for (int i = 0; i < CACHE; ++i) o->k_data[i] = (uint16_t)i, o->v_data[i] = (uint16_t)(i + 20000);
  for (int i = 0; i < BATCH * ROW; ++i) o->key[i] = (uint16_t)(i + 40000), o->value[i] = (uint16_t)(i + 50000);
  memcpy(o->indices, indices, sizeof indices);
  memcpy(o->indptr, indptr, sizeof indptr);
  memcpy(o->last_page_len, last_page_len, sizeof last_page_len);
}

/* The same by hand: HND, so a page is [HEADS, PAGE_SIZE, HEAD_DIM]. */
static void expect(uint16_t* cache, const uint16_t* rows) {
  static const int page[BATCH] = {0, 1}, slot[BATCH] = {1, 3};
  for (int b = 0; b < BATCH; ++b)
    for (int h = 0; h < HEADS; ++h)
      memcpy(cache + ((page[b] * HEADS + h) * PAGE_SIZE + slot[b]) * HEAD_DIM, rows + (b * HEADS + h) * HEAD_DIM,
             HEAD_DIM * sizeof *rows);
}

static baracuda_paged_kv_append describe(operands* o, int32_t backend, void* stream) {
  baracuda_paged_kv_append op;
  memset(&op, 0, sizeof op);
  op.struct_size = sizeof op;
  op.backend = backend;
  op.element = BARACUDA_ELEMENT_F16;
  op.layout = BARACUDA_LAYOUT_HND;
  op.length_convention = BARACUDA_BEFORE_APPEND;
  op.batch_size = BATCH, op.page_size = PAGE_SIZE, op.num_heads = HEADS, op.head_dim = HEAD_DIM;
  op.num_total_pages = PAGES, op.total_used_pages = 3;
  op.k_data = o->k_data, op.v_data = o->v_data, op.key = o->key, op.value = o->value;
  op.indices = o->indices, op.indptr = o->indptr, op.last_page_len = o->last_page_len;
  op.stream = stream;
  return op;
}

static int verdict(const char* backend, int32_t status, const operands* got, const operands* expected) {
  if (status != BARACUDA_OK) {
    printf("%s: %s: %s\n", backend, baracuda_status_name(status), baracuda_last_error_message());
    return 1;
  }
  const int wrong = memcmp(got, expected, sizeof *got) != 0;
  printf("%s: %s\n", backend, wrong ? "WRONG BYTES" : "every byte as expected");
  return wrong;
}

int main(void) {
  operands *got = malloc(sizeof *got), *expected = malloc(sizeof *expected); /* malloc aligns to 16 */
  if (got == NULL || expected == NULL) return 1;
  if (baracuda_ffi_abi_version() != BARACUDA_FFI_ABI_VERSION) {
    printf("libbaracuda_ffi has ABI version %d, this program %d\n", baracuda_ffi_abi_version(),
           BARACUDA_FFI_ABI_VERSION);
    return 1;
  }
  printf("baracuda_ffi %s: %s\n", baracuda_ffi_version(), baracuda_ffi_build_info());

  fill(expected);
  expect(expected->k_data, expected->key);
  expect(expected->v_data, expected->value);

  fill(got);
  baracuda_paged_kv_append op = describe(got, BARACUDA_BACKEND_HOST, NULL);
  int wrong = verdict("host", baracuda_paged_kv_append_run(&op), got, expected);

  if (!gpu_open()) {
    printf("flashinfer: no GPU here\n");
  } else {
    fill(got);
    void* stream = gpu_stream();
    operands* on_gpu = gpu_copy_in(got, sizeof *got);
    op = describe(on_gpu, BARACUDA_BACKEND_FLASHINFER, stream);
    const int32_t status = baracuda_paged_kv_append_run(&op);
    gpu_wait(stream);
    gpu_copy_out(got, on_gpu, sizeof *got);
    wrong |= verdict("flashinfer", status, got, expected);
  }
  free(got);
  free(expected);
  return wrong;
}
