// The context that work on a stream runs in.
#ifndef BARACUDA_SRC_CUDA_CONTEXT_H_
#define BARACUDA_SRC_CUDA_CONTEXT_H_

#include <cstdint>

#include "cuda/driver.h"

namespace baracuda::cuda {

// The handles of the default streams (NULL, legacy, per-thread) name no device.
inline bool is_default_stream(const void* stream) noexcept { return reinterpret_cast<uintptr_t>(stream) <= 2; }

// What a stream is to work on; the name is for messages.
struct Memory {
  const char* name;
  const void* address;
};

struct StreamContext {
  CUcontext context = nullptr;  // nullptr: there is none (a default stream, no memory, no context that could be meant)
  bool is_current = false;
  CUdevice retained = -1;  // its primary context was retained, to be released by whoever asked
};

// Which context a stream has. A default stream has one on the device of the memory; where that is at nullptr the
// current one, or for want of that the only primary one that is alive. Creates no context: a device that has none alive
// is refused.
int32_t find_context(const Driver& driver, void* stream, const Memory& memory, StreamContext* found) noexcept;

// That context, current for as long as this lives. The destructor leaves the thread as it was.
class CurrentContext {
 public:
  explicit CurrentContext(const Driver& driver) noexcept : driver_(driver) {}
  CurrentContext(const CurrentContext&) = delete;
  CurrentContext& operator=(const CurrentContext&) = delete;
  ~CurrentContext();

  int32_t enter(void* stream, const void* k_data) noexcept;

  // The device of the context that enter() made current; -1 where there is none.
  int32_t device(CUdevice* device) const noexcept;

 private:
  const Driver& driver_;
  StreamContext entered_;
  bool pushed_ = false;
};

}  // namespace baracuda::cuda

#endif  // BARACUDA_SRC_CUDA_CONTEXT_H_
