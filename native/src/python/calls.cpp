// The built-in functions that python/accelerator.h describes. The GIL is held wherever a Python function is called.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>

#include "abi/struct.h"
#include "append/append.h"
#include "append/backend.h"
#include "append/bind.h"
#include "append/operands.h"
#include "append/run.h"
#include "base/fence.h"
#include "base/hints.h"
#include "base/status.h"
#include "pages/backend.h"
#include "pages/bind.h"
#include "pages/operands.h"
#include "pages/run.h"
#include "python/accelerator.h"
#include "python/api.h"
#include "python/array.h"

namespace baracuda::python {
namespace {

const Api* api = nullptr;  // set once, before there is a function that could be called

template <typename Struct = Op>
Struct* op_in(Object* bytes) {
  return reinterpret_cast<Struct*>(api->bytes_of(bytes));
}

// Borrowed: the object has it.
Object* type_of(Object* object) {
  if (BARACUDA_LIKELY(api->type_offset != 0)) return member_of<Object*>(object, api->type_offset);
  Object* const type = api->own_type(object);
  api->release(type);
  return type;
}

// Exactly: a bool is an int to Python's conversions.
bool is_int(Object* object) { return type_of(object) == api->int_type; }

// What a table has for a type. Whatever it points to the table keeps.
struct Describer {
  Object* describers = nullptr;
  Object* type = nullptr;
  baracuda_tensor_reader reader = nullptr;
  Object* exporter = nullptr;
  const baracuda_array_layout* layout = nullptr;
  Object* asked_if_written = nullptr;
  Object* wanted = nullptr;
  size_t capsule_offset = 0;  // of one that the object keeps; 0: none
  size_t pointer_offset = 0;
  size_t word_offset = 0;
  size_t watched_offset = 0;
  uint64_t mark = 0;
  bool is_cautious = false;
  bool lends_for_a_call = false;
};

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
    if (is_int(said))
      read.capsule_offset = api->address_of_int(said);
    else
      read.layout = reinterpret_cast<const baracuda_array_layout*>(api->bytes_of(said));
    return read;
  }
  read.reader = reinterpret_cast<baracuda_tensor_reader>(api->address_of_int(found));
  Object* const caution = api->borrow_dict_item(describers, found);
  if (caution == nullptr) return read;
  read.is_cautious = true;
  read.pointer_offset = api->address_of_int(api->borrow_tuple_item(caution, 0));
  read.word_offset = api->address_of_int(api->borrow_tuple_item(caution, 1));
  read.mark = api->address_of_int(api->borrow_tuple_item(caution, 2));
  read.watched_offset = api->address_of_int(api->borrow_tuple_item(caution, 3));
  read.asked_if_written = api->borrow_tuple_item(caution, 4);
  read.wanted = api->borrow_tuple_item(caution, 5);
  return read;
}

// Those that were read, by type: what a table has stays as it is, and looking it up takes as long as some of an
// append's checks. A table that is here is kept, so that none of its types becomes another. A thread has its own, since
// an interpreter may run them at once.
constexpr size_t kReadDescribers = 8;
thread_local Describer read_describers[kReadDescribers];

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

// Whose operands a call is given.
struct Table {
  uint32_t written;  // bit i: operand i
  const char* (*name_of)(int operand);
};

Table table_of(const Op&) {
  constexpr uint32_t kWritten = [] {
    uint32_t bits = 0;
    for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i) bits |= (kOperands[i].written ? 1u : 0u) << i;
    return bits;
  }();
  return {kWritten, name_of};
}

Table table_of(const CopyOp& op) {
  uint32_t written = 0;
  for (int i = 0; i < BARACUDA_NUM_COPY_OPERANDS; ++i) written |= (writes(op, i) ? 1u : 0u) << i;
  return {written, copy_name_of};
}

