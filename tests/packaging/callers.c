/* Programs that were, or will be, built against another release than the library: each has a struct of its own size.
 *
 * The struct is a copy on purpose. It is what programs of ABI version 1 have in their machine code, and stays as it is
 * when the header's grows. Each is placed right before a page that cannot be read. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct abi_1 {
  uint32_t struct_size, flags;
  int32_t backend, element, layout, length_convention;
  int32_t batch_size, page_size, num_heads, head_dim, num_total_pages, total_used_pages;
  void *k_data, *v_data;
  const int32_t *indices, *indptr, *last_page_len;
  const void *key, *value;
  void *error_record, *stream;
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
  abi_1 op;
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
  require(sizeof(abi_1) == 120, "the struct of ABI version 1 has 120 bytes");
  if (strcmp(caller, "as_built_for_abi_1") == 0) {
    accepted(place(sizeof(abi_1)));
  } else if (strcmp(caller, "newer_zero_tail") == 0) {
    accepted(place(sizeof(abi_1) + 1024));
  } else if (strcmp(caller, "newer_used_tail") == 0) {
    char* const op = place(sizeof(abi_1) + 1024);
    op[sizeof(abi_1) + 1023] = 1;
    refused(op);
  } else if (strcmp(caller, "too_small") == 0) {
    refused(place(sizeof(abi_1) - sizeof(void*)));
  } else {
    return 2;
  }
  printf("%s: as it should be\n", caller);
  return 0;
}
