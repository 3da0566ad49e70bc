/* SPDX-License-Identifier: MIT
 *
 * baracuda_ffi.h - append one token per request to a paged KV-cache.
 *
 * This header is the whole contract of libbaracuda_ffi: C99, no other header of ours, no CUDA header.
 *
 * THE OPERATION
 *
 * A decoder makes one new K row and one new V row per request, at every step and every layer, and writes them
 * into a cache that is cut into pages. With B = batch_size, H = num_heads (KV heads), P = page_size (tokens a
 * page) and D = head_dim:
 *
 *   operand          shape                                   type      access
 *   key, value       [B, H, D]                               element   read
 *   k_data, v_data   HND: [num_total_pages, H, P, D]         element   written in place
 *                    NHD: [num_total_pages, P, H, D]
 *   indices          [total_used_pages]                      int32     read: page ids
 *   indptr           [B + 1]                                 int32     read: request b owns
 *                                                                      indices[indptr[b] .. indptr[b+1]-1]
 *   last_page_len    [B]                                     int32     read: tokens in each request's last page
 *
 * All are C-contiguous. For every request b and head h, key[b,h,:] is copied, bit for bit, to slot s of the last
 * page of request b in k_data, and value[b,h,:] to the same place in v_data. Not one other byte changes. The page
 * table (indices, indptr, last_page_len) is never written: advancing it is the caller's.
 *
 * THE SLOT, AND THE TRAP IN IT
 *
 *   length convention         last_page_len[b] counts      legal at the call   slot s
 *   BARACUDA_BEFORE_APPEND    the tokens already there     0 .. P-1            last_page_len[b]
 *   BARACUDA_AFTER_APPEND     the new token as well        1 .. P              last_page_len[b] - 1
 *
 * Mixing them up destroys the newest token without a word. Worked example, P = 4, a request that holds 6 tokens
 * in pages 7 and 2 (so two tokens in page 2, slots 0 and 1). The new token belongs in page 2, slot 2.
 *
 *   BEFORE_APPEND: pass last_page_len = 2, and set it to 3 after the call.
 *   AFTER_APPEND:  set last_page_len to 3, pass 3; the attention call that follows takes the same table.
 *
 * When the last page is full (two more tokens from here), append a page id to the request's part of `indices` and
 * move the later `indptr` up BEFORE the call; the length then passed is 0 (BEFORE_APPEND) or 1 (AFTER_APPEND).
 * Every mirrored symbol is BEFORE_APPEND. FlashInfer's own attention kernels take the AFTER_APPEND table.
 *
 * THE GUARD
 *
 * With BARACUDA_FLAG_GUARDED no page table, however wrong, makes an append write outside the caches or into a page
 * that it does not name, or read outside the operands. Each request is judged where the append runs, without
 * synchronising, in this order:
 *
 *   indptr[b] == indptr[b+1]                              padding: skipped silently (batches padded for CUDA graphs)
 *   indptr negative, decreasing, beyond total_used_pages  corrupt
 *   the id of its last page is negative                   padding: skipped silently
 *   the id of its last page is num_total_pages or more    corrupt
 *   last_page_len outside its convention's range          corrupt
 *
 * The last page's id is the only one that is read. For a corrupt request nothing is written, every other request is
 * served, and the first one met is described in the caller's baracuda_error_record. The call itself returns 0.
 * Guarded, head_dim may be any whose row is a multiple of 16 bytes, FlashInfer's limits do not hold, and
 * num_total_pages and total_used_pages must be stated.
 *
 * SYMBOLS (T is f16, bf16, f32, fp8_e4m3 or fp8_e5m2)
 *
 *   baracuda_kernels_flashinfer_paged_kv_append_decode_T_run             mirrored: CUDA, HND, BEFORE_APPEND
 *   baracuda_kernels_flashinfer_paged_kv_append_decode_T_can_implement
 *   baracuda_kernels_flashinfer_paged_kv_append_decode_can_implement     0 if some T can
 *   baracuda_kernels_host_paged_kv_append_decode_...                     the same three, over host memory
 *   baracuda_paged_kv_append_run, _can_implement                         general: everything, one struct
 *   baracuda_paged_kv_append_bind, _bind_objects                         fill that struct from described tensors
 *   baracuda_paged_kv_append_preload                                     load the CUDA kernel before a graph capture
 *   baracuda_host_set_max_threads, baracuda_host_max_threads             how many threads the host twin may use
 *   baracuda_python_methods                                              the same as built-in functions of CPython
 *   baracuda_ffi_version, _abi_version, _build_info                      about the library
 *   baracuda_status_name, baracuda_last_error_message                    about a status
 *
 * The mirrored names and argument orders are those of the Rust crate baracuda-kernels-sys 0.0.1-alpha. The CUDA
 * path launches FlashInfer's AppendPagedKVCacheDecode, unmodified, from the release that baracuda_ffi_build_info
 * names.
 *
 * RULES THAT HOLD FOR EVERY FUNCTION
 *
 * Status: functions that can fail return a baracuda_status: 0, or a refusal with a message for this thread in
 *   baracuda_last_error_message. A refusal comes before anything is launched or written: nothing is left behind.
 * Memory: the library keeps no pointer after a call returns (but those of baracuda_python_methods) and owns no operand.
 *   It allocates no device memory. An asynchronous (CUDA) append reads and writes its operands until the stream has
 *   passed it: keep them alive.
 * Streams: a CUDA append is only enqueued on `stream`. Nothing is synchronised and nothing waits: operands made on
 *   another stream must be ordered before it by the caller, page tables included. A launch goes to the device of
 *   the stream, whatever device is current, and leaves the current context as it found it. The handles 0, 1 and 2
 *   (the default streams) name no device: there it is the device of k_data. Host functions take stream == NULL
 *   and are finished when they return.
 * Graphs: a CUDA append can be captured into a CUDA graph. CUDA loads kernels lazily and cannot always do so during
 *   a capture, so append once on that device before, or call baracuda_paged_kv_append_preload. A replay reads
 *   the page table anew.
 * Threads: every function may be called from any number of threads at once. Two appends may run at once unless
 *   they write the same slot; two requests of one append that name one slot leave that slot undefined. Host
 *   functions are safe in a child after fork(); CUDA itself is not.
 * Never: no function throws, prints, exits, leaves a CUDA error pending, or changes process-wide state, but for the two
 *   whose purpose that is (baracuda_host_set_max_threads, baracuda_python_methods).
 * What is not checked: the CUDA path does not read the page table on the host. A page id outside the cache, a
 *   length outside its convention, or a request with no pages makes FlashInfer's kernel write or read elsewhere.
 *   The host twin checks all of it; a guarded append cannot do it.
 *
 * REFUSALS, IN THE ORDER OF THE CHECKS
 *
 *   status 2   op is NULL, its struct_size is impossible, or it is larger than this library's and not zero there
 *   status 3   a flag, backend, layout or convention that this library does not know; FlashInfer with the guard, or
 *              the bespoke backend without it
 *   status 2   batch_size, page_size or num_heads not positive; num_total_pages or total_used_pages negative;
 *              guarded: num_total_pages not positive
 *   status 3   head_dim not 64, 128 or 256 (guarded: not a positive multiple of 16 bytes); an element that this
 *              library does not know
 *   status 3   FlashInfer: num_heads * head_dim / vec > 1024 threads, vec = max(16 / sizeof(T), head_dim / 32)
 *   status 3   FlashInfer: num_heads * page_size * head_dim or batch_size * num_heads * head_dim of 2^32 or more,
 *              or a request that could reach 2^31 tokens: its arithmetic is 32-bit
 *   status 2   FlashInfer: total_used_pages stated and below batch_size: some request has no page
 *   status 2   a NULL pointer, or operands that do not fit in the address space; a host stream that is not NULL; an
 *              error_record without the guard
 *   status 1   key, value, k_data, v_data not aligned to 16 bytes; indices, indptr, last_page_len, error_record not
 *              to 4
 *   status 2   k_data, v_data or error_record overlapping each other or an input (key and value may be the same
 *              memory)
 *   status 2   host twin, unguarded: indptr out of order, a request with no pages, a last page id outside the cache,
 *              a length outside its convention. The message names the request; no request is served.
 *   status 3   a CUDA function of a library that was built without CUDA
 *   1000 + e   what the CUDA runtime said (e is its cudaError_t)
 *
 * ABI POLICY
 *
 * Within one BARACUDA_FFI_ABI_VERSION nothing that is here changes meaning: functions, enumerators and members of
 * structs are only added, members only at the end. Larger structs keep working with older callers, because each
 * struct starts with the size that its caller knows; a caller newer than the library is refused only if it uses
 * what the library does not know (a non-zero byte beyond it, an unknown flag). A change of anything else raises
 * BARACUDA_FFI_ABI_VERSION. Pre-compiled callers compare it with baracuda_ffi_abi_version() once, after loading.
 */