// Objects, described by what `describers` has for their types. The shapes are the objects' own: it lives no longer than
// they do. It gives back what it was lent when it goes, and so goes before the GIL does.
class GivenOperands {
 public:
  GivenOperands(Object* describers, bool for_good, Table table) noexcept
      : describers_(describers), for_good_(for_good), table_(table) {}
  GivenOperands(const GivenOperands&) = delete;
  GivenOperands& operator=(const GivenOperands&) = delete;
  ~GivenOperands() {
    for (int i = 0; i < num_capsules_; ++i) api->release(capsules_[i]);
  }

  // Where it returns false, the call is over and has come to outcome().
  bool read(int operand, Object* object) {
    Object* const type = type_of(object);
    if (type != by_.type) by_ = find_describer(describers_, type);
    if (by_.layout != nullptr && has_memory(object) &&
        read_array(*by_.layout, object, &steps_[operand], &tensors_[operand])) {
      operands_[operand] = &tensors_[operand];
      return true;
    }
    if (by_.exporter != nullptr ? !export_to_capsule(operand, object) : !describe(operand, object)) return false;
    return api->error() == nullptr;
  }

  // What became of a call that read() ended. Where an error has to go on it stands, and the call returns nothing.
  int32_t outcome() const {
    if (api->error() != nullptr && api->error_is(api->exception_type)) api->clear_error();
    return refusal_ != BARACUDA_OK ? refusal_ : BARACUDA_PRIVATE_NOT_JUDGED;
  }

  void leave_out(int operand) { operands_[operand] = nullptr; }

  // Once each operand was read or left out.
  const Tensor* const* tensors() const { return operands_; }

 private:
  // Whether an array's memory is its own, or another's of its type: what else may have it, and where, its exporter
  // knows.
  bool has_memory(Object* array) const {
    Object* base = member_of<Object*>(array, by_.layout->base);
    while (base != nullptr && type_of(base) == by_.type) base = member_of<Object*>(base, by_.layout->base);
    return base == nullptr;
  }

  // Whether the reader may describe it.
  bool may_read(int operand, Object* object) const {
    if (!by_.is_cautious) return true;
    const void* const pointed_to = member_of<const void*>(object, by_.pointer_offset);
    if ((member_of<uint64_t>(pointed_to, by_.word_offset) & by_.mark) != 0) return false;
    if ((table_.written >> operand & 1u) == 0) return true;
    if (member_of<const void*>(pointed_to, by_.watched_offset) == nullptr) return true;
    Object* const answer = api->own_result(by_.asked_if_written, object, nullptr);
    if (answer == nullptr) return false;
    api->release(answer);
    return answer == by_.wanted;
  }

  bool describe(int operand, Object* object) {
    if (by_.reader == nullptr || !may_read(operand, object)) return false;
    try {
      if (by_.reader(object, &tensors_[operand]) != 0) return false;
    } catch (const std::exception& error) {  // not all there is to catch: a thread may be on its way out
      refusal_ = fail(BARACUDA_UNSUPPORTED, "%s could not be read: %s", table_.name_of(operand), error.what());
      return false;
    }
    operands_[operand] = &tensors_[operand];
    return true;
  }

  bool export_to_capsule(int operand, Object* object) {
    if (for_good_ && by_.lends_for_a_call) return false;
    Object* capsule = by_.capsule_offset != 0 ? member_of<Object*>(object, by_.capsule_offset) : nullptr;
    if (capsule == nullptr) {
      capsule = api->own_result(by_.exporter, object, nullptr);
      if (capsule == nullptr) return false;
      capsules_[num_capsules_++] = capsule;
    }
    // DLManagedTensor, which begins with the DLTensor.
    operands_[operand] = static_cast<const Tensor*>(api->capsule_pointer(capsule, "dltensor"));
    return operands_[operand] != nullptr;
  }

  Object* const describers_;
  const bool for_good_;  // whether the memory is used after what is lent goes back and the call is over
  const Table table_;
  Describer by_;  // that of the last operand's type
  int32_t refusal_ = BARACUDA_OK;
  int num_capsules_ = 0;
  Tensor tensors_[BARACUDA_NUM_OPERANDS];
  Steps steps_[BARACUDA_NUM_OPERANDS];
  Object* capsules_[BARACUDA_NUM_OPERANDS];
  const Tensor* operands_[BARACUDA_NUM_OPERANDS];
};

