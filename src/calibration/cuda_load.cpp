// The CUDA driver's own interface, opened at run time: no toolkit is needed, neither to build nor
// to run. Prototypes after NVIDIA's "CUDA Driver API".

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.hpp"
#include "calibration/load.hpp"
#include "sys/host.hpp"
#include "sys/library.hpp"

namespace llem::calibration {

namespace {

constexpr int kSuccess = 0;
constexpr int kMultiprocessors = 16;    // CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
constexpr unsigned kBlockingSync = 4;   // CU_CTX_SCHED_BLOCKING_SYNC: wait without a busy core
constexpr unsigned kThreads = 1024;     // a block: as many as fit on each multiprocessor
constexpr double kLongestKernel = 0.5;  // s; displays reset a GPU that is busy for seconds
constexpr std::uint64_t kNanoseconds = 1'000'000'000;

/// Multiplies and adds in registers until the device's clock says that the time is over. What is
/// computed is never 0, so nothing is written; but the compiler cannot know.
constexpr const char* kBusyKernel = R"(
.version 6.0
.target sm_50
.address_size 64
.visible .entry busy(.param .u64 nanoseconds, .param .u64 result)
{
  .reg .pred %p<3>;
  .reg .f32 %f<10>;
  .reg .b32 %r<3>;
  .reg .b64 %rd<6>;
  ld.param.u64 %rd1, [nanoseconds];
  ld.param.u64 %rd5, [result];
  cvta.to.global.u64 %rd5, %rd5;
  mov.u64 %rd2, %globaltimer;
  add.u64 %rd3, %rd2, %rd1;
  mov.u32 %r1, %tid.x;
  cvt.rn.f32.u32 %f1, %r1;
  add.f32 %f2, %f1, 0f3F800000;
  add.f32 %f3, %f2, 0f3F800000;
  add.f32 %f4, %f3, 0f3F800000;
  mov.f32 %f8, 0f3F7FBE77;
  mov.f32 %f9, 0f3A83126F;
LOOP:
  mov.u32 %r2, 0;
WORK:
  fma.rn.f32 %f1, %f1, %f8, %f9;
  fma.rn.f32 %f2, %f2, %f8, %f9;
  fma.rn.f32 %f3, %f3, %f8, %f9;
  fma.rn.f32 %f4, %f4, %f8, %f9;
  fma.rn.f32 %f1, %f1, %f8, %f9;
  fma.rn.f32 %f2, %f2, %f8, %f9;
  fma.rn.f32 %f3, %f3, %f8, %f9;
  fma.rn.f32 %f4, %f4, %f8, %f9;
  add.u32 %r2, %r2, 1;
  setp.lt.u32 %p1, %r2, 32;
  @%p1 bra WORK;
  mov.u64 %rd4, %globaltimer;
  setp.lt.u64 %p1, %rd4, %rd3;
  @%p1 bra LOOP;
  add.f32 %f5, %f1, %f2;
  add.f32 %f6, %f3, %f4;
  add.f32 %f7, %f5, %f6;
  setp.eq.f32 %p2, %f7, 0f00000000;
  @%p2 st.global.f32 [%rd5], %f7;
  ret;
}
)";

using Handle = void*;

struct Uuid {
  std::array<unsigned char, 16> bytes;
};

template <class... Arguments>
using Function = int(Arguments...);

class Driver {
 public:
  explicit Driver(sys::DynamicLibrary library)
      : library_(std::move(library)),
        init(find<unsigned>("cuInit")),
        device_count(find<int*>("cuDeviceGetCount")),
        device(find<int*, int>("cuDeviceGet")),
        uuid(find<Uuid*, int>("cuDeviceGetUuid_v2")),
        attribute(find<int*, int, int>("cuDeviceGetAttribute")),
        context_create(find<Handle*, unsigned, int>("cuCtxCreate_v2")),
        context_destroy(find<Handle>("cuCtxDestroy_v2")),
        module_load(find<Handle*, const void*>("cuModuleLoadData")),
        module_function(find<Handle*, Handle, const char*>("cuModuleGetFunction")),
        allocate(find<std::uint64_t*, std::size_t>("cuMemAlloc_v2")),
        launch(find<Handle, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned,
                    Handle, void**, void**>("cuLaunchKernel")),
        synchronise(find<>("cuCtxSynchronize")),
        error_name(find<int, const char**>("cuGetErrorName")) {
    if (uuid == nullptr) {
      uuid = find<Uuid*, int>("cuDeviceGetUuid");
    }
  }

  /// "CUDA_ERROR_NO_DEVICE"
  std::string name_of(int code) const {
    const char* text = nullptr;
    return error_name(code, &text) == kSuccess && text != nullptr ? text
                                                                  : fmt::format("code {}", code);
  }

  bool complete() const { return complete_; }

 private:
  template <class... Arguments>
  Function<Arguments...>* find(const char* name) {
    auto* found = library_.symbol<Function<Arguments...>>(name);
    complete_ = complete_ && (found != nullptr || std::string_view(name) == "cuDeviceGetUuid_v2");
    return found;
  }

  sys::DynamicLibrary library_;
  bool complete_ = true;

