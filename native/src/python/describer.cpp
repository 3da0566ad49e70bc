#include "python/describer.h"

#include "python/object.h"

namespace baracuda::python {
namespace {

Describer read_describer(Object* describers, Object* type) {
  Describer read;
  read.describers = describers;
  read.type = type;
  Object* const found = api->borrow_dict_item(describers, type);
  if (found == nullptr) return read;
  if (!is_int(found)) {
    read.exporter = found;
    Object* const said = api->borrow_dict_item(describers, found);
    read.lends_for_a_call = said == api->none;
    if (said == nullptr || read.lends_for_a_call) return read;
    if (is_int(said)) {
      read.capsule_offset = api->address_of_int(said);
    } else if (is_tuple(said)) {
      read.whole_offset = api->address_of_int(api->borrow_tuple_item(said, 0));
      read.half_offset = api->address_of_int(api->borrow_tuple_item(said, 1));
    } else {
      read.arrays = reinterpret_cast<const baracuda_array_layout*>(api->bytes_of(said));
    }
    return read;
  }
  read.reader = reinterpret_cast<baracuda_tensor_reader>(api->address_of_int(found));
  Object* const caution = api->borrow_dict_item(describers, found);
  if (caution == nullptr) return read;
  read.tensors = reinterpret_cast<const baracuda_tensor_layout*>(api->bytes_of(api->borrow_tuple_item(caution, 0)));
  read.asked_if_written = api->borrow_tuple_item(caution, 1);
  read.wanted = api->borrow_tuple_item(caution, 2);
  return read;
}

// Those that were read, by type: what a table has stays as it is, and looking it up takes as long as some of an
// append's checks. A table that is here is kept, so that none of its types becomes another. A thread has its own, since
// an interpreter may run them at once.
constexpr size_t kReadDescribers = 8;
thread_local Describer read_describers[kReadDescribers];

}  // namespace

Describer find_describer(Object* describers, Object* type) {
  Describer& kept = read_describers[reinterpret_cast<uintptr_t>(type) / 64 % kReadDescribers];
  if (kept.type == type && kept.describers == describers) return kept;
  const Describer read = read_describer(describers, type);
  if (read.reader == nullptr && read.exporter == nullptr) return read;  // it may have something later
  Object* const before = kept.describers;
  api->retain(describers);
  kept = read;
  if (before != nullptr) api->release(before);
  return read;
}

}  // namespace baracuda::python