#ifndef BARACUDA_FFI_H_
#define BARACUDA_FFI_H_

#include <stddef.h>
#include <stdint.h>

/* The only place where the version is written: the build, the library and the Python package read it here. */
#define BARACUDA_FFI_VERSION_MAJOR 0
#define BARACUDA_FFI_VERSION_MINOR 1
#define BARACUDA_FFI_VERSION_PATCH 0
#define BARACUDA_FFI_VERSION "0.1.0"
#define BARACUDA_FFI_ABI_VERSION 1

#if defined(_WIN32)
#if defined(BARACUDA_FFI_BUILDING)
#define BARACUDA_API __declspec(dllexport)
#else
#define BARACUDA_API __declspec(dllimport)
#endif
#else
#define BARACUDA_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The element types, one row each: X(enumerator, symbol name, value, DLPack type code, bits).
 * Every list of types in the library and every per-type symbol is stamped from this table. */
#define BARACUDA_FOR_EACH_ELEMENT(X) \
  X(F16, f16, 1, 2, 16)              \
  X(BF16, bf16, 2, 4, 16)            \
  X(F32, f32, 3, 2, 32)              \
  X(FP8_E4M3, fp8_e4m3, 4, 10, 8)    \
  X(FP8_E5M2, fp8_e5m2, 5, 12, 8)

