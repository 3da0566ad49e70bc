// The entry points of copies of pages: read the struct, check it, hand it to its backend.
#include "abi/operand_array.h"
#include "abi/struct.h"
#include "base/cancellation.h"
#include "base/fence.h"
#include "base/status.h"
#include "pages/backend.h"
#include "pages/bind.h"
#include "pages/problem.h"
#include "pages/run.h"

namespace baracuda {
namespace {

bool states_operands(const CopyOp& op) noexcept {
  for (int i = 0; i < BARACUDA_NUM_COPY_OPERANDS; ++i)
    if (pointer_in(op, i) != nullptr) return true;
  return false;
}

}  // namespace
}  // namespace baracuda

using baracuda::CopyOp;

extern "C" int32_t baracuda_paged_kv_copy_run(const baracuda_paged_kv_copy* op) {
  return baracuda::at_the_abi([&]() -> int32_t {
    CopyOp read;
    BARACUDA_TRY(baracuda::read_struct(op, &read));
    return baracuda::run_copy(read);
  });
}

extern "C" int32_t baracuda_paged_kv_copy_can_implement(const baracuda_paged_kv_copy* op) {
  return baracuda::at_the_abi([&]() -> int32_t {
    CopyOp read;
    BARACUDA_TRY(baracuda::read_struct(op, &read));
    return baracuda::states_operands(read) ? baracuda::check_copy(read) : baracuda::check_copy_problem(read);
  });
}

extern "C" int32_t baracuda_paged_kv_copy_preload(const baracuda_paged_kv_copy* op, int32_t* arch) {
  return baracuda::at_the_abi([&]() -> int32_t {
    CopyOp read;
    BARACUDA_TRY(baracuda::read_struct(op, &read));
    BARACUDA_TRY(baracuda::check_copy_problem(read));
    int32_t loaded = 0;
    baracuda::PageCopy copy;
    baracuda::make_copy(read, &copy);
    const baracuda::CancellationHeld held;
    BARACUDA_TRY(copy.backend->preload(copy, &loaded));
    if (arch != nullptr) *arch = loaded;
    return BARACUDA_OK;
  });
}

extern "C" int32_t baracuda_paged_kv_copy_bind(baracuda_paged_kv_copy* op, const baracuda_tensor* const* operands,
                                               int32_t num_operands) {
  return baracuda::at_the_abi([&]() -> int32_t {
    const baracuda_tensor* known[BARACUDA_NUM_COPY_OPERANDS];
    BARACUDA_TRY(baracuda::read_operands(operands, num_operands, BARACUDA_NUM_COPY_OPERANDS, known));
    CopyOp read;
    BARACUDA_TRY(baracuda::read_struct(op, &read));
    baracuda::PageCopy copy;
    BARACUDA_TRY(baracuda::bind_copy(&read, known, &copy));
    return baracuda::write_struct(read, op);
  });
}
