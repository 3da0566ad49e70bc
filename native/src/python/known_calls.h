// Calls by name that are known, by what is given.
#ifndef BARACUDA_SRC_PYTHON_KNOWN_CALLS_H_
#define BARACUDA_SRC_PYTHON_KNOWN_CALLS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "baracuda_ffi.h"
#include "python/accelerator.h"
#include "python/api.h"
#include "python/objects.h"

namespace baracuda::python {

// What a call says besides operands and kv_data, and its stream; borrowed.
struct Said {
  Object* stream;
  Object* const* others;
  ptrdiff_t num_others;
};

// The op of one of `calls` that is like the one with these operands; nullptr where none is. The last that was is
// looked at first: a loop makes the same call again.
inline Object* find_known(Object* calls, const Objects& operands, const Said& said) {
  static thread_local ptrdiff_t last = 0;
  const uint64_t given = operands.given | (said.stream == api->none ? BARACUDA_PRIVATE_ON_HOST : 0);
  const size_t said_bytes = static_cast<size_t>(said.num_others) * sizeof(Object*);
  const ptrdiff_t count = api->tuple_size(calls);
  ptrdiff_t at = last < count ? last : 0;
  for (ptrdiff_t left = count; left > 0; --left) {
    Object* const known = api->borrow_tuple_item(calls, at);
    const char* const by = api->bytes_of(api->borrow_tuple_item(known, 1));
    if (std::memcmp(by, &given, sizeof given) == 0 &&
        std::memcmp(by + sizeof given, static_cast<const void*>(said.others), said_bytes) == 0) {
      last = at;
      return api->borrow_tuple_item(known, 0);
    }
    at = at + 1 < count ? at + 1 : 0;
  }
  return nullptr;
}

}  // namespace baracuda::python

#endif  // BARACUDA_SRC_PYTHON_KNOWN_CALLS_H_