/* What a function returned. Values from 1000 up are BARACUDA_CUDA_ERROR_BASE + cudaError_t. */
typedef enum baracuda_status {
  BARACUDA_OK = 0,
  BARACUDA_MISALIGNED_OPERAND = 1,
  BARACUDA_INVALID_PROBLEM = 2,
  BARACUDA_UNSUPPORTED = 3,
  BARACUDA_WORKSPACE_TOO_SMALL = 4, /* mirrored from the seed; no append needs a workspace */
  BARACUDA_BUFFER_TOO_SMALL = 5,    /* mirrored from the seed; no append has a buffer to outgrow */
  BARACUDA_CUDA_ERROR_BASE = 1000
} baracuda_status;

/* The element type of key, value, k_data and v_data. */
typedef enum baracuda_element {
#define BARACUDA_ENUMERATOR(ENUM, name, value, dlpack_code, bits) BARACUDA_ELEMENT_##ENUM = value,
  BARACUDA_FOR_EACH_ELEMENT(BARACUDA_ENUMERATOR)
#undef BARACUDA_ENUMERATOR
      BARACUDA_ELEMENT_NONE = 0 /* not stated: baracuda_paged_kv_append_bind takes it from the operands */
} baracuda_element;

/* Who does the copy. */
typedef enum baracuda_backend {
  BARACUDA_BACKEND_FLASHINFER = 1, /* CUDA: FlashInfer's kernel, unmodified; the page table is not checked */
  BARACUDA_BACKEND_HOST = 2,       /* this process's CPUs, over host memory; the page table is checked whole */
  BARACUDA_BACKEND_BESPOKE = 3     /* CUDA: a kernel of this library, which needs BARACUDA_FLAG_GUARDED */
} baracuda_backend;