 public:
  Function<unsigned>* init;
  Function<int*>* device_count;
  Function<int*, int>* device;
  Function<Uuid*, int>* uuid;
  Function<int*, int, int>* attribute;
  Function<Handle*, unsigned, int>* context_create;
  Function<Handle>* context_destroy;
  Function<Handle*, const void*>* module_load;
  Function<Handle*, Handle, const char*>* module_function;
  Function<std::uint64_t*, std::size_t>* allocate;
  Function<Handle, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, Handle,
           void**, void**>* launch;
  Function<>* synchronise;
  Function<int, const char**>* error_name;
};

/// As NVML writes it.
std::string text_of(const Uuid& uuid) {
  std::string text = "gpu:GPU";
  for (std::size_t i = 0; i < uuid.bytes.size(); ++i) {
    text += i == 0 || i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "";
    text += fmt::format("{:02x}", uuid.bytes[i]);
  }
  return text;
}

class CudaLoad final : public Load {
 public:
  explicit CudaLoad(Driver driver) : driver_(std::move(driver)) {}

  CudaLoad(const CudaLoad&) = delete;
  CudaLoad& operator=(const CudaLoad&) = delete;

  ~CudaLoad() override {
    if (context_ != nullptr) {
      driver_.context_destroy(context_);
    }
  }

  Expected<void> open(std::string_view wanted) {
    LLEM_TRY(check(driver_.init(0), "cuInit"));
    LLEM_ASSIGN(const int device, find(wanted));
    int multiprocessors = 0;
    LLEM_TRY(check(driver_.attribute(&multiprocessors, kMultiprocessors, device),
                   "cuDeviceGetAttribute"));
    blocks_ = static_cast<unsigned>(std::max(multiprocessors, 1));
    LLEM_TRY(check(driver_.context_create(&context_, kBlockingSync, device), "cuCtxCreate"));
    Handle module = nullptr;
    LLEM_TRY(check(driver_.module_load(&module, kBusyKernel), "cuModuleLoadData"));
    LLEM_TRY(check(driver_.module_function(&kernel_, module, "busy"), "cuModuleGetFunction"));
    LLEM_TRY(check(driver_.allocate(&result_, sizeof(float)), "cuMemAlloc"));
    return burst(Seconds(0));  // the first launch is slower than all others
  }

  Expected<void> burst(Seconds length) override {
    double left_s = length.count();
    do {
      const double part_s = std::min(left_s, kLongestKernel);
      auto nanoseconds = static_cast<std::uint64_t>(part_s * static_cast<double>(kNanoseconds));
      std::array<void*, 2> arguments{&nanoseconds, &result_};
      LLEM_TRY(check(driver_.launch(kernel_, blocks_, 1, 1, kThreads, 1, 1, 0, nullptr,
                                    arguments.data(), nullptr),
                     "cuLaunchKernel"));
      left_s -= part_s;
    } while (left_s > 0);
    return check(driver_.synchronise(), "cuCtxSynchronize");
  }

 private:
  Expected<void> check(int code, std::string_view call) const {
    if (code == kSuccess) {
      return {};
    }
    return failure(
        ErrorKind::preflight,
        fmt::format("the GPU cannot be put under load: {}: {}", call, driver_.name_of(code)),
        "see whether any CUDA program runs on this GPU; in a container, start it with "
        "`--gpus all` and NVIDIA_DRIVER_CAPABILITIES=compute,utility",
        "cuda_failed");
  }

  Expected<int> find(std::string_view wanted) const {
    int count = 0;
    LLEM_TRY(check(driver_.device_count(&count), "cuDeviceGetCount"));
    std::vector<std::string> seen;
    for (int i = 0; i < count; ++i) {
      int device = 0;
      Uuid uuid{};
      LLEM_TRY(check(driver_.device(&device, i), "cuDeviceGet"));
      LLEM_TRY(check(driver_.uuid(&uuid, device), "cuDeviceGetUuid"));
      seen.push_back(text_of(uuid));
      if (seen.back() == wanted) {
        return device;
      }
    }
    return failure(ErrorKind::preflight, fmt::format("CUDA does not show {}", wanted),
                   fmt::format("it shows {}; see CUDA_VISIBLE_DEVICES",
                               seen.empty() ? "no device" : base::join(seen, ", ")),
                   "cuda_device_missing");
  }

  Driver driver_;
  Handle context_ = nullptr;
  Handle kernel_ = nullptr;
  std::uint64_t result_ = 0;
  unsigned blocks_ = 1;
};

std::vector<std::string> library_names() {
  if (auto library = sys::environment("LLEM_CUDA_LIBRARY")) {
    return {*std::move(library)};
  }
  return {"libcuda.so.1", "libcuda.so"};
}

}  // namespace

Expected<std::unique_ptr<Load>> open_cuda_load(std::string_view device) {
  constexpr const char* kHint =
      "install the NVIDIA driver with its CUDA library; in a container, start it with `--gpus all` "
      "and NVIDIA_DRIVER_CAPABILITIES=compute,utility";
  auto library = sys::DynamicLibrary::open(library_names());
  if (!library) {
    return failure(ErrorKind::preflight, std::move(library).error().message, kHint, "cuda_missing");
  }
  Driver driver(*std::move(library));
  if (!driver.complete()) {
    return failure(ErrorKind::preflight, "the CUDA library lacks functions of CUDA 9.2", kHint,
                   "cuda_missing");
  }
  auto load = std::make_unique<CudaLoad>(std::move(driver));
  LLEM_TRY(load->open(device));
  return load;
}

}  // namespace llem::calibration
