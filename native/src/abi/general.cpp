// The general entry points: read the struct, check it, hand it to its backend.
#include "abi/operand_array.h"
#include "abi/struct.h"
#include "append/backend.h"
#include "append/bind.h"
#include "append/operands.h"
#include "append/problem.h"
#include "append/run.h"
#include "base/cancellation.h"
#include "base/fence.h"
#include "base/status.h"

namespace baracuda {
namespace {

bool states_operands(const Op& op) noexcept {
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i)
    if (pointer_in(op, i) != nullptr) return true;
  return false;
}

}  // namespace
}  // namespace baracuda

using baracuda::Op;

extern "C" int32_t baracuda_paged_kv_append_run(const baracuda_paged_kv_append* op) {
  return baracuda::at_the_abi([&]() -> int32_t {
    Op read;
    BARACUDA_TRY(baracuda::read_struct(op, &read));
    return baracuda::run_append(read);
  });
}

extern "C" int32_t baracuda_paged_kv_append_can_implement(const baracuda_paged_kv_append* op) {
  return baracuda::at_the_abi([&]() -> int32_t {
    Op read;
    BARACUDA_TRY(baracuda::read_struct(op, &read));
    return baracuda::states_operands(read) ? baracuda::check_append(read) : baracuda::check_problem(read);
  });
}

extern "C" int32_t baracuda_paged_kv_append_preload(const baracuda_paged_kv_append* op, int32_t* arch) {
  return baracuda::at_the_abi([&]() -> int32_t {
    Op read;
    BARACUDA_TRY(baracuda::read_struct(op, &read));
    BARACUDA_TRY(baracuda::check_problem(read));
    int32_t loaded = 0;
    baracuda::Append append;
    baracuda::make_append(read, &append);
    const baracuda::CancellationHeld held;
    BARACUDA_TRY(append.backend->preload(append, &loaded));
    if (arch != nullptr) *arch = loaded;
    return BARACUDA_OK;
  });
}

extern "C" int32_t baracuda_paged_kv_append_bind(baracuda_paged_kv_append* op, const baracuda_tensor* const* operands,
                                                 int32_t num_operands) {
  return baracuda::at_the_abi([&]() -> int32_t {
    const baracuda_tensor* known[BARACUDA_NUM_OPERANDS];
    BARACUDA_TRY(baracuda::read_operands(operands, num_operands, BARACUDA_NUM_OPERANDS, known));
    Op read;
    BARACUDA_TRY(baracuda::read_struct(op, &read));
    baracuda::Append append;
    BARACUDA_TRY(baracuda::bind_operands(&read, known, &append));
    return baracuda::write_struct(read, op);
  });
}