/* The order of the dimensions of k_data and v_data after the page. */
typedef enum baracuda_layout {
  BARACUDA_LAYOUT_HND = 0, /* [num_total_pages, num_heads, page_size, head_dim] */
  BARACUDA_LAYOUT_NHD = 1  /* [num_total_pages, page_size, num_heads, head_dim] */
} baracuda_layout;

/* What last_page_len counts: see THE SLOT above. */
typedef enum baracuda_length_convention {
  BARACUDA_BEFORE_APPEND = 0, /* 0 .. page_size - 1; the slot is last_page_len */
  BARACUDA_AFTER_APPEND = 1   /* 1 .. page_size; the slot is last_page_len - 1 */
} baracuda_length_convention;

/* Guarded: see THE GUARD above. For BARACUDA_BACKEND_BESPOKE and BARACUDA_BACKEND_HOST. */
#define BARACUDA_FLAG_GUARDED 1u

/* Why a guarded append did not serve a request. */
typedef enum baracuda_corruption {
  BARACUDA_CORRUPT_NONE = 0,
  BARACUDA_CORRUPT_INDPTR = 1,       /* negative, decreasing, or beyond total_used_pages */
  BARACUDA_CORRUPT_PAGE = 2,         /* the last page's id is num_total_pages or more */
  BARACUDA_CORRUPT_LAST_PAGE_LEN = 3 /* outside its convention's range */
} baracuda_corruption;

/* Where a guarded append records the first corrupt request that it meets, of any number of appends: 32 bytes that
 * the backend can write (CUDA: device, managed or pinned memory), zero when unclaimed. Claimed by one atomic on
 * `reason`, then kept until its owner zeroes it. Read it after the append has finished. */
typedef struct baracuda_error_record {
  int32_t reason;        /* baracuda_corruption; 0: unclaimed */
  int32_t request;       /* 0 .. batch_size - 1 */
  int32_t indptr_begin;  /* indptr[request] */
  int32_t indptr_end;    /* indptr[request + 1] */
  int32_t page;          /* the id of its last page; -1 where indptr is corrupt and no id was read */
  int32_t last_page_len; /* last_page_len[request] */
  int32_t reserved[2];   /* 0 */
} baracuda_error_record;

/* One append. Zero it, set struct_size to sizeof(baracuda_paged_kv_append), fill it in. It may be reused for any
 * number of calls, and may be read by several calls at once. */
typedef struct baracuda_paged_kv_append {
  uint32_t struct_size;      /* bytes of this struct as its caller knows it */
  uint32_t flags;            /* BARACUDA_FLAG_...; an unknown flag is refused with 3 */
  int32_t backend;           /* baracuda_backend */
  int32_t element;           /* baracuda_element */
  int32_t layout;            /* baracuda_layout */
  int32_t length_convention; /* baracuda_length_convention */
  int32_t batch_size;        /* requests, >= 1 */
  int32_t page_size;         /* tokens a page, >= 1 */
  int32_t num_heads;         /* KV heads, >= 1 */
  int32_t head_dim;          /* elements a row: 64, 128 or 256; guarded: any whose row is a multiple of 16 bytes */
  int32_t num_total_pages;   /* pages in each of k_data and v_data; 0: not stated, and then not checked against;
                                guarded: always stated, >= 1 */
  int32_t total_used_pages;  /* entries of indices; 0: not stated, and then not checked against; guarded: always
                                stated, and 0 means none */
  void* k_data;              /* 16-byte aligned */
  void* v_data;              /* 16-byte aligned */
  const int32_t* indices;    /* guarded: may be NULL where total_used_pages is 0 */
  const int32_t* indptr;
  const int32_t* last_page_len;
  const void* key;                     /* 16-byte aligned */
  const void* value;                   /* 16-byte aligned; may be key */
  baracuda_error_record* error_record; /* guarded: 4-byte aligned, or NULL to record nothing; else NULL */
  void* stream;                        /* CUDA: a cudaStream_t (CUstream); host: NULL */
} baracuda_paged_kv_append;

