// What the calls ask any object.
#ifndef BARACUDA_SRC_PYTHON_OBJECT_H_
#define BARACUDA_SRC_PYTHON_OBJECT_H_

#include <cstddef>
#include <cstring>

#include "base/hints.h"
#include "python/api.h"

namespace baracuda::python {

// What an object has at an offset.
template <typename Member>
Member member_of(const void* object, size_t offset) noexcept {
  Member member;
  std::memcpy(static_cast<void*>(&member), static_cast<const char*>(object) + offset, sizeof(Member));
  return member;
}

template <typename Member>
void set_member(void* object, size_t offset, Member member) noexcept {
  std::memcpy(static_cast<char*>(object) + offset, static_cast<const void*>(&member), sizeof(Member));
}

// Borrowed: the object has it.
inline Object* type_of(Object* object) {
  if (BARACUDA_LIKELY(api->type_offset != 0)) return member_of<Object*>(object, api->type_offset);
  Object* const type = api->own_type(object);
  api->release(type);
  return type;
}

// Exactly: a bool is an int to Python's conversions.
inline bool is_int(Object* object) { return type_of(object) == api->int_type; }

inline bool is_tuple(Object* object) { return type_of(object) == api->tuple_type; }

}  // namespace baracuda::python

#endif  // BARACUDA_SRC_PYTHON_OBJECT_H_
