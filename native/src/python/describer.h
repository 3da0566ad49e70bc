// What describes the objects of a type.
#ifndef BARACUDA_SRC_PYTHON_DESCRIBER_H_
#define BARACUDA_SRC_PYTHON_DESCRIBER_H_

#include <cstddef>

#include "python/accelerator.h"
#include "python/api.h"

namespace baracuda::python {

// What a table has for a type. Whatever it points to the table keeps.
struct Describer {
  Object* describers = nullptr;
  Object* type = nullptr;
  baracuda_tensor_reader reader = nullptr;
  Object* exporter = nullptr;
  const baracuda_array_layout* arrays = nullptr;    // beside an exporter
  const baracuda_tensor_layout* tensors = nullptr;  // beside a reader, as are the following two
  Object* asked_if_written = nullptr;
  Object* wanted = nullptr;
  size_t capsule_offset = 0;  // of one that the object keeps; 0: none
  size_t whole_offset = 0;    // of what the object is half of; 0: none
  size_t half_offset = 0;     // of an int, which half
  bool lends_for_a_call = false;
};

// By what `describers`, a dict that python/accelerator.h describes, has for the type.
Describer find_describer(Object* describers, Object* type);

}  // namespace baracuda::python

#endif  // BARACUDA_SRC_PYTHON_DESCRIBER_H_
