// A backend's launch without the checks before it: the only way to a launch that fails, since the checks refuse it.
#include "append/append.h"
#include "append/backend.h"

extern "C" __attribute__((visibility("default"))) int32_t
baracuda_proof_launch_unchecked(const baracuda_paged_kv_append* op) {
  baracuda::Append append;
  baracuda::make_append(*op, &append);
  return baracuda::find_backend(op->backend)->launch(append);
}
