// Kernels as the driver launches them. Their machine code lies in the library, an image for each source that has
// kernels; CMake makes it, and with it a string for each kernel in it: the kernel's mangled name, which is also the
// string's own symbol. So what a host compiler takes for the kernel's address is the address of its name, and a kernel
// that is named here and is in no image does not link.
#ifndef BARACUDA_SRC_CUDA_KERNEL_H_
#define BARACUDA_SRC_CUDA_KERNEL_H_

#include <atomic>
#include <cstdint>

#include "cuda/driver.h"

namespace baracuda::cuda {

// Who keeps a kernel behind what is before it on its stream: the stream, or the kernel, which calls wait_for_stream().
enum class Order { kOfStream, kOfKernel };

// Machine code for every architecture, as the driver takes it. It is loaded once for the process, at the first use of
// one of its kernels; into a context by the driver, when a kernel is first used there.
struct Image {
  constexpr Image(const unsigned char* its_code, Order its_order) noexcept : code(its_code), order(its_order) {}
  const unsigned char* code;
  Order order;  // of all its kernels, by code that knows how to wait
  std::atomic<CUlibrary> library{nullptr};
  // Whether its code for a device does; of devices beyond these it is not asked.
  static constexpr int kDevices = 64;
  enum Waits : uint8_t { kUnknown, kDoesNot, kDoes };
  std::atomic<Waits> waits[kDevices] = {};
};

struct Kernel {
  Image& image;
  const char* name;
  std::atomic<CUkernel>& found;  // nullptr until it was looked up
};

// `kFunction`: the __global__ function.
template <auto kFunction>
Kernel kernel_in(Image& image) noexcept {
  static std::atomic<CUkernel> found{nullptr};
  return {image, reinterpret_cast<const char*>(kFunction), found};
}

// What has more blocks than CUDA takes is refused by launch().
struct Geometry {
  int64_t blocks_x;
  uint32_t blocks_y;
  uint32_t threads_x;
  uint32_t threads_y;
};

// Enqueues it in the current context, whose the stream is. `parameters` points to each of the function's. A kernel that
// waits for what is before it may begin sooner than that has finished, but for one that is captured: in a graph of
// kernels that are launched as usual it would cost more than it brings.
int32_t launch(const Driver& driver, const Kernel& kernel, const Geometry& geometry, void* stream,
               void** parameters) noexcept;

// Loads it into the current context. `arch`: the architecture that its machine code is for, 90 for sm_90.
int32_t load(const Driver& driver, const Kernel& kernel, int32_t* arch) noexcept;

// How many multiprocessors the current context's device has, and how many blocks of so many threads one of them holds.
int32_t find_multiprocessors(const Driver& driver, int32_t* multiprocessors) noexcept;
int32_t blocks_per_multiprocessor(const Driver& driver, const Kernel& kernel, int32_t threads,
                                  int32_t* blocks) noexcept;

// Says that there is no kernel for what is asked for; checks before have refused that.
int32_t no_kernel() noexcept;

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_KERNEL_H_
