// The bespoke append: guarded, over any strides.
#include "append/append.h"
#include "cuda/bespoke/transforms.h"
#include "cuda/kernels.h"

namespace baracuda::cuda {
namespace {

bool is_copy(const Append& append) { return append.transform == BARACUDA_TRANSFORM_COPY; }

int32_t launch(const Driver& driver, const Append& append) {
  return is_copy(append) ? bespoke::launch_copy(driver, append) : bespoke::launch_quantise(driver, append);
}

int32_t load(const Driver& driver, const Append& append, int32_t* arch) {
  return is_copy(append) ? bespoke::load_copy(driver, append, arch) : bespoke::load_quantise(driver, append, arch);
}

}  // namespace

const Kernels kBespokeKernels = {launch, load};

}  // namespace baracuda::cuda
