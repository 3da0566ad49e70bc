// The built-in functions that baracuda_python_methods describes. The GIL is held wherever a Python function is called.
#include <cstddef>
#include <cstdint>

#include "append.h"
#include "bind.h"
#include "python/api.h"
#include "status.h"

namespace baracuda::python {
namespace {

const Api* api = nullptr;  // set once, before there is a function that could be called

Object* cannot_judge() {
  api->retain(api->none);
  return api->none;
}

const Append* append_in(Object* bytes) { return reinterpret_cast<const Append*>(api->bytes_of(bytes)); }

// Describes objects by the readers of their types. The shapes are the objects' own: it lives no longer than they do.
class GivenOperands {
 public:
  explicit GivenOperands(Object* readers) noexcept : readers_(readers) {}

  // False, and no error left behind, where the object is none that a reader reads.
  bool read(int operand, Object* object) {
    Object* const type = api->own_type(object);
    api->release(type);  // the object has it
    if (type != last_type_) {
      last_type_ = type;
      last_reader_ = find_reader(type);
    }
    if (last_reader_ == nullptr) return false;
    if (last_reader_(object, &tensors_[operand]) != 0) {
      api->clear_error();
      return false;
    }
    operands_[operand] = &tensors_[operand];
    return true;
  }

  Operands& operands() const noexcept { return operands_; }

 private:
  baracuda_tensor_reader find_reader(Object* type) const {
    Object* const address = api->borrow_dict_item(readers_, type);
    if (address != nullptr) return reinterpret_cast<baracuda_tensor_reader>(api->address_of_int(address));
    if (api->error() != nullptr) api->clear_error();
    return nullptr;
  }

  Object* const readers_;
  Object* last_type_ = nullptr;
  baracuda_tensor_reader last_reader_ = nullptr;
  Tensor tensors_[BARACUDA_NUM_OPERANDS];
  const Tensor* operands_[BARACUDA_NUM_OPERANDS] = {};
};

// The stream of an append by its backend; false where it is not of the backend's kind.
bool read_stream(Object* stream, Append* op) {
  const Backend* backend = find_backend(op->backend);
  if (backend != nullptr && backend->is_host) return stream == api->none;
  Object* const type = api->own_type(stream);
  api->release(type);
  if (type != api->int_type) return false;  // a bool is an int to the conversion
  op->stream = reinterpret_cast<void*>(api->address_of_int(stream));
  if (op->stream != reinterpret_cast<void*>(UINTPTR_MAX)) return true;
  api->clear_error();
  return false;
}

int32_t bind_given(Append* op, const GivenOperands& given) {
  return at_the_abi("baracuda_paged_kv_append_bind", [&]() -> int32_t { return bind_operands(op, given.operands()); });
}

Object* run(Object*, Object* const* arguments, ptrdiff_t) {
  const Append* const op = append_in(api->borrow_tuple_item(arguments[0], 0));
  ThreadState* const thread = api->save_thread();
  const int32_t status = baracuda_paged_kv_append_run(op);
  api->restore_thread(thread);
  return api->own_int(status);
}

Object* bind(Object* readers, Object* const* arguments, ptrdiff_t) {
  Object* const bound = arguments[0];
  Object* keep[BARACUDA_NUM_OPERANDS];
  GivenOperands given(readers);
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i) {
    keep[i] = arguments[1 + i];
    if (keep[i] != api->none) {
      if (!given.read(i, keep[i])) return cannot_judge();
      continue;
    }
    keep[i] = api->borrow_tuple_item(bound, 1 + i);
    if (keep[i] == api->none) return cannot_judge();
  }
  Append op = *append_in(api->borrow_tuple_item(bound, 0));
  const int32_t status = bind_given(&op, given);
  if (status != BARACUDA_OK) return api->own_int(status);
  Object* const tuple = api->own_tuple(1 + BARACUDA_NUM_OPERANDS);
  if (tuple == nullptr) return nullptr;
  Object* const bytes = api->own_bytes(reinterpret_cast<const char*>(&op), sizeof(op));
  if (bytes == nullptr) {
    api->release(tuple);
    return nullptr;
  }
  api->give_to_tuple(tuple, 0, bytes);
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i) {
    api->retain(keep[i]);
    api->give_to_tuple(tuple, 1 + i, keep[i]);
  }
  return tuple;
}

Object* append(Object* readers, Object* const* arguments, ptrdiff_t) {
  Append op = *append_in(arguments[0]);
  if (!read_stream(arguments[1], &op)) return cannot_judge();
  GivenOperands given(readers);
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i)
    if (!given.read(i, api->borrow_tuple_item(arguments[2], i))) return cannot_judge();
  int32_t status = bind_given(&op, given);
  if (status == BARACUDA_OK) {
    ThreadState* const thread = api->save_thread();
    status = at_the_abi("baracuda_paged_kv_append_run", [&]() -> int32_t { return run_bound_append(op); });
    api->restore_thread(thread);
  }
  return api->own_int(status);
}

constexpr int32_t kMethFastcall = 0x0080;

template <typename Function>
baracuda_python_method method(const char* name, Function function, const char* doc) {
  return {name, reinterpret_cast<void*>(function), kMethFastcall, doc};
}

bool is_whole(const baracuda_python_api& given) noexcept {
  if (given.struct_size < sizeof(given)) return false;
  const auto* members = reinterpret_cast<void* const*>(&given.none);
  const size_t count = (sizeof(given) - offsetof(baracuda_python_api, none)) / sizeof(void*);
  for (size_t i = 0; i < count; ++i)
    if (members[i] == nullptr) return false;
  return true;
}

}  // namespace
}  // namespace baracuda::python

extern "C" const baracuda_python_method* baracuda_python_methods(const baracuda_python_api* api) {
  using namespace baracuda::python;
  if (api == nullptr || !is_whole(*api)) {
    baracuda::fail(BARACUDA_INVALID_PROBLEM,
                   "api is NULL or lacks a function; it should be a whole baracuda_python_api");
    return nullptr;
  }
  static const Api functions(*api);
  static const baracuda_python_method methods[] = {
      method("run", run, "run(bound) -> status"),
      method("bind", bind,
             "bind(bound, key, value, k_data, v_data, indices, indptr, last_page_len) -> bound, status or None"),
      method("append", append, "append(op, stream, operands) -> status or None"),
      {nullptr, nullptr, 0, nullptr},
  };
  baracuda::python::api = &functions;
  return methods;
}
