/* Programs that were, or will be, built against another release than the library: each has a struct of its own size.
 *
 * The structs are copies on purpose. They are what programs have in their machine code, and stay as they are when the
 * header's grows: `known` is the least that any may know, and `abi_1` what ABI version 1 began with. Each is placed
 * right before a page that cannot be read. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct known {
  uint32_t struct_size, flags;
  int32_t backend, element, layout, length_convention;
  int32_t batch_size, page_size, num_heads, head_dim, num_total_pages, total_used_pages;
  void *k_data, *v_data;
  const void *indices, *indptr, *last_page_len;
  const void *key, *value;
  void *error_record, *stream;
} known;

typedef struct abi_1 {
  known known;
  int32_t addressing, table, lengths, transform, parts, source_element, value_head_dim;
  uint32_t int64_operands;
  int64_t num_rows, max_pages, block_table_stride, skip_slot;
  int64_t key_strides[2], value_strides[2], k_data_strides[3], v_data_strides[3];
  const void *append_indptr, *batch_indices, *positions, *slot_mapping, *block_table, *seq_lens, *k_scale, *v_scale;
  int64_t k_scale_stride, v_scale_stride;
  void *k_scales, *v_scales;
  int64_t k_scales_strides[3], v_scales_strides[3];
} abi_1;

extern int32_t baracuda_paged_kv_append_run(const void* op);
extern int32_t baracuda_paged_kv_append_can_implement(const void* op);
extern const char* baracuda_last_error_message(void);

enum { OK = 0, INVALID_PROBLEM = 2, BACKEND_HOST = 2, ELEMENT_F32 = 3, PAGE_SIZE = 2, HEAD_DIM = 64 };

static _Alignas(16) float k_data[PAGE_SIZE * HEAD_DIM], v_data[PAGE_SIZE * HEAD_DIM], key[HEAD_DIM], value[HEAD_DIM];
static const int32_t indices[1] = {0}, indptr[2] = {0, 1}, last_page_len[1] = {1};

/* `size` bytes that end where memory ends, zeroed, with as much of the struct as fits. */
static void* place(size_t size) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  char* const memory = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory + page, page, PROT_NONE) != 0) exit(2);
  known op;
  memset(&op, 0, sizeof op);
  op.struct_size = (uint32_t)size;
  op.backend = BACKEND_HOST;
  op.element = ELEMENT_F32;
  op.batch_size = 1, op.page_size = PAGE_SIZE, op.num_heads = 1, op.head_dim = HEAD_DIM;
  op.num_total_pages = 1, op.total_used_pages = 1;
  op.k_data = k_data, op.v_data = v_data, op.key = key, op.value = value;
  op.indices = indices, op.indptr = indptr, op.last_page_len = last_page_len;
  void* const placed = memory + page - size;
  memcpy(placed, &op, size < sizeof op ? size : sizeof op);
  return placed;
}

static void require(int holds, const char* what) {
  if (holds) return;
  printf("%s does not hold; the last refusal: %s\n", what, baracuda_last_error_message());
  exit(1);
}

/* Whether the token is in slot 1 and slot 0 is untouched, or, if not `appended`, whether both are untouched. */
static int cache_is(int appended) {
  for (int i = 0; i < HEAD_DIM; ++i) {
    if (k_data[i] != 0 || v_data[i] != 0) return 0;
    if (k_data[HEAD_DIM + i] != (appended ? key[i] : 0) || v_data[HEAD_DIM + i] != (appended ? value[i] : 0)) return 0;
  }
  return 1;
}

static void accepted(const void* op) {
  require(baracuda_paged_kv_append_can_implement(op) == OK, "can_implement accepts");
  require(cache_is(0), "can_implement writes nothing");
  require(baracuda_paged_kv_append_run(op) == OK, "run accepts");
  require(cache_is(1), "run appends");
}

static void refused(const void* op) {
  require(baracuda_paged_kv_append_can_implement(op) == INVALID_PROBLEM, "can_implement refuses");
  require(baracuda_paged_kv_append_run(op) == INVALID_PROBLEM, "run refuses");
  require(strstr(baracuda_last_error_message(), "struct_size") != NULL, "the message says struct_size");
  require(cache_is(0), "a refused run writes nothing");
}

int main(int argc, char** argv) {
  const char* const caller = argc == 2 ? argv[1] : "";
  for (int i = 0; i < HEAD_DIM; ++i) key[i] = (float)(i + 1), value[i] = (float)(-i - 1);
  require(sizeof(known) == 120, "what every program knows has 120 bytes");
  require(sizeof(abi_1) == 408, "the struct of ABI version 1 has 408 bytes");
  if (strcmp(caller, "as_built_for_abi_1") == 0) {
    accepted(place(sizeof(abi_1)));
  } else if (strcmp(caller, "smaller") == 0) {
    accepted(place(sizeof(known)));
  } else if (strcmp(caller, "newer_zero_tail") == 0) {
    accepted(place(sizeof(abi_1) + 1024));
  } else if (strcmp(caller, "newer_used_tail") == 0) {
    char* const op = place(sizeof(abi_1) + 1024);
    op[sizeof(abi_1) + 1023] = 1;
    refused(op);
  } else if (strcmp(caller, "too_small") == 0) {
    refused(place(sizeof(known) - sizeof(void*)));
  } else {
    return 2;
  }
  printf("%s: as it should be\n", caller);
  return 0;
}