/* Append. CUDA: enqueued on op->stream, and not finished when this returns. Host: finished.
 * On a refusal nothing was launched or written. */
BARACUDA_API int32_t baracuda_paged_kv_append_run(const baracuda_paged_kv_append* op);

/* Whether _run would refuse `op`, and why: the same checks, the host twin's walk over the page table included, and
 * nothing launched or written. With all seven operand pointers NULL only the problem itself is judged. What only a
 * launch can find out (no driver, no such device) is not asked. */
BARACUDA_API int32_t baracuda_paged_kv_append_can_implement(const baracuda_paged_kv_append* op);

/* Load what _run would launch for `op` into the context that it would launch in, so that a graph capture need not.
 * Only the problem, key/value/table pointers excluded, and `stream` matter; k_data is asked for its device where
 * the stream is 0, 1 or 2, and if it is NULL there, the current context counts, or nothing is loaded if there is
 * none. May allocate device memory for code and may synchronise: CUDA's loading does. `arch`, unless NULL, gets the
 * architecture of the machine code that will run (90 for sm_90), or of the device if nothing was loaded; 0 for the
 * host twin, where there is nothing to load. Status as _run; 3 without CUDA. */
BARACUDA_API int32_t baracuda_paged_kv_append_preload(const baracuda_paged_kv_append* op, int32_t* arch);

/* A tensor somebody else owns. The layout is that of DLPack 1.x's DLTensor: a DLTensor* may be passed as it is. */
typedef struct baracuda_tensor {
  void* data;
  int32_t device_type; /* DLPack's: 1 host, 2 CUDA device, 3 CUDA pinned host, 13 CUDA managed */
  int32_t device_id;   /* CUDA ordinal; -1: ask the driver */
  int32_t ndim;
  uint8_t type_code; /* DLPack's: 0 int, 1 uint, 2 float, 4 bfloat, 10 float8_e4m3fn, 12 float8_e5m2 */
  uint8_t type_bits;
  uint16_t type_lanes;
  const int64_t* shape;   /* ndim extents */
  const int64_t* strides; /* ndim strides in elements; NULL: C-contiguous */
  uint64_t byte_offset;   /* added to data */
} baracuda_tensor;

/* The operands' order in the arrays below. */
typedef enum baracuda_operand {
  BARACUDA_OPERAND_KEY = 0,
  BARACUDA_OPERAND_VALUE = 1,
  BARACUDA_OPERAND_K_DATA = 2,
  BARACUDA_OPERAND_V_DATA = 3,
  BARACUDA_OPERAND_INDICES = 4,
  BARACUDA_OPERAND_INDPTR = 5,
  BARACUDA_OPERAND_LAST_PAGE_LEN = 6,
  BARACUDA_NUM_OPERANDS = 7
} baracuda_operand;

/* Check the shape, strides, element type and device of each operand against `op` and store its pointer there; then
 * judge the whole of `op` as _can_implement does, the page table's values excepted. An operand that is NULL keeps
 * the pointer (and its extents) that `op` has, which must not be NULL either. What is 0 in `op` is taken from the
 * operands: element, batch_size, page_size, num_heads, head_dim, num_total_pages. total_used_pages is set from
 * indices. op->backend, layout, length_convention and stream are the caller's.
 * Refusals beyond those of _run: 2 for a shape that does not fit, memory that the backend cannot reach or that is on
 * another device than the stream's (for CUDA backends error_record's too); 3 for a K/V tensor that is not contiguous
 * or a type that does not fit. On a refusal `op` is as it was. */