bool is_on_host(const Op& op) {
  const Backend* const backend = find_backend(op.backend);
  return backend != nullptr && backend->is_host;
}

bool is_on_host(const CopyOp& op) {
  const PageBackend* const backend = find_page_backend(op.backend);
  return backend != nullptr && backend->is_host;
}

// The stream of a call by its backend; false where it is not of the backend's kind.
template <typename Struct>
bool read_stream(Object* stream, Struct* op) {
  if (is_on_host(*op)) return stream == api->none;
  if (!is_int(stream)) return false;
  op->stream = reinterpret_cast<void*>(api->address_of_int(stream));
  if (op->stream != reinterpret_cast<void*>(UINTPTR_MAX)) return true;
  api->clear_error();
  return false;
}

// The operands that a call was given, borrowed.
struct Objects {
  Object* const* first;
  ptrdiff_t count;
};

struct ObjectsOfTuple {
  explicit ObjectsOfTuple(Object* tuple) : count(api->tuple_size(tuple)) {
    for (ptrdiff_t i = 0; i < count; ++i) items[i] = api->borrow_tuple_item(tuple, i);
  }
  operator Objects() const { return {items, count}; }  // NOLINT(misc-explicit-constructor)

  Object* items[BARACUDA_NUM_OPERANDS];
  ptrdiff_t count;
};

// Reads operands, those that are None left out. Where it returns false, the call is over.
bool read_all(GivenOperands* given, Objects operands) {
  int i = 0;
  for (; i < operands.count; ++i) {
    Object* const operand = operands.first[i];
    if (operand == api->none)
      given->leave_out(i);
    else if (!given->read(i, operand))
      return false;
  }
  for (; i < BARACUDA_NUM_OPERANDS; ++i) given->leave_out(i);
  return true;
}

// A tuple of the operands that are given, and for those that are None, or beyond their end, of those of another.
Object* own_merged(Objects given, Object* before) {
  const ptrdiff_t before_count = api->tuple_size(before);
  const ptrdiff_t count = given.count > before_count ? given.count : before_count;
  Object* const merged = api->own_tuple(count);
  if (merged == nullptr) return nullptr;
  for (ptrdiff_t i = 0; i < count; ++i) {
    Object* item = i < given.count ? given.first[i] : api->none;
    if (item == api->none && i < before_count) item = api->borrow_tuple_item(before, i);
    api->retain(item);
    api->give_to_tuple(merged, i, item);
  }
  return merged;
}

// A tuple of objects that are given to it; nullptr, and all let go, where one is missing or there is no memory.
template <size_t kCount>
Object* own_tuple_of(Object* const (&owned)[kCount]) {
  bool all_there = true;
  for (const Object* const object : owned) all_there = all_there && object != nullptr;
  Object* const tuple = all_there ? api->own_tuple(kCount) : nullptr;
  for (size_t i = 0; i < kCount; ++i) {
    if (tuple != nullptr)
      api->give_to_tuple(tuple, static_cast<ptrdiff_t>(i), owned[i]);
    else if (owned[i] != nullptr)
      api->release(owned[i]);
  }
  return tuple;
}

// What a call returns that came to `status`: nullptr where an error goes on.
Object* own_status(int32_t status) { return api->error() != nullptr ? nullptr : api->own_int(status); }

// Makes bytes of `op`, as many as `before` has; none where there is no memory, or where those are too few.
int32_t write_bytes(const Op& op, Object* before, Object** owned_bytes) {
  const Op* const old = op_in(before);
  const bool same_size = old->struct_size == op.struct_size;  // and so one copy is enough
  Object* const bytes =
      api->own_bytes(reinterpret_cast<const char*>(same_size ? &op : old), static_cast<ptrdiff_t>(old->struct_size));
  const int32_t status = bytes != nullptr && !same_size ? write_struct(op, op_in(bytes)) : BARACUDA_OK;
  if (status == BARACUDA_OK)
    *owned_bytes = bytes;
  else
    api->release(bytes);
  return status;
}

