// The part of CPython's stable ABI that the library calls. It links to no Python: all of it comes by address.
#ifndef BARACUDA_SRC_PYTHON_API_H_
#define BARACUDA_SRC_PYTHON_API_H_

#include <cstddef>

#include "python/accelerator.h"

namespace baracuda::python {

struct Object;       // PyObject
struct ThreadState;  // PyThreadState

// baracuda_python_api with its members' types. Names say what Python's do not: whether a reference comes with the
// result.
struct Api {
  explicit Api(const baracuda_python_api& given) noexcept
      : type_offset(given.type_offset),
        none(Any{given.none}),
        int_type(Any{given.int_type}),
        exception_type(Any{given.exception_type}),
        tuple_type(Any{given.tuple_type}),
        interpreter(given.interpreter),
        bytes_of(Any{given.PyBytes_AsString}),
        own_bytes(Any{given.PyBytes_FromStringAndSize}),
        capsule_pointer(Any{given.PyCapsule_GetPointer}),
        borrow_dict_item(Any{given.PyDict_GetItemWithError}),
        clear_error(Any{given.PyErr_Clear}),
        restore_thread(Any{given.PyEval_RestoreThread}),
        save_thread(Any{given.PyEval_SaveThread}),
        address_of_int(Any{given.PyLong_AsUnsignedLongLong}),
        error(Any{given.PyErr_Occurred}),
        error_is(Any{given.PyErr_ExceptionMatches}),
        own_int(Any{given.PyLong_FromLong}),
        own_result(Any{given.PyObject_CallFunctionObjArgs}),
        own_type(Any{given.PyObject_Type}),
        borrow_tuple_item(Any{given.PyTuple_GetItem}),
        own_tuple(Any{given.PyTuple_New}),
        give_to_tuple(Any{given.PyTuple_SetItem}),
        tuple_size(Any{given.PyTuple_Size}),
        release(Any{given.Py_DecRef}),
        retain(Any{given.Py_IncRef}) {
    for (int i = 0; i <= BARACUDA_NUM_OPERANDS; ++i) not_given[i] = Any{given.not_given[i]};
    // As long as these are kept no other object is at their addresses.
    retain(Any{given.interpreter});
    for (Object* object : not_given) retain(object);
  }

  size_t type_offset;  // in an object; 0: not known
  Object* none;
  Object* int_type;
  Object* exception_type;
  Object* tuple_type;
  void* interpreter;
  Object* not_given[BARACUDA_NUM_OPERANDS + 1];  // what stands for an operand of a call by name, and for kv_data
  char* (*bytes_of)(Object*);
  Object* (*own_bytes)(const char*, ptrdiff_t size);
  void* (*capsule_pointer)(Object*, const char* name);     // nullptr and an error for what is none of that name
  Object* (*borrow_dict_item)(Object* dict, Object* key);  // nullptr without an error: not there
  void (*clear_error)();
  void (*restore_thread)(ThreadState*);
  ThreadState* (*save_thread)();
  unsigned long long (*address_of_int)(Object*);  // ~0 and an error for what is no int from 0 to 2^64 - 1
  Object* (*error)();                             // borrowed; nullptr for none
  int (*error_is)(Object* type);
  Object* (*own_int)(long);
  Object* (*own_result)(Object* function, ...);  // the arguments, and nullptr after the last
  Object* (*own_type)(Object*);
  Object* (*borrow_tuple_item)(Object* tuple, ptrdiff_t index);
  Object* (*own_tuple)(ptrdiff_t size);  // of nullptr until each is given its item
  int (*give_to_tuple)(Object* tuple, ptrdiff_t index, Object* owned);
  ptrdiff_t (*tuple_size)(Object*);
  void (*release)(Object*);
  void (*retain)(Object*);

 private:
  // An address as whatever it is assigned to.
  struct Any {
    void* address;
    template <typename Pointer>
    operator Pointer() const noexcept {  // NOLINT(misc-explicit-constructor)
      return reinterpret_cast<Pointer>(address);
    }
  };
};

extern const Api* api;  // set once, before there is a function that could be called

}  // namespace baracuda::python

#endif  // BARACUDA_SRC_PYTHON_API_H_
