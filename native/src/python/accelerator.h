/* What the Python package of this repository, and nobody else, takes from the library: the calls of a decode loop as
 * built-in functions of CPython, since ctypes takes longer for a call than this library for the checks of an append.
 * Not part of the ABI: it is not installed, and changes as the package does. The library links to no Python. Of
 * CPython's stable ABI (3.10 and later) it is given, by address, the functions that it needs: each member has the name
 * of its function. */
#ifndef BARACUDA_SRC_PYTHON_ACCELERATOR_H_
#define BARACUDA_SRC_PYTHON_ACCELERATOR_H_

#include <stdint.h>

#include "baracuda_ffi.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Raised with any change to this file, or to what a function takes or returns: the version of all that the package and
 * the library have to agree about here. */
#define BARACUDA_PRIVATE_PYTHON_VERSION 5
#define BARACUDA_PRIVATE_TENSOR_TYPES 12

typedef struct baracuda_python_api {
  uint32_t struct_size; /* sizeof(baracuda_python_api) */
  uint32_t type_offset; /* where an object has its type; 0: not known */
  void* none;           /* Py_None */
  void* int_type;       /* &PyLong_Type */
  void* exception_type; /* PyExc_Exception */
  void* tuple_type;     /* &PyTuple_Type */
  void* interpreter;    /* an object that no other interpreter has: the module sys */
  /* What stands for each operand, and for both caches in one, where a call by name gives none: an object each. */
  void* not_given[BARACUDA_NUM_OPERANDS + 1];
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
  void* PyTuple_Size;
  void* Py_DecRef;
  void* Py_IncRef;
} baracuda_python_api;

/* Fills `out` from `object` without taking ownership; 0, or not 0 if it could not. DLPack's C exchange table carries
 * such a function (dltensor_from_py_object_no_sync). */
typedef int (*baracuda_tensor_reader)(void* object, baracuda_tensor* out);

typedef struct baracuda_array_type {
  void* type;        /* NULL behind the last */
  uint8_t code;      /* DLPack's */
  uint8_t doublings; /* of a byte, that one has */
} baracuda_array_type;

/* Where the objects of a type of arrays, in the host's memory, have what describes them: offsets in an object. The
 * pointers to extents and to strides in bytes, of which there are as many as `rank` says, are to int64; `base` is what
 * has the memory, NULL for the object itself. What an object has at `type` is one of `types`, which may become more
 * while the GIL is held. */
typedef struct baracuda_array_layout {
  const baracuda_array_type* types;
  uint32_t data;
  uint32_t rank; /* of an int32, as is flags */
  uint32_t extents;
  uint32_t strides;
  uint32_t base;
  uint32_t type;
  uint32_t flags;
  uint32_t wanted_flags; /* all of them */
  uint32_t unwanted_flags;
} baracuda_array_layout;

/* Where the objects of torch's tensor types have what describes them: offsets in what an object points to at `object`.
 * Those of a tensor with a bit of `strange` in its keys, a word of 64 bits, are never read. Where all of its keys are
 * in `plain`, it has its extents and strides there, int64 each, if there are at most five; `first`, of an int64, is
 * where its elements begin in its storage, which it points to and which points to the memory. With `num_types` 0 only
 * what is up to `watched` is known. */
typedef struct baracuda_tensor_layout {
  uint64_t strange;
  uint64_t plain;
  uint32_t object; /* in an object */
  uint32_t keys;
  uint32_t watched; /* of a pointer, NULL where nobody watches what is written */
  uint32_t rank;    /* of an int64 */
  uint32_t extents;
  uint32_t strides;
  uint32_t first;
  uint32_t elements; /* of an int64: how many; one of none has no memory */
  uint32_t type;     /* of a uint16 */
  uint32_t device;   /* of an int8, torch's type of device, and of another, its index */
  uint32_t storage;
  uint32_t data;    /* in a storage */
  uint32_t shared;  /* in a storage: of a byte, 0 where its memory may be had without its being told */
  uint32_t on_cuda; /* whether what torch calls CUDA is */
  uint32_t num_types;
  struct {
    uint16_t type;     /* torch's */
    uint8_t code;      /* DLPack's */
    uint8_t doublings; /* of a byte, that one has */
  } types[BARACUDA_PRIVATE_TENSOR_TYPES];
} baracuda_tensor_layout;

/* Which operands say how many requests and rows there are, where a launch that is bound anew may have another number of
 * them, and which have an entry for each, or a row: bit i is operand i. */
typedef struct baracuda_open_counts {
  uint32_t requests_said_by;
  uint32_t requests_of;
  uint32_t rows_said_by;
  uint32_t rows_of;
} baracuda_open_counts;

/* How what a holder has is bound anew. */
typedef struct baracuda_rebinding {
  uint64_t bound_at; /* where the holder has it; 0: not known */
  baracuda_open_counts open;
} baracuda_rebinding;

