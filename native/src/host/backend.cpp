// The host twin: the same append by this process's CPUs, over host memory.
#include "append/backend.h"

#include <algorithm>
#include <cstddef>

#include "append/operands.h"
#include "append/status.h"
#include "host/judge.h"
#include "host/rows.h"
#include "host/threads.h"

namespace baracuda {
namespace host {
namespace {

// What a thread takes at a time: little enough that all finish together, enough that taking it costs nothing.
constexpr size_t kBytesAtOnce = size_t{256} << 10;

int32_t launch(const Append& op) {
  const RowCopy rows(op);
  Work work{};
  work.process = [](const void* context, int32_t first, int32_t last) noexcept {
    static_cast<const RowCopy*>(context)->copy(first, last);
  };
  work.context = &rows;
  work.items = op.batch_size;
  work.items_at_once = static_cast<int32_t>(std::max<size_t>(kBytesAtOnce / rows.request_bytes(), 1));
  run_in_threads(work, threads_for(rows.request_bytes() * static_cast<size_t>(op.batch_size)));
  return BARACUDA_OK;
}

int32_t preload(const Append&, int32_t* arch) {
  *arch = 0;
  return BARACUDA_OK;
}

// A CUDA array may be managed or pinned memory, which its exporter need not say: the driver knows.
bool cpu_can_reach(const Tensor& tensor) noexcept {
  switch (tensor.device_type) {
    case kDeviceHost:
    case kDevicePinned:
    case kDeviceManaged:
      return true;
    case kDeviceCuda: {
      const MemoryKind kind = cuda_memory_kind(address_of(tensor));
      return kind == MemoryKind::kManaged || kind == MemoryKind::kPinned;
    }
    default:
      return false;
  }
}

int32_t check_reachable(const Append&, Operands operands) {
  for (int i = 0; i < BARACUDA_NUM_OPERANDS; ++i) {
    const Tensor* tensor = operands[i];
    if (tensor == nullptr || cpu_can_reach(*tensor)) continue;
    if (tensor->device_type == kDeviceCuda && tensor->device_id >= 0)
      return fail(BARACUDA_INVALID_PROBLEM,
                  "%s is in the memory of CUDA device %d; the host backend needs memory that the CPU can reach",
                  kOperandNames[i], tensor->device_id);
    if (tensor->device_type == kDeviceCuda)
      return fail(BARACUDA_INVALID_PROBLEM,
                  "%s is in the memory of a CUDA device; the host backend needs memory that the CPU can reach",
                  kOperandNames[i]);
    return fail(BARACUDA_INVALID_PROBLEM,
                "%s is on a device of DLPack type %d; the host backend needs memory that the CPU can reach",
                kOperandNames[i], tensor->device_type);
  }
  return BARACUDA_OK;
}

}  // namespace
}  // namespace host

const Backend kHostBackend = {
    "host",
    Guarding::kOptional,
    /*has_flashinfer_limits=*/false,
    /*is_host=*/true,
    host::check_page_table,
    host::launch,
    host::preload,
    host::check_reachable,
};

}  // namespace baracuda
