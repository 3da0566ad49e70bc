#include "abi/operand_array.h"

#include "base/status.h"

namespace baracuda {

int32_t read_operands(const baracuda_tensor* const* operands, int32_t num_operands, int32_t num_known,
                      const baracuda_tensor** known) noexcept {
  if (num_operands < 0)
    return fail(BARACUDA_INVALID_PROBLEM, "num_operands is %d; it should be the number of operands, at most %d here",
                num_operands, num_known);
  for (int32_t i = 0; i < num_known; ++i) known[i] = nullptr;
  if (operands == nullptr) {
    if (num_operands == 0) return BARACUDA_OK;
    return fail(BARACUDA_INVALID_PROBLEM, "operands is NULL; it should be an array of %d tensors", num_operands);
  }
  for (int32_t i = num_known; i < num_operands; ++i)
    if (operands[i] != nullptr)
      return fail(BARACUDA_INVALID_PROBLEM, "operands[%d] is not NULL; this library (ABI %d) knows %d operands", i,
                  BARACUDA_FFI_ABI_VERSION, num_known);
  for (int32_t i = 0; i < num_known && i < num_operands; ++i) known[i] = operands[i];
  return BARACUDA_OK;
}

}  // namespace baracuda