/* PyMethodDef. Behind the last is one without a name, whose flags are BARACUDA_PRIVATE_PYTHON_VERSION: a package of
 * another version calls none of them. */
typedef struct baracuda_python_method {
  const char* name; /* NULL behind the last */
  void* function;
  int32_t flags;
  const char* doc;
} baracuda_python_method;

/* The methods, in this order; `doc` says what each takes and returns. Make a function of one by PyCFunction_NewEx,
 * with `self` a dict from types to what describes their objects: an int, the address of a baracuda_tensor_reader, or
 * 0; or a function of the object that returns a DLPack capsule, "dltensor". The capsule is let go before the append
 * runs: the memory that it names must be the object's own. Where `self` has None by that function, the object may let
 * go of that memory while it lives, and bind is not given such objects. Where it has a bytes object by that function,
 * a baracuda_array_layout, an object that has its memory by itself, or from another that has, of the same type, and is
 * otherwise as the layout says, is read without the function. Where it has an int by that function, an object keeps
 * its capsule, which has nothing to give back, at that offset. Where it has a tuple of two ints by that function, an
 * object is half of another, [pages, 2, ...], which it has at the first of these offsets; at the second it has an int:
 * which half. For the int of a reader `self` may have a tuple of
 * three: a bytes object, a baracuda_tensor_layout, by which most objects are read without the reader; a function, and
 * what it returns of an object that may be written though it has something at `watched`. What is in `self` stays
 * there. In what follows `op` is a bytes object that holds a baracuda_paged_kv_append of its struct_size; `operands` a
 * tuple of at most BARACUDA_NUM_OPERANDS objects, in baracuda_operand's order, None (or the end) where there is none;
 * and `bound` a tuple of two: an op, and the operands that keep its memory. One that bind made has a third, what the op
 * was found to be, with which run does not check it again.
 *
 * Where the GIL is released for a launch, it is kept for one of the host that takes less long than releasing it does.
 *
 *   run(bound)                     baracuda_paged_kv_append_run, the GIL released; returns the status
 *   bind(bound, *operands)         checked as by _bind, the GIL held; returns the status, and a new bound with these
 *                                  operands, one that is None as it was (None where the status is not 0)
 *   rebind(holder, how, *arguments)
 *                                  binds likewise, in place of the bound that the object `holder` has, anew where that
 *                                  was replaced meanwhile; returns the status. `how` is a bytes object that holds a
 *                                  baracuda_rebinding. `arguments` are an operand each, what stands for one that is
 *                                  not given, or None; and kv_data, which is for others. Not for interpreters that
 *                                  have no GIL
 *   append(op, stream, operands)   _bind, the GIL held, then _run on `stream`, an int, or None for the host, the GIL
 *                                  released; returns the status
 *   append_known(calls, stream, *arguments)
 *                                  likewise of a call by name: `arguments` are as of rebind, kv_data (both caches in
 *                                  one, in place of k_data and v_data) too, and what else it says, as many each time.
 *                                  `calls` is a tuple of tuples, one for each call that is known: its op; and a bytes
 *                                  object, of a uint64, bit i of it whether operand i is given, and
 *                                  BARACUDA_PRIVATE_ON_HOST whether the stream is None, and of the addresses of what
 *                                  else it says. One is taken of which that is so of this call.
 *                                  BARACUDA_PRIVATE_NOT_KNOWN, and nothing was done, if there is none
 *   copy(op, stream, operands)     likewise of a baracuda_paged_kv_copy, with the operands of baracuda_copy_operand
 *
 * They trust their caller for all that, but a stream or an operand may be any object. The status is
 * BARACUDA_PRIVATE_NOT_JUDGED, and nothing was done, for a holder that has no bound there, for a rebinding of what is
 * no operand, or that leaves one with another number of entries than it should have now, for an operand whose type has
 * nothing in `self`, that its reader or bind is not given, or where any of that raised an Exception (which is cleared;
 * what is no Exception, such as KeyboardInterrupt, goes on), and for a stream that is not of the backend's kind.
 *
 * Returns NULL for an `api` that lacks something. The functions of the first one hold for the process, and its
 * interpreter and what stands for arguments are kept: what the functions remember are objects of that interpreter, so
 * every other gets NULL, one that begins anew in this process too. */
#define BARACUDA_PRIVATE_NOT_JUDGED (-1)
#define BARACUDA_PRIVATE_NOT_KNOWN (-2)
#define BARACUDA_PRIVATE_ON_HOST (UINT64_C(1) << 63)
BARACUDA_API const baracuda_python_method* baracuda_private_python_methods(const baracuda_python_api* api);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* BARACUDA_SRC_PYTHON_ACCELERATOR_H_ */
