// nvmlDeviceGetFieldValues of the fake library.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>

#include "fake_nvml_state.hpp"

using namespace fake_nvml;

namespace {

struct FieldValue {
  std::uint32_t field;
  std::uint32_t scope;
  std::int64_t timestamp;
  std::int64_t latency;
  std::int32_t type;
  std::int32_t code;

  union {
    double d;
    std::uint64_t u64;
    std::int64_t i64;
    std::uint32_t u32;
    std::int32_t i32;
    std::uint16_t u16;
  } value;
};

static_assert(sizeof(FieldValue) == 40);

void encode(FieldValue& entry, double number, int type) {
  entry.type = type;
  // As in the driver, the unused bytes of a narrow value are not cleared.
  std::memset(&entry.value, 0xA5, sizeof entry.value);
  switch (type) {
    case 0:
      entry.value.d = number;
      break;
    case 1:
      entry.value.u32 = static_cast<std::uint32_t>(number);
      break;
    case 2:
    case 3:
      entry.value.u64 = static_cast<std::uint64_t>(number);
      break;
    case 4:
      entry.value.i64 = static_cast<std::int64_t>(number);
      break;
    case 5:
      entry.value.i32 = static_cast<std::int32_t>(number);
      break;
    case 6:
      entry.value.u16 = static_cast<std::uint16_t>(number);
      break;
    default:
      break;
  }
}

/// One field's number and natural type; the answer is the entry's code.
int field_number(const Device& device, std::uint32_t field, std::uint32_t scope, double t,
                 double& number, int& type) {
  const bool scoped = field == 185 || field == 186 || field == 191;
  if (scoped &&
      std::find(device.scopes.begin(), device.scopes.end(), scope) == device.scopes.end()) {
    return 3;
  }
  type = 1;
  switch (field) {
    case 82:
      number = device.memory_temperature_celsius;
      return 0;
    case 83:
    case 191:
      if (!device.counter.present || (field == 191 && !device.scoped_energy)) {
        return 3;
      }
      type = 3;
      number = std::round(counter_joules(device, t, state().begin) * 1000);
      return 0;
    case 185:
      number = milli(power_watts(device, t, device.average_window_s));
      return 0;
    case 186:
      number = milli(power_watts(device, t, device.window_s));
      return 0;
    case 74:
    case 269:
    case 270:
    case 271: {
      type = 3;
      const auto rate = device.throttle_ns_per_s.find(field);
      number = rate != device.throttle_ns_per_s.end() ? std::floor(rate->second * t) : 0;
      return 0;
    }
    default:
      return 3;
  }
}

}  // namespace

EXPORT int nvmlDeviceGetFieldValues(void* handle, int count, FieldValue* values) {
  Device* device = nullptr;
  if (const int code = enter(__func__, handle, device); code != 0) {
    return code;
  }
  const double t = now();
  for (int i = 0; i < count; ++i) {
    FieldValue& entry = values[i];
    double number = 0;
    int type = 1;
    entry.code = field_number(*device, entry.field, entry.scope, t, number, type);
    if (!device->errors.empty()) {
      const std::string name = "field:" + std::to_string(entry.field);
      for (const std::string& key : {name + "/" + std::to_string(entry.scope), name}) {
        const auto fault = device->errors.find(key);
        if (fault != device->errors.end() && t - state().begin >= fault->second.after_s &&
            t - state().begin < fault->second.until_s) {
          entry.code = fault->second.code;
        }
      }
    }
    if (entry.code == 0) {
      const auto forced = device->value_types.find(entry.field);
      encode(entry, number, forced != device->value_types.end() ? forced->second : type);
    }
  }
  return 0;
}
