// The bespoke append: guarded, over any strides.
#include "cuda/bespoke/transforms.h"
#include "cuda/kernels.h"

namespace baracuda::cuda {

const Kernels kBespokeKernels = {bespoke::launch_copy, bespoke::load_copy};

}  // namespace baracuda::cuda
