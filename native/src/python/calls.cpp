// The built-in functions that python/accelerator.h describes. The GIL is held wherever a Python function is called.
#include <cstddef>
#include <cstdint>

#include "abi/struct.h"
#include "append/append.h"
#include "append/backend.h"
#include "append/bind.h"
#include "append/run.h"
#include "base/fence.h"
#include "base/status.h"
#include "pages/backend.h"
#include "pages/bind.h"
#include "pages/run.h"
#include "python/accelerator.h"
#include "python/api.h"
#include "python/given_operands.h"
#include "python/known_calls.h"
#include "python/object.h"
#include "python/objects.h"

namespace baracuda::python {

const Api* api = nullptr;

namespace {

template <typename Struct = Op>
Struct* op_in(Object* bytes) {
  return reinterpret_cast<Struct*>(api->bytes_of(bytes));
}

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

struct ObjectsOfTuple {
  explicit ObjectsOfTuple(Object* tuple) : count(api->tuple_size(tuple)) {
    for (ptrdiff_t i = 0; i < count; ++i) items[i] = api->borrow_tuple_item(tuple, i);
  }
  operator Objects() const { return {items, given_of(items, count)}; }  // NOLINT(misc-explicit-constructor)

  Object* items[BARACUDA_NUM_OPERANDS];
  ptrdiff_t count;
};

// Reads the operands. Where it returns false, the call is over.
bool read_all(GivenOperands* given, const Objects& operands) {
  int i = 0;
  for (; operands.given >> i != 0; ++i) {
    if (!operands.has(i)) {
      given->leave_out(i);
      continue;
    }
    const bool is_half = operands.whole != nullptr && (i == BARACUDA_OPERAND_K_DATA || i == BARACUDA_OPERAND_V_DATA);
    if (is_half ? !given->read_half(i, operands.whole, i == BARACUDA_OPERAND_V_DATA)
                : !given->read(i, operands.first[i]))
      return false;
  }
  for (; i < BARACUDA_NUM_OPERANDS; ++i) given->leave_out(i);
  return true;
}

// A tuple of the operands that are given, and for the others of those of another.
Object* own_merged(const Objects& given, Object* before) {
  const ptrdiff_t before_count = api->tuple_size(before);
  ptrdiff_t count = before_count;
  while (given.given >> count != 0) ++count;
  Object* const merged = api->own_tuple(count);
  if (merged == nullptr) return nullptr;
  for (ptrdiff_t i = 0; i < count; ++i) {
    Object* item = api->none;
    if (given.has(i))
      item = given.first[i];
    else if (i < before_count)
      item = api->borrow_tuple_item(before, i);
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
  constexpr int64_t kCopiedBytes = int64_t{8} << 10;
  constexpr int64_t kQuantisedBytes = int64_t{4} << 10;
  if (!append.backend->is_host) return false;
  const int64_t most = append.transform == BARACUDA_TRANSFORM_COPY ? kCopiedBytes : kQuantisedBytes;
  const Placement& placement = append.placement;
  if (placement.num_rows > kEntries || placement.num_requests > kEntries) return false;
  int64_t row_bytes = 0;
  for (int i = 0; i < append.num_parts; ++i) row_bytes += append.parts[i].row_bytes;
  return row_bytes <= most && append.num_heads <= most &&
         int64_t{placement.num_rows} * append.num_heads * row_bytes <= most;
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
int32_t bind_objects(Object* describers, const Objects& operands, bool for_good, Struct* op, Checked* checked) {
  GivenOperands given(describers, for_good, table_of(*op));
  if (!read_all(&given, operands)) return given.outcome();
  return at_the_abi([&]() -> int32_t { return bind_checked(op, given.tensors(), checked); });
}

// How many requests and rows there are.
struct Counts {
  int32_t requests;
  int64_t rows;
};

// The counts that are open where a launch is bound anew, and what is given then.
class OpenCounts {
 public:
  OpenCounts(const baracuda_open_counts& open, uint32_t given) : open_(open), given_(given) {}

  // Leaves to the operands what they say. Returns what it was.
  Counts open(Op* op) const {
    const Counts before = {op->batch_size, op->num_rows};
    if ((given_ & open_.requests_said_by) != 0) op->batch_size = 0;
    if ((given_ & open_.rows_said_by) != 0) op->num_rows = 0;
    return before;
  }

  // Whether each operand is given that has another number of entries now.
  bool fit(const Counts& before, const Op& after) const {
    return (after.batch_size == before.requests || (open_.requests_of & ~given_) == 0) &&
           (after.num_rows == before.rows || (open_.rows_of & ~given_) == 0);
  }

 private:
  const baracuda_open_counts& open_;
  const uint32_t given_;  // bit i: operand i
};

// Has the objects bound in place of what `before` has. Where there is no memory the status is that of what is right,
// but nothing is bound.
int32_t bind_in_place(Object* describers, Object* before, const Objects& operands, const OpenCounts& open,
                      Object** owned_bound) {
  Object* const bytes = api->borrow_tuple_item(before, 0);
  Op op;
  Append append;
  BARACUDA_TRY(read_struct(op_in(bytes), &op));
  const Counts counts = open.open(&op);
  BARACUDA_TRY(bind_objects(describers, operands, true, &op, &append));
  if (!open.fit(counts, op)) return BARACUDA_PRIVATE_NOT_JUDGED;
  Object* owned_bytes = nullptr;
  BARACUDA_TRY(write_bytes(op, bytes, &owned_bytes));
  Object* const keep = own_merged(operands, api->borrow_tuple_item(before, 1));
  *owned_bound = own_tuple_of({owned_bytes, keep, own_checked(append)});
  return BARACUDA_OK;
}

Object* bind(Object* describers, Object* const* arguments, ptrdiff_t count) {
  Object* bound = nullptr;
  constexpr baracuda_open_counts kNone = {};
  const Objects given = {arguments + 1, given_of(arguments + 1, count - 1)};
  Object* const status = own_status(bind_in_place(describers, arguments[0], given, {kNone, 0}, &bound));
  if (status == nullptr) return nullptr;
  if (bound == nullptr) api->retain(bound = api->none);
  return own_tuple_of({status, bound});
}

// One call, from objects to a launch.
template <typename Struct, typename Checked>
Object* call(Object* describers, Object* bytes, Object* stream, const Objects& operands) {
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

Object* append_known(Object* describers, Object* const* arguments, ptrdiff_t count) {
  constexpr ptrdiff_t kFirst = 2;
  constexpr ptrdiff_t kSaid = kFirst + kArgumentsOfOperands;
  Object* const stream = arguments[1];
  Objects operands;
  Object* op = nullptr;
  if (find_objects(arguments + kFirst, &operands))
    op = find_known(arguments[0], operands, {stream, arguments + kSaid, count - kSaid});
  if (op == nullptr) return api->own_int(BARACUDA_PRIVATE_NOT_KNOWN);
  return call<Op, Append>(describers, op, stream, operands);
}

Object* rebind(Object* describers, Object* const* arguments, ptrdiff_t) {
  constexpr ptrdiff_t kFirst = 2;
  Object* const holder = arguments[0];
  const auto& how = *reinterpret_cast<const baracuda_rebinding*>(api->bytes_of(arguments[1]));
  const auto offset = static_cast<size_t>(how.bound_at);
  Objects operands;
  // Of both caches in one, each half would have to be kept.
  if (offset == 0 || !find_objects(arguments + kFirst, &operands) || operands.whole != nullptr)
    return api->own_int(BARACUDA_PRIVATE_NOT_JUDGED);
  const OpenCounts open(how.open, operands.given);
  while (true) {
    auto* const before = member_of<Object*>(holder, offset);
    if (before == nullptr || !is_tuple(before)) return api->own_int(BARACUDA_PRIVATE_NOT_JUDGED);
    api->retain(before);
    Object* bound = nullptr;
    const int32_t status = bind_in_place(describers, before, operands, open, &bound);
    const bool is_ours = bound != nullptr && member_of<Object*>(holder, offset) == before;
    if (is_ours) set_member(holder, offset, bound);
    api->release(before);
    if (bound == nullptr) return own_status(status);
    api->release(is_ours ? before : bound);
    if (is_ours) return api->own_int(status);
  }
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
  if (api->interpreter != functions.interpreter) {
    baracuda::fail(BARACUDA_UNSUPPORTED,
                   "another interpreter of this process has the functions, and remembers by them");
    return nullptr;
  }
  static const baracuda_python_method methods[] = {
      method("run", run, "run(bound) -> status"),
      method("bind", bind, "bind(bound, *operands) -> (status, bound or None)"),
      method("rebind", rebind, "rebind(holder, how, *arguments) -> status"),
      method("append", kAppend, "append(op, stream, operands) -> status"),
      method("append_known", append_known, "append_known(calls, stream, *arguments) -> status"),
      method("copy", kCopy, "copy(op, stream, operands) -> status"),
      {nullptr, nullptr, BARACUDA_PRIVATE_PYTHON_VERSION, nullptr},
  };
  return methods;
}