BARACUDA_API int32_t baracuda_paged_kv_append_bind(baracuda_paged_kv_append* op,
                                                   const baracuda_tensor* const operands[BARACUDA_NUM_OPERANDS]);

/* Fills `out` from `object` without taking ownership; 0, or not 0 if it could not. DLPack's C exchange table carries
 * such a function (dltensor_from_py_object_no_sync). */
typedef int (*baracuda_tensor_reader)(void* object, baracuda_tensor* out);

/* The same for operands that `reader` describes. A reader of Python objects needs the GIL: call this holding it.
 * If the reader fails this returns 2 and whatever error the reader raised in its own runtime stands. */
BARACUDA_API int32_t baracuda_paged_kv_append_bind_objects(baracuda_paged_kv_append* op,
                                                           void* const objects[BARACUDA_NUM_OPERANDS],
                                                           baracuda_tensor_reader reader);

/* The mirrored functions. Shapes, types and refusals as above; HND, BEFORE_APPEND; `stream` is a cudaStream_t for
 * flashinfer and NULL for host. num_total_pages is not stated, so a page id is checked only for its sign, and the
 * caches' overlap only over one page. */
#define BARACUDA_DECLARE_ELEMENT(ENUM, name, value, dlpack_code, bits)     \
  BARACUDA_DECLARE_RUN(flashinfer, name)                                   \
  BARACUDA_DECLARE_CAN_IMPLEMENT(flashinfer_paged_kv_append_decode_##name) \
  BARACUDA_DECLARE_RUN(host, name)                                         \
  BARACUDA_DECLARE_CAN_IMPLEMENT(host_paged_kv_append_decode_##name)
#define BARACUDA_DECLARE_RUN(backend, name)                                                                   \
  BARACUDA_API int32_t baracuda_kernels_##backend##_paged_kv_append_decode_##name##_run(                      \
      int32_t batch_size, int32_t page_size, int32_t num_heads, int32_t head_dim, void* k_data, void* v_data, \
      void* indices, void* indptr, void* last_page_len, const void* key, const void* value, void* stream);
#define BARACUDA_DECLARE_CAN_IMPLEMENT(family)                                                          \
  BARACUDA_API int32_t baracuda_kernels_##family##_can_implement(int32_t batch_size, int32_t page_size, \
                                                                 int32_t num_heads, int32_t head_dim);
BARACUDA_FOR_EACH_ELEMENT(BARACUDA_DECLARE_ELEMENT)
BARACUDA_DECLARE_CAN_IMPLEMENT(flashinfer_paged_kv_append_decode)
BARACUDA_DECLARE_CAN_IMPLEMENT(host_paged_kv_append_decode)
#undef BARACUDA_DECLARE_CAN_IMPLEMENT
#undef BARACUDA_DECLARE_RUN
#undef BARACUDA_DECLARE_ELEMENT

/* The most threads one host append may use, the calling one included: at least 1; 0 (the default) means as many as
 * the calling thread's CPU affinity has. Appends too small to gain use the calling thread alone. Threads live only
 * for the call that made them. Refuses a negative number with 2. For the whole process. */
BARACUDA_API int32_t baracuda_host_set_max_threads(int32_t max_threads);
BARACUDA_API int32_t baracuda_host_max_threads(void);

/* FOR CPYTHON: what a decode loop calls, as built-in functions, since ctypes takes longer for a call than this library
 * for the checks of an append. The library links to no Python. Of CPython's stable ABI (3.10 and later) it is given, by
 * address, the functions that it needs: each member has the name of its function. */
