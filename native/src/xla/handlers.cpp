// The handlers that xla/handlers.h describes.
#include "xla/handlers.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>

#include "abi/struct.h"
#include "append/append.h"
#include "append/backend.h"
#include "append/bind.h"
#include "append/operands.h"
#include "append/run.h"
#include "base/cancellation.h"
#include "base/fence.h"
#include "base/status.h"
#include "memory/halves.h"
#include "memory/tensor.h"
#include "xla/ffi.h"

namespace baracuda::xla {
namespace {

struct Type {
  int32_t xla;
  uint8_t code;  // DLPack's
  uint8_t bits;
};

constexpr Type kTypes[] = {
    {kS8, 0, 8},   {kS32, 0, 32},  {kS64, 0, 64},      {kU8, 1, 8},      {kF16, 2, 16},
    {kF32, 2, 32}, {kBF16, 4, 16}, {kF8E4M3FN, 10, 8}, {kF8E5M2, 12, 8},
};

const Type* find_type(int32_t xla) noexcept {
  for (const Type& type : kTypes)
    if (type.xla == xla) return &type;
  return nullptr;
}

// An array among the attributes; nullptr, and a message, where there is none of that type.
const Array* find_array(const CallFrame& frame, const char* name, int32_t data_type) noexcept {
  const Attributes& attributes = frame.attributes;
  for (int64_t i = 0; i < attributes.count; ++i) {
    const Text& text = *attributes.names[i];
    if (text.size != std::strlen(name) || std::memcmp(text.begin, name, text.size) != 0) continue;
    const auto* const array = static_cast<const Array*>(attributes.values[i]);
    if (attributes.types[i] != kArrayAttribute || array->data_type != data_type) break;
    return array;
  }
  fail(BARACUDA_INVALID_PROBLEM, "the attribute %s is missing or of another type; call baracuda_ffi.jax", name);
  return nullptr;
}

int32_t read_op(const CallFrame& frame, Op* op) noexcept {
  const Array* const bytes = find_array(frame, "op", kU8);
  if (bytes == nullptr) return BARACUDA_INVALID_PROBLEM;
  if (bytes->size != sizeof(Op))
    return fail(BARACUDA_INVALID_PROBLEM,
                "the attribute op has %zu bytes; it should have %zu: install the package and "
                "the library from one release",
                bytes->size, sizeof(Op));
  alignas(Op) unsigned char aligned[sizeof(Op)];
  std::memcpy(aligned, bytes->data, sizeof(Op));
  return read_struct(reinterpret_cast<const Op*>(aligned), op);
}

// The operands of a call, described; they live no longer than its frame.
class Given {
 public:
  Given(int32_t device_type, int32_t device_id) noexcept : device_type_(device_type), device_id_(device_id) {}

  int32_t read(const CallFrame& frame, Op* op) noexcept {
    const Array* const ordinals = find_array(frame, "operands", kS32);
    if (ordinals == nullptr) return BARACUDA_INVALID_PROBLEM;
    if (static_cast<int64_t>(ordinals->size) != frame.arguments.count)
      return fail(BARACUDA_INVALID_PROBLEM, "there are %lld arguments; there should be as many as operands, %zu",
                  static_cast<long long>(frame.arguments.count), ordinals->size);
    int64_t results = 0;
    for (int64_t i = 0; i < frame.arguments.count; ++i) {
      int32_t ordinal;
      std::memcpy(&ordinal, static_cast<const char*>(ordinals->data) + i * sizeof ordinal, sizeof ordinal);
      const Buffer& buffer = *frame.arguments.buffers[i];
      if (is_written(ordinal)) {
        if (results == frame.results.count || frame.results.buffers[results]->data != buffer.data)
          return fail(BARACUDA_INVALID_PROBLEM, "a result is not the memory of its argument; call baracuda_ffi.jax");
        ++results;
      }
      BARACUDA_TRY(take(ordinal, buffer, op));
    }
    return BARACUDA_OK;
  }

  const Tensor* const* operands() const noexcept { return operands_; }

 private:
  static bool is_written(int32_t ordinal) noexcept {
    return ordinal >= BARACUDA_NUM_OPERANDS || (ordinal >= 0 && kOperands[ordinal].written);
  }

  int32_t take(int32_t ordinal, const Buffer& buffer, Op* op) noexcept {
    if (ordinal == BARACUDA_XLA_ERROR_RECORD) {
      op->error_record = static_cast<baracuda_error_record*>(buffer.data);
      return BARACUDA_OK;
    }
    if (ordinal == BARACUDA_XLA_KV_DATA) {
      BARACUDA_TRY(describe(BARACUDA_OPERAND_K_DATA, buffer));
      BARACUDA_TRY(describe(BARACUDA_OPERAND_V_DATA, buffer));
      return split();
    }
    if (ordinal < 0 || ordinal >= BARACUDA_NUM_OPERANDS)
      return fail(BARACUDA_INVALID_PROBLEM, "operand %d is none; call baracuda_ffi.jax", ordinal);
    return describe(ordinal, buffer);
  }

