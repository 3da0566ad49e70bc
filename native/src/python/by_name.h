// What a call is given by name, and the calls that are known by that.
#ifndef BARACUDA_SRC_PYTHON_BY_NAME_H_
#define BARACUDA_SRC_PYTHON_BY_NAME_H_

#include <cstddef>
#include <cstdint>

#include "baracuda_ffi.h"
#include "base/hints.h"
#include "python/accelerator.h"
#include "python/api.h"

namespace baracuda::python {

// The operands that a call was given, borrowed.
struct Objects {
  Object* const* first;
  ptrdiff_t count;
  bool whole_caches;  // k_data and v_data are one object, of which each is half
};

// What a call gives by name; -1 for anything else.
inline int find_name(Object** name) {
  const int found = api->names.find(*name);
  if (BARACUDA_LIKELY(found >= 0)) return found;
  // Keywords are interned, but what a caller made names of need not be. The call has no need of the object.
  api->retain(*name);
  api->intern(name);
  api->release(*name);
  return api->names.find(*name);
}

constexpr int kKvData = BARACUDA_NUM_OPERANDS;
constexpr int kStream = kKvData + 1;
static_assert(kStream < BARACUDA_PRIVATE_NAMES, "a name each, and then options");

// Operands that are given one by one; borrowed.
class OperandsByName {
 public:
  OperandsByName() {
    for (Object*& operand : operands_) operand = api->none;
  }

  // False where it is given already.
  bool put(int operand, Object* object) {
    if (object == api->none) return true;
    if (operands_[operand] != api->none) return false;
    operands_[operand] = object;
    given_ |= 1u << operand;
    return true;
  }

  // Both caches in one.
  bool put_whole(Object* object) {
    whole_caches_ = whole_caches_ || object != api->none;
    return put(BARACUDA_OPERAND_K_DATA, object) && put(BARACUDA_OPERAND_V_DATA, object);
  }

  uint32_t given() const { return given_; }
  Objects objects() const {
    ptrdiff_t count = BARACUDA_NUM_OPERANDS;
    while (count > 0 && operands_[count - 1] == api->none) --count;
    return {operands_, count, whole_caches_};
  }

 private:
  Object* operands_[BARACUDA_NUM_OPERANDS];
  uint32_t given_ = 0;
  bool whole_caches_ = false;
};

// A call by name: its operands, its stream, and what it says besides; borrowed.
class CallByName {
 public:
  // False where that is no call, or says too much for one that is known.
  bool read(Object* first, ptrdiff_t most, Object* named) {
    first_by_name_ = api->tuple_size(first);
    if (first_by_name_ > most) return false;
    for (int i = 0; i < first_by_name_; ++i) operands_.put(i, api->borrow_tuple_item(first, i));
    Object* name;
    Object* value;
    for (ptrdiff_t position = 0; api->next_dict_item(named, &position, &name, &value) != 0;)
      if (!take(name, value)) return false;
    return stream_ != nullptr;
  }

  // The op of one of `calls` that is like this one; nullptr where none is. The last that was is looked at first: a
  // loop makes the same call again.
  Object* find_op(Object* calls) const {
    static thread_local ptrdiff_t last = 0;
    const ptrdiff_t count = api->tuple_size(calls);
    ptrdiff_t at = last < count ? last : 0;
    for (ptrdiff_t left = count; left > 0; --left) {
      Object* const known = api->borrow_tuple_item(calls, at);
      if (is_like(known)) {
        last = at;
        return api->borrow_tuple_item(known, 0);
      }
      at = at + 1 < count ? at + 1 : 0;
    }
    return nullptr;
  }

  Object* stream() const { return stream_; }
  Objects operands() const { return operands_.objects(); }

 private:
  static constexpr ptrdiff_t kMostSaid = 16;  // names, and values

  bool take(Object* name, Object* value) {
    const int i = find_name(&name);
    if (i >= 0 && i < BARACUDA_NUM_OPERANDS) return i >= first_by_name_ && operands_.put(i, value);
    if (i == kKvData) return operands_.put_whole(value);
    if (i == kStream) {
      stream_ = value;
      if (value != api->none) return true;
    }
    if (num_said_ == kMostSaid) return false;
    said_[num_said_++] = name;
    said_[num_said_++] = value;
    return true;
  }

  bool is_like(Object* known) const {
    constexpr ptrdiff_t kSaid = 2;
    if (api->tuple_size(known) != kSaid + num_said_) return false;
    if (api->address_of_int(api->borrow_tuple_item(known, 1)) != operands_.given()) return false;
    for (ptrdiff_t i = 0; i < num_said_; ++i)
      if (api->borrow_tuple_item(known, kSaid + i) != said_[i]) return false;
    return true;
  }

  OperandsByName operands_;
  Object* said_[kMostSaid];
  ptrdiff_t num_said_ = 0;
  Object* stream_ = nullptr;
  ptrdiff_t first_by_name_ = 0;
};

// Adds to `operands` what `named` has; false for what is none. Of both caches in one, each half would have to be kept.
inline bool add_named(Object* named, OperandsByName* operands) {
  Object* name;
  Object* value;
  for (ptrdiff_t position = 0; api->next_dict_item(named, &position, &name, &value) != 0;) {
    const int i = find_name(&name);
    if (i < 0 || i >= BARACUDA_NUM_OPERANDS || !operands->put(i, value)) return false;
  }
  return true;
}

}  // namespace baracuda::python

#endif  // BARACUDA_SRC_PYTHON_BY_NAME_H_