// What an op that bind() bound was checked as, so that a launch of it is not checked again.
constexpr ptrdiff_t kChecked = 2;

Object* own_checked(const Append& append) {
  return api->own_bytes(reinterpret_cast<const char*>(&append), sizeof append);
}

// Whether others would wait less long for the GIL than it takes to release it: little is copied, by this thread. An
// append's rows are judged too, and what it looks at for that.
bool is_brief(const Append& append) {
  constexpr int64_t kEntries = 64;
  constexpr int64_t kBytes = int64_t{8} << 10;
  if (!append.backend->is_host || append.transform != BARACUDA_TRANSFORM_COPY) return false;
  const Placement& placement = append.placement;
  if (placement.num_rows > kEntries || placement.num_requests > kEntries) return false;
  int64_t row_bytes = 0;
  for (int i = 0; i < append.num_parts; ++i) row_bytes += append.parts[i].row_bytes;
  return row_bytes <= kBytes && append.num_heads <= kBytes &&
         int64_t{placement.num_rows} * append.num_heads * row_bytes <= kBytes;
}

bool is_brief(const PageCopy&) { return false; }

template <typename Run>
int32_t without_gil(const Run& run) {
  ThreadState* const thread = api->save_thread();
  const int32_t status = run();
  api->restore_thread(thread);
  return status;
}

template <typename Checked>
int32_t launch(const Checked& checked) {
  const auto run = [&]() -> int32_t { return at_the_abi([&]() -> int32_t { return launch_checked(checked); }); };
  return is_brief(checked) ? run() : without_gil(run);
}

int32_t launch_unchecked(const Op* op) {
  return without_gil([&]() -> int32_t { return baracuda_paged_kv_append_run(op); });
}

Object* run(Object*, Object* const* arguments, ptrdiff_t) {
  Object* const bound = arguments[0];
  const bool is_checked = api->tuple_size(bound) > kChecked;
  const char* const bytes = api->bytes_of(api->borrow_tuple_item(bound, is_checked ? kChecked : 0));
  return api->own_int(is_checked ? launch(*reinterpret_cast<const Append*>(bytes))
                                 : launch_unchecked(reinterpret_cast<const Op*>(bytes)));
}

int32_t bind_checked(Op* op, const Tensor* const* operands, Append* append) {
  return bind_operands(op, operands, append);
}

int32_t bind_checked(CopyOp* op, const Tensor* const* operands, PageCopy* copy) {
  return bind_copy(op, operands, copy);
}

// Has the objects checked against `op`, whose stream they are for; what they lent goes back before this returns.
template <typename Struct, typename Checked>
int32_t bind_objects(Object* describers, Objects operands, bool for_good, Struct* op, Checked* checked) {
  GivenOperands given(describers, for_good, table_of(*op));
  if (!read_all(&given, operands)) return given.outcome();
  return at_the_abi([&]() -> int32_t { return bind_checked(op, given.tensors(), checked); });
}

Object* bind(Object* describers, Object* const* arguments, ptrdiff_t count) {
  const Objects operands = {arguments + 1, count - 1};
  Object* const bytes = api->borrow_tuple_item(arguments[0], 0);
  Op op;
  Append append;
  int32_t status = read_struct(op_in(bytes), &op);
  if (status == BARACUDA_OK) status = bind_objects(describers, operands, true, &op, &append);
  Object* owned_bytes = nullptr;
  if (status == BARACUDA_OK) status = write_bytes(op, bytes, &owned_bytes);
  Object* const owned_status = own_status(status);
  if (owned_status == nullptr) {
    if (owned_bytes != nullptr) api->release(owned_bytes);
    return nullptr;
  }
  if (status == BARACUDA_OK) {
    Object* const keep = own_merged(operands, api->borrow_tuple_item(arguments[0], 1));
    return own_tuple_of({owned_status, own_tuple_of({owned_bytes, keep, own_checked(append)})});
  }
  api->retain(api->none);
  return own_tuple_of({owned_status, api->none});
}