  int32_t describe(int32_t ordinal, const Buffer& buffer) noexcept {
    const Type* const type = find_type(buffer.data_type);
    if (type == nullptr)
      return fail(BARACUDA_UNSUPPORTED, "%s is of a type that no append has (XLA's %d)", name_of(ordinal),
                  buffer.data_type);
    Tensor& tensor = tensors_[ordinal];
    tensor = Tensor{};
    tensor.data = buffer.data;
    tensor.device_type = device_type_;
    tensor.device_id = device_id_;
    tensor.ndim = static_cast<int32_t>(buffer.rank);
    tensor.type_code = type->code;
    tensor.type_bits = type->bits;
    tensor.type_lanes = 1;
    tensor.shape = buffer.extents;
    operands_[ordinal] = &tensor;
    return BARACUDA_OK;
  }

  // Both caches described as all of [pages, 2, ...]: a half each.
  int32_t split() noexcept {
    for (const int32_t half : {BARACUDA_OPERAND_K_DATA, BARACUDA_OPERAND_V_DATA}) {
      Tensor& tensor = tensors_[half];
      if (!take_half(tensor, half == BARACUDA_OPERAND_V_DATA, &half_steps_, &tensor))
        return fail(BARACUDA_INVALID_PROBLEM, "kv_data should be [pages, 2, ...], K first");
    }
    return BARACUDA_OK;
  }

  const int32_t device_type_;
  const int32_t device_id_;
  Tensor tensors_[BARACUDA_NUM_OPERANDS];
  const Tensor* operands_[BARACUDA_NUM_OPERANDS] = {};
  Steps half_steps_;  // of both
};

// The rest of XLA's API may be older than this library's declarations.
template <typename Member>
bool has(const Api& api, const Member& member) noexcept {
  const auto* const end = reinterpret_cast<const char*>(&member + 1);
  return static_cast<size_t>(end - reinterpret_cast<const char*>(&api)) <= api.struct_size && member != nullptr;
}

// Sets what an append on the context's device has, and finds the device's ordinal: -1, for the library to ask the
// driver, where XLA does not tell.
int32_t take_device(const CallFrame& frame, Op* op, int32_t* ordinal) noexcept {
  StreamGetArgs stream = {sizeof stream, nullptr, frame.context, nullptr};
  if (frame.api->stream_get(&stream) != nullptr) return fail(BARACUDA_UNSUPPORTED, "XLA has no stream for this call");
  op->stream = stream.stream;
  *ordinal = -1;
  if (!has(*frame.api, frame.api->device_ordinal_get)) return BARACUDA_OK;
  DeviceOrdinalGetArgs device = {sizeof device, nullptr, frame.context, -1};
  if (frame.api->device_ordinal_get(&device) == nullptr) *ordinal = device.device_ordinal;
  return BARACUDA_OK;
}

enum class Stage { kInitialize, kExecute };

int32_t call(const CallFrame& frame, int32_t backend, Stage stage) {
  Op op = {};
  BARACUDA_TRY(read_op(frame, &op));
  op.backend = backend;
  int32_t device_type = kDeviceHost;
  int32_t ordinal = 0;
  const Backend& found = *find_backend(backend);
  if (!found.is_host) {
    device_type = kDeviceCuda;
    BARACUDA_TRY(take_device(frame, &op, &ordinal));
  }
  if (found.guarding == Guarding::kAlways) op.flags |= BARACUDA_FLAG_GUARDED;
  Given given(device_type, ordinal);
  BARACUDA_TRY(given.read(frame, &op));
  Append append;
  BARACUDA_TRY(bind_operands(&op, given.operands(), &append));
  if (stage == Stage::kExecute) return launch_checked(append);
  int32_t arch;
  const CancellationHeld held;
  return found.preload(append, &arch);
}

int32_t code_of(int32_t status) noexcept {
  if (status == BARACUDA_UNSUPPORTED) return kUnimplemented;
  return status < BARACUDA_CUDA_ERROR_BASE ? kInvalidArgument : kInternal;
}

std::atomic<int32_t> minor_version{kMinorVersion};  // what XLA is told

template <int32_t kBackend, Stage kStage>
Error* handle(CallFrame* frame) noexcept {
  if (Extension* const extension = frame->extensions; extension != nullptr && extension->type == kMetadataExtension) {
    Metadata* const metadata = reinterpret_cast<MetadataExtension*>(extension)->metadata;
    metadata->api_version.major_version = kMajorVersion;
    metadata->api_version.minor_version = minor_version;
    metadata->traits = kCommandBufferCompatible;
    return nullptr;
  }
  const int32_t status = at_the_abi([&]() -> int32_t { return call(*frame, kBackend, kStage); });
  if (status == BARACUDA_OK) return nullptr;
  ErrorCreateArgs error = {sizeof error, nullptr, last_message(), code_of(status)};
  return frame->api->error_create(&error);
}

template <int32_t kBackend, Stage kStage>
void* handler() noexcept {
  return reinterpret_cast<void*>(&handle<kBackend, kStage>);
}

}  // namespace
}  // namespace baracuda::xla

extern "C" const baracuda_xla_handler* baracuda_private_xla_handlers(int32_t minor_version) {
  using baracuda::xla::handler;
  using baracuda::xla::Stage;
  baracuda::xla::minor_version = std::min<int32_t>(minor_version, baracuda::xla::kMinorVersion);
  static const baracuda_xla_handler handlers[] = {
      {"cpu", "execute", handler<BARACUDA_BACKEND_HOST, Stage::kExecute>()},
      {"CUDA", "initialize", handler<BARACUDA_BACKEND_BESPOKE, Stage::kInitialize>()},
      {"CUDA", "execute", handler<BARACUDA_BACKEND_BESPOKE, Stage::kExecute>()},
      {nullptr, nullptr, nullptr},
  };
  return handlers;
}
