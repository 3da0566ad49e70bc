// Reading a call's operands: objects into tensors.
#ifndef BARACUDA_SRC_PYTHON_GIVEN_OPERANDS_H_
#define BARACUDA_SRC_PYTHON_GIVEN_OPERANDS_H_

#include <cstdint>
#include <exception>

#include "append/operands.h"
#include "base/hints.h"
#include "base/status.h"
#include "pages/operands.h"
#include "python/accelerator.h"
#include "python/api.h"
#include "python/array.h"
#include "python/describer.h"
#include "python/object.h"

namespace baracuda::python {

// Whose operands a call is given.
struct Table {
  uint32_t written;  // bit i: operand i
  const char* (*name_of)(int operand);
};

inline Table table_of(const Op&) {
  constexpr uint32_t kWritten = [] {
    uint32_t bits = 0;
    for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i) bits |= (kOperands[i].written ? 1u : 0u) << i;
    return bits;
  }();
  return {kWritten, name_of};
}

inline Table table_of(const CopyOp& op) {
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
    find_describer_of(object);
    if (BARACUDA_LIKELY(by_.whole_offset == 0)) return read_by_itself(operand, object);
    const auto half = api->address_of_int(member_of<Object*>(object, by_.half_offset));
    return read_half(operand, member_of<Object*>(object, by_.whole_offset), half != 0);
  }

  // Likewise half of an object that has both caches.
  BARACUDA_NOINLINE bool read_half(int operand, Object* whole, bool second) {
    find_describer_of(whole);
    if (by_.whole_offset != 0 || !read_by_itself(operand, whole)) return false;
    if (!take_half(*operands_[operand], second, &steps_[operand], &tensors_[operand])) return false;
    return take(operand);
  }

  // What became of a call that read() ended. Where an error has to go on it stands, and the call returns nothing.
  int32_t outcome() const {
    if (api->error() != nullptr && api->error_is(api->exception_type)) api->clear_error();
    return refusal_ != BARACUDA_OK ? refusal_ : BARACUDA_PRIVATE_NOT_JUDGED;
  }

  void leave_out(int operand) { operands_[operand] = nullptr; }
  // Once those that are given were read.
  const Tensor* const* tensors() const { return operands_; }

 private:
  void find_describer_of(Object* object) {
    Object* const type = type_of(object);
    if (type != by_.type) by_ = find_describer(describers_, type);
  }

  bool read_by_itself(int operand, Object* object) {
    if (by_.arrays != nullptr && has_memory(object) &&
        read_array(*by_.arrays, object, &steps_[operand], &tensors_[operand]))
      return take(operand);
    if (by_.tensors != nullptr) {
      const void* const tensor = member_of<const void*>(object, by_.tensors->object);
      if (!may_read(operand, object, tensor)) return false;
      if (read_tensor(*by_.tensors, tensor, &tensors_[operand])) return take(operand);
    }
    if (by_.exporter != nullptr ? !export_to_capsule(operand, object) : !describe(operand, object)) return false;
    return api->error() == nullptr;
  }

  // Whether an array's memory is its own, or another's of its type: what else may have it, and where, its exporter
  // knows.
  bool has_memory(Object* array) const {
    Object* base = member_of<Object*>(array, by_.arrays->base);
    while (base != nullptr && type_of(base) == by_.type) base = member_of<Object*>(base, by_.arrays->base);
    return base == nullptr;
  }

  bool take(int operand) {
    operands_[operand] = &tensors_[operand];
    return true;
  }

  // Whether an object that has `tensor` may be read, by whatever.
  bool may_read(int operand, Object* object, const void* tensor) const {
    const baracuda_tensor_layout& layout = *by_.tensors;
    if ((member_of<uint64_t>(tensor, layout.keys) & layout.strange) != 0) return false;
    if ((table_.written >> operand & 1u) == 0) return true;
    if (member_of<const void*>(tensor, layout.watched) == nullptr) return true;
    Object* const answer = api->own_result(by_.asked_if_written, object, nullptr);
    if (answer == nullptr) return false;
    api->release(answer);
    return answer == by_.wanted;
  }

  bool describe(int operand, Object* object) {
    if (by_.reader == nullptr) return false;
    try {
      if (by_.reader(object, &tensors_[operand]) != 0) return false;
    } catch (const std::exception& error) {  // not all there is to catch: a thread may be on its way out
      refusal_ = fail(BARACUDA_UNSUPPORTED, "%s could not be read: %s", table_.name_of(operand), error.what());
      return false;
    }
    return take(operand);
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

}  // namespace baracuda::python

#endif  // BARACUDA_SRC_PYTHON_GIVEN_OPERANDS_H_