// One call, from objects to a launch.
template <typename Struct, typename Checked>
Object* call(Object* describers, Object* bytes, Object* stream, Objects operands) {
  Struct op;
  int32_t status = read_struct(op_in<Struct>(bytes), &op);
  if (status != BARACUDA_OK) return api->own_int(status);
  if (!read_stream(stream, &op)) return api->own_int(BARACUDA_PRIVATE_NOT_JUDGED);
  Checked checked;
  status = bind_objects(describers, operands, false, &op, &checked);
  return status == BARACUDA_OK ? api->own_int(launch(checked)) : own_status(status);
}

template <typename Struct, typename Checked>
Object* call_with_tuple(Object* describers, Object* const* arguments, ptrdiff_t) {
  return call<Struct, Checked>(describers, arguments[0], arguments[1], ObjectsOfTuple(arguments[2]));
}

constexpr auto kAppend = call_with_tuple<Op, Append>;
constexpr auto kCopy = call_with_tuple<CopyOp, PageCopy>;

// Of `ops` the one for the operands that are given of those that say places; nullptr where there is none.
Object* find_op(Object* ops, Objects operands) {
  constexpr int kFirst = BARACUDA_OPERAND_INDICES;
  constexpr int kEnd = BARACUDA_OPERAND_SEQ_LENS + 1;
  ptrdiff_t given = 0;
  for (int i = kFirst; i < kEnd && i < operands.count; ++i)
    given |= static_cast<ptrdiff_t>(operands.first[i] != api->none) << (i - kFirst);
  Object* const op = api->borrow_tuple_item(ops, given);
  return op != api->none ? op : nullptr;
}

Object* append_placed(Object* describers, Object* const* arguments, ptrdiff_t count) {
  const Objects operands = {arguments + 2, count - 2};
  Object* const op = find_op(arguments[0], operands);
  if (op == nullptr) return api->own_int(BARACUDA_PRIVATE_NOT_JUDGED);
  return call<Op, Append>(describers, op, arguments[1], operands);
}

constexpr int32_t kMethFastcall = 0x0080;

template <typename Function>
baracuda_python_method method(const char* name, Function function, const char* doc) {
  return {name, reinterpret_cast<void*>(function), kMethFastcall, doc};
}

// The first version's struct: no caller can know less.
constexpr size_t kOldestApiBytes = offsetof(baracuda_python_api, Py_IncRef) + sizeof(void*);

bool is_whole(const baracuda_python_api& given) noexcept {
  if (given.struct_size < kOldestApiBytes) return false;
  void* const* members = &given.none;
  const size_t count = (kOldestApiBytes - offsetof(baracuda_python_api, none)) / sizeof(void*);
  for (size_t i = 0; i < count; ++i)
    if (members[i] == nullptr) return false;  // NOLINT(clang-analyzer-security.ArrayBound): pointers all, from none on
  return true;
}

}  // namespace
}  // namespace baracuda::python

extern "C" const baracuda_python_method* baracuda_private_python_methods(const baracuda_python_api* api) {
  using namespace baracuda::python;
  if (api == nullptr || !is_whole(*api)) {
    baracuda::fail(BARACUDA_INVALID_PROBLEM,
                   "api is NULL or lacks a function; it should be a whole baracuda_python_api");
    return nullptr;
  }
  static const Api functions(*api);
  static const bool published = (baracuda::python::api = &functions, true);
  static_cast<void>(published);
  static const baracuda_python_method methods[] = {
      method("run", run, "run(bound) -> status"),
      method("bind", bind, "bind(bound, *operands) -> (status, bound or None)"),
      method("append", kAppend, "append(op, stream, operands) -> status"),
      method("append_placed", append_placed, "append_placed(ops, stream, *operands) -> status"),
      method("copy", kCopy, "copy(op, stream, operands) -> status"),
      {nullptr, nullptr, 0, nullptr},
  };
  return methods;
}
