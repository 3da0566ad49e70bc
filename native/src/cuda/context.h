// The context that an append runs in, current for as long as it takes to enqueue it.
#ifndef BARACUDA_SRC_CUDA_CONTEXT_H_
#define BARACUDA_SRC_CUDA_CONTEXT_H_

#include "append/backend.h"
#include "cuda/driver.h"

namespace baracuda::cuda {

// The handles of the default streams (NULL, legacy, per-thread) name no device.
inline bool is_default_stream(const void* stream) noexcept { return reinterpret_cast<uintptr_t>(stream) <= 2; }

// Makes the context of an append's stream current; for a default stream, one on k_data's device. The destructor leaves the
// thread as it was. Creates no context: a device whose primary context nobody has made is refused.
class CurrentContext {
 public:
  explicit CurrentContext(const Driver& driver) noexcept : driver_(driver) {}
  CurrentContext(const CurrentContext&) = delete;
  CurrentContext& operator=(const CurrentContext&) = delete;
  ~CurrentContext();

  // `k_data` is asked on a default stream alone; NULL means that the current context counts, if any.
  int32_t enter(void* stream, const void* k_data) noexcept;

  // The device of the context that enter() made current. -1 where there is none (a default stream, no k_data).
  int32_t device(CUdevice* device) const noexcept;

 private:
  int32_t enter_device_of(const void* k_data, CUcontext current) noexcept;
  int32_t push(CUcontext context) noexcept;

  const Driver& driver_;
  bool has_context_ = false;
  bool pushed_ = false;
  bool retained_ = false;
  CUdevice retained_device_ = 0;
};

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_CONTEXT_H_