typedef struct baracuda_python_api {
  uint32_t struct_size; /* sizeof(baracuda_python_api) */
  uint32_t reserved;    /* 0 */
  void* none;           /* Py_None */
  void* int_type;       /* &PyLong_Type */
  void* exception_type; /* PyExc_Exception */
  void* PyBytes_AsString;
  void* PyBytes_FromStringAndSize;
  void* PyCapsule_GetPointer;
  void* PyDict_GetItemWithError;
  void* PyErr_Clear;
  void* PyErr_ExceptionMatches;
  void* PyErr_Occurred;
  void* PyEval_RestoreThread;
  void* PyEval_SaveThread;
  void* PyLong_AsUnsignedLongLong;
  void* PyLong_FromLong;
  void* PyObject_CallFunctionObjArgs;
  void* PyObject_Type;
  void* PyTuple_GetItem;
  void* PyTuple_New;
  void* PyTuple_SetItem;
  void* Py_DecRef;
  void* Py_IncRef;
} baracuda_python_api;

/* PyMethodDef. */
typedef struct baracuda_python_method {
  const char* name; /* NULL after the last */
  void* function;
  int32_t flags;
  const char* doc;
} baracuda_python_method;

/* The methods, in this order; `doc` says what each takes and returns. Make a function of one by PyCFunction_NewEx, with
 * `self` a dict from types to what describes their objects: an int, the address of a baracuda_tensor_reader, or 0; or a
 * function of the object that returns a DLPack capsule, "dltensor". The capsule is let go before the append runs: the
 * memory that it names must be the object's own. A function that is in `self` stays there. In what follows `op` is a
 * bytes object that holds a baracuda_paged_kv_append of its struct_size, and `bound` a tuple of eight: an op, and for
 * each of its operands, in baracuda_operand's order, an object that keeps its memory, or None where op has no pointer.
 *
 *   run(bound)                                  baracuda_paged_kv_append_run, the GIL released; returns the status
 *   bind(bound, key, value, k_data, v_data, indices, indptr, last_page_len)
 *                                               a new bound with these operands, checked as by _bind, the GIL held; one
 *                                               that is None stays. Returns a status where it refuses
 *   append(op, stream, operands)                _bind to the seven of the tuple, the GIL held, then _run on `stream`, an
 *                                               int, or None for the host, the GIL released; returns the status, or -1
 *                                               times the status where _bind refused
 *
 * They trust their caller for all that, but a stream or an operand may be any object. bind and append return None where
 * they cannot judge, and have then done nothing: an operand that there is none of, whose type has nothing in `self`, or
 * where that raised an Exception (which is cleared; what is no Exception, such as KeyboardInterrupt, goes on); a stream
 * that is not of the backend's kind. Returns NULL for an `api` that lacks something. The functions of the first one are
 * kept, and hold for the process. */
BARACUDA_API const baracuda_python_method* baracuda_python_methods(const baracuda_python_api* api);

/* "MAJOR.MINOR.PATCH" of the library that is loaded. Static storage. */
BARACUDA_API const char* baracuda_ffi_version(void);

/* BARACUDA_FFI_ABI_VERSION of the library that is loaded. */
BARACUDA_API int32_t baracuda_ffi_abi_version(void);

/* What was built in: "key=value" pairs separated by ';', lists by ','. Keys: flashinfer (release, or none), cuda
 * (compiler version, or none), archs (machine code for these, e.g. 80,90), ptx (for what comes after), backends.
 * Static storage. */
BARACUDA_API const char* baracuda_ffi_build_info(void);

/* The name of a status: "BARACUDA_INVALID_PROBLEM", or CUDA's own ("cudaErrorInvalidValue") from 1000 up;
 * "unknown" for a number that is neither. Static storage, needs no driver. */
BARACUDA_API const char* baracuda_status_name(int32_t status);

/* Why the last refused call of this thread was refused: which operand, what it is, what it should be. "" before the
 * first. Valid until this thread's next refused call; a successful call leaves it. Never NULL. */
BARACUDA_API const char* baracuda_last_error_message(void);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* BARACUDA_FFI_H_ */
