// A stand-in for the driver's libcuda.so.1 over the GPUs of the fake NVML library in
// $LLEM_NVML_LIBRARY: a kernel makes its GPU take power for the nanoseconds in its first argument.
// "CALL=CODE" in $LLEM_FAKE_CUDA lets that function fail.

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dlfcn.h>
#include <string>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

constexpr int kInvalidValue = 1;
constexpr int kNoDevice = 100;
constexpr int kInvalidImage = 200;

double ends_at = 0;  // of the kernels launched so far
int current = -1;    // the device whose context was made

/// The driver that the product has open.
void* driver() {
  static void* handle = dlopen(std::getenv("LLEM_NVML_LIBRARY"), RTLD_LAZY | RTLD_NOLOAD);
  return handle;
}

const char* uuid_of(int index) {
  auto* get = reinterpret_cast<const char* (*)(unsigned)>(dlsym(driver(), "fake_nvml_uuid"));
  return get(static_cast<unsigned>(index));
}

int code_of(const char* function) {
  const char* text = std::getenv("LLEM_FAKE_CUDA");
  const std::string wanted = std::string(function) + "=";
  return text != nullptr && std::strncmp(text, wanted.c_str(), wanted.size()) == 0
             ? std::atoi(text + wanted.size())
             : 0;
}

double now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace

EXPORT int cuInit(unsigned flags) {
  if (driver() == nullptr) {
    return kNoDevice;
  }
  return flags == 0 ? code_of(__func__) : kInvalidValue;
}

EXPORT int cuDeviceGetCount(int* count) {
  for (*count = 0; uuid_of(*count) != nullptr;) {
    ++*count;
  }
  return code_of(__func__);
}

EXPORT int cuDeviceGet(int* device, int index) {
  *device = index;
  return uuid_of(index) != nullptr ? code_of(__func__) : kInvalidValue;
}

EXPORT int cuDeviceGetUuid_v2(unsigned char* bytes, int device) {
  std::string digits;
  for (const char* c = uuid_of(device) + std::strlen("GPU-"); *c != '\0'; ++c) {
    digits += *c == '-' ? "" : std::string(1, *c);
  }
  for (std::size_t i = 0; i < 16; ++i) {
    bytes[i] = static_cast<unsigned char>(std::stoul(digits.substr(2 * i, 2), nullptr, 16));
  }
  return code_of(__func__);
}

EXPORT int cuDeviceGetUuid(unsigned char* bytes, int device) {
  return cuDeviceGetUuid_v2(bytes, device);
}

EXPORT int cuDeviceGetAttribute(int* value, int attribute, int) {
  *value = attribute == 16 ? 132 : 0;
  return code_of(__func__);
}

EXPORT int cuCtxCreate_v2(void** context, unsigned, int device) {
  current = device;
  *context = &current;
  return code_of(__func__);
}

EXPORT int cuCtxDestroy_v2(void* context) {
  return context == &current ? code_of(__func__) : kInvalidValue;
}

EXPORT int cuModuleLoadData(void** module, const void* image) {
  *module = &current;
  const bool ptx = std::strstr(static_cast<const char*>(image), ".entry busy(") != nullptr;
  return ptx ? code_of(__func__) : kInvalidImage;
}

EXPORT int cuModuleGetFunction(void** function, void*, const char* name) {
  *function = &current;
  return std::strcmp(name, "busy") == 0 ? code_of(__func__) : kInvalidValue;
}

EXPORT int cuMemAlloc_v2(std::uint64_t* pointer, std::size_t) {
  *pointer = 4096;
  return code_of(__func__);
}

EXPORT int cuLaunchKernel(void*, unsigned blocks, unsigned, unsigned, unsigned threads, unsigned,
                          unsigned, unsigned, void*, void** arguments, void**) {
  if (blocks != 132 || threads != 1024 || *static_cast<std::uint64_t*>(arguments[1]) != 4096) {
    return kInvalidValue;
  }
  std::uint64_t nanoseconds = 0;
  std::memcpy(&nanoseconds, arguments[0], sizeof nanoseconds);
  const double seconds = static_cast<double>(nanoseconds) * 1e-9;
  const double t = now();
  ends_at = (ends_at > t ? ends_at : t) + seconds;
  auto* work = reinterpret_cast<void (*)(unsigned, double)>(dlsym(driver(), "fake_nvml_work"));
  work(static_cast<unsigned>(current), seconds);
  return code_of(__func__);
}

EXPORT int cuCtxSynchronize() {
  const timespec until{
      static_cast<time_t>(ends_at),
      static_cast<long>((ends_at - static_cast<double>(static_cast<time_t>(ends_at))) * 1e9)};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
  return code_of(__func__);
}

EXPORT int cuGetErrorName(int code, const char** text) {
  *text = code == kNoDevice ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR_UNKNOWN";
  return 0;
}
