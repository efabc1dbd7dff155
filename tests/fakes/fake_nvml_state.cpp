#include "fake_nvml_state.hpp"

#include <atomic>
#include <cmath>
#include <cstring>
#include <ctime>
#include <unistd.h>

namespace fake_nvml {
namespace {

std::atomic<double> manual_time{-1};
std::atomic<long> calls{0};

void spin(double microseconds) {
  timespec begin{};
  ::clock_gettime(CLOCK_MONOTONIC, &begin);
  timespec end = begin;
  while (static_cast<double>(end.tv_sec - begin.tv_sec) * 1e6 +
             static_cast<double>(end.tv_nsec - begin.tv_nsec) * 1e-3 <
         microseconds) {
    ::clock_gettime(CLOCK_MONOTONIC, &end);
  }
}

}  // namespace

void set_time(double t) {
  manual_time = t;
}

long call_count() {
  return calls;
}

State& state() {
  static State instance;
  return instance;
}

double now() {
  if (const double t = manual_time.load(); t >= 0) {
    return t;
  }
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

int fault_in(const Faults& faults, const char* name, double t) {
  if (faults.empty()) {  // the usual case costs nothing, as benchmarks count on
    return 0;
  }
  for (const char* key : {name, "*"}) {
    const auto found = faults.find(key);
    if (found != faults.end() && t - state().begin >= found->second.after_s &&
        t - state().begin < found->second.until_s &&
        (found->second.while_file.empty() ||
         ::access(found->second.while_file.c_str(), F_OK) == 0)) {
      return found->second.code;
    }
  }
  return 0;
}

Device* device_of(void* handle) {
  const auto number = reinterpret_cast<std::uintptr_t>(handle);
  const std::size_t index = number % kMigBlock - 1;
  return number % kMigBlock != 0 && index < state().scenario.devices.size()
             ? &state().scenario.devices[index]
             : nullptr;
}

bool is_mig(void* handle) {
  return reinterpret_cast<std::uintptr_t>(handle) >= kMigBlock;
}

void* handle_of(std::size_t index, std::size_t mig) {
  return reinterpret_cast<void*>(index + 1 + mig * kMigBlock);
}

int enter(const char* function) {
  ++calls;
  if (state().users == 0) {
    return 1;
  }
  return fault_in(state().scenario.errors, function, now());
}

int enter(const char* function, void* handle, Device*& device) {
  const int code = enter(function);
  if (code != 0) {
    return code;
  }
  device = device_of(handle);
  if (device == nullptr) {
    return 2;
  }
  for (const char* key : {function, "*"}) {
    if (const auto slow = device->slow_call_us.find(key); slow != device->slow_call_us.end()) {
      spin(slow->second);
      break;
    }
  }
  return fault_in(device->errors, function, now());
}

int give_text(const std::string& text, char* buffer, unsigned length) {
  if (text.size() >= length) {
    return 7;
  }
  std::memcpy(buffer, text.c_str(), text.size() + 1);
  return 0;
}

unsigned milli(double value) {
  return static_cast<unsigned>(std::lround(value * 1000));
}

}  // namespace fake_nvml
