// The operands of a call, as objects: which are given, and where.
#ifndef BARACUDA_SRC_PYTHON_OBJECTS_H_
#define BARACUDA_SRC_PYTHON_OBJECTS_H_

#include <cstddef>
#include <cstdint>

#include "baracuda_ffi.h"
#include "python/api.h"

namespace baracuda::python {

// Borrowed. Of those that are not given there may be anything.
struct Objects {
  Object* const* first;
  uint32_t given;           // bit i: operand i
  Object* whole = nullptr;  // both caches, in place of each by itself

  bool has(ptrdiff_t i) const { return (given >> i & 1u) != 0; }
};

// Where None stands for an operand that is not given.
inline uint32_t given_of(Object* const* objects, ptrdiff_t count) {
  uint32_t given = 0;
  for (ptrdiff_t i = 0; i < count; ++i) given |= (objects[i] != api->none ? 1u : 0u) << i;
  return given;
}

// Of a call that has an argument for each operand, and one for both caches in one behind them. What is not given may
// have its own object there too. False where a cache is given twice.
constexpr ptrdiff_t kArgumentsOfOperands = BARACUDA_NUM_OPERANDS + 1;
inline bool find_objects(Object* const* arguments, Objects* found) {
  constexpr int kKvData = BARACUDA_NUM_OPERANDS;
  constexpr uint32_t kCaches = 1u << BARACUDA_OPERAND_K_DATA | 1u << BARACUDA_OPERAND_V_DATA;
  found->first = arguments;
  found->given = 0;
  for (int i = 0; i <= kKvData; ++i) {
    const bool is_given = arguments[i] != api->none && arguments[i] != api->not_given[i];
    found->given |= (is_given ? 1u : 0u) << i;
  }
  if (!found->has(kKvData)) return true;
  if ((found->given & kCaches) != 0) return false;
  found->whole = arguments[kKvData];
  found->given ^= kCaches | 1u << kKvData;
  return true;
}

}  // namespace baracuda::python

#endif  // BARACUDA_SRC_PYTHON_OBJECTS_H_
