#include "meters/nvml_control.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace llem::meters::nvml {
namespace {

constexpr double kMilli = 1e-3;

/// A list NVML hands out in two calls: its size, then its items.
template <class Get>
std::vector<unsigned> list_from(Get&& get) {
  unsigned count = 0;
  if (const int code = get(&count, nullptr); code != kInsufficientSize && code != kSuccess) {
    return {};
  }
  std::vector<unsigned> list(count);
  if (list.empty() || get(&count, list.data()) != kSuccess) {
    return {};
  }
  list.resize(std::min<std::size_t>(count, list.size()));
  std::ranges::sort(list, std::greater<>());
  return list;
}

std::string uuid_of(const std::string& gpu) {
  return gpu.substr(gpu.find(':') + 1);
}

tl::unexpected<Error> refused(const std::string& gpu, const std::string& what, int code,
                              const std::string& field, const std::string& command) {
  const bool permission = code == kNoPermission;
  return tl::unexpected<Error>(Error{
      ErrorKind::preflight,
      fmt::format("cannot set the {} of {}: {}", what, gpu, describe_code(code)),
      permission ? fmt::format("run llem as root; or set it before the study, `sudo nvidia-smi "
                               "-i {} {}`, and leave {} out",
                               uuid_of(gpu), command, field)
                 : fmt::format("leave {} out", field),
      {field},
      "limits_refused"});
}

tl::unexpected<Error> out_of_range(const std::string& message, const std::string& field) {
  return tl::unexpected<Error>(Error{
      ErrorKind::preflight, message, "choose a value in this range", {field}, "limits_refused"});
}

unsigned milliwatts_of(double watts) {
  return static_cast<unsigned>(std::llround(watts / kMilli));
}

Expected<void> put_back_power(const Api& api, const Gpu& gpu, unsigned original) {
  unsigned now = 0;
  if (api.power_limit(gpu.handle, &now) == kSuccess && now == original) {
    return {};
  }
  const auto failed = [&](const std::string& why) {
    return failure(
        ErrorKind::meter,
        fmt::format("the power limit of {} is not back at {:g} W: {}", gpu.id(), original * kMilli,
                    why),
        fmt::format("`sudo nvidia-smi -i {} -pl {:g}`", uuid_of(gpu.id()), original * kMilli),
        "limits_not_restored");
  };
  if (const int code = api.set_power_limit(gpu.handle, original); code != kSuccess) {
    return failed(describe_code(code));
  }
  if (api.power_limit(gpu.handle, &now) != kSuccess || now != original) {
    return failed(fmt::format("the driver says {:g} W", now * kMilli));
  }
  return {};
}

Expected<void> unlock(const Call<Api::ResetClocks>& reset, const Gpu& gpu, std::string_view which,
                      std::string_view option) {
  const int code = reset(gpu.handle);
  // What a device cannot lock was not locked.
  if (code == kSuccess || code == kNotSupported || code == kFunctionNotFound) {
    return {};
  }
  return failure(
      ErrorKind::meter,
      fmt::format("the {} clocks of {} are not unlocked: {}", which, gpu.id(), describe_code(code)),
      fmt::format("`sudo nvidia-smi -i {} {}`", uuid_of(gpu.id()), option), "limits_not_restored");
}

}  // namespace

Allowed read_allowed(const Api& api, const Gpu& gpu) {
  Allowed allowed;
  Range power;
  if (api.power_limit_range(gpu.handle, &power.low, &power.high) == kSuccess) {
    allowed.power_mw = power;
  }
  allowed.memory_mhz = list_from([&](unsigned* count, unsigned* list) {
    return api.supported_memory_clocks(gpu.handle, count, list);
  });
  if (!allowed.memory_mhz.empty()) {
    // The highest memory clock goes with the widest choice of SM clocks.
    const auto sm = list_from([&](unsigned* count, unsigned* list) {
      return api.supported_sm_clocks(gpu.handle, allowed.memory_mhz.front(), count, list);
    });
    if (!sm.empty()) {
      allowed.sm_mhz = Range{sm.back(), sm.front()};
    }
  }
  return allowed;
}

Expected<void> check_setting(const Setting& setting, const Allowed& allowed,
                             const std::string& gpu) {
  if (setting.power_limit_w && allowed.power_mw) {
    const Range range = *allowed.power_mw;
    const double milliwatts = *setting.power_limit_w / kMilli;
    if (milliwatts < range.low || milliwatts > range.high) {
      return out_of_range(
          fmt::format("the power limit of {} can be {:g} to {:g} W, not {:g} W", gpu,
                      range.low * kMilli, range.high * kMilli, *setting.power_limit_w),
          "deploy.power_limit_w");
    }
  }
  if (setting.sm_mhz && allowed.sm_mhz) {
    const Range range = *allowed.sm_mhz;
    if (*setting.sm_mhz < range.low || *setting.sm_mhz > range.high) {
      return out_of_range(fmt::format("the SM clock of {} can be {} to {} MHz, not {} MHz", gpu,
                                      range.low, range.high, *setting.sm_mhz),
                          "deploy.clocks.sm_mhz");
    }
  }
  if (setting.memory_mhz && !allowed.memory_mhz.empty() &&
      std::ranges::find(allowed.memory_mhz, *setting.memory_mhz) == allowed.memory_mhz.end()) {
    return out_of_range(fmt::format("the memory clock of {} can be {} MHz, not {} MHz", gpu,
                                    fmt::join(allowed.memory_mhz, ", "), *setting.memory_mhz),
                        "deploy.clocks.memory_mhz");
  }
  return {};
}

Expected<void> check_permission(const Api& api, const Gpu& gpu, double power_limit_w) {
  unsigned present = 0;
  if (api.power_limit(gpu.handle, &present) != kSuccess) {
    return {};
  }
  if (const int code = api.set_power_limit(gpu.handle, present); code != kSuccess) {
    return refused(gpu.id(), "power limit", code, "deploy.power_limit_w",
                   fmt::format("-pl {:g}", power_limit_w));
  }
  return {};
}

Expected<void> apply_setting(const Api& api, const Gpu& gpu, const Setting& setting,
                             bool& changed) {
  if (setting.power_limit_w) {
    if (const int code = api.set_power_limit(gpu.handle, milliwatts_of(*setting.power_limit_w));
        code != kSuccess) {
      return refused(gpu.id(), "power limit", code, "deploy.power_limit_w",
                     fmt::format("-pl {:g}", *setting.power_limit_w));
    }
    changed = true;
  }
  if (setting.sm_mhz) {
    const auto clock = static_cast<unsigned>(*setting.sm_mhz);
    if (const int code = api.lock_sm_clocks(gpu.handle, clock, clock); code != kSuccess) {
      return refused(gpu.id(), "SM clock", code, "deploy.clocks.sm_mhz",
                     fmt::format("-lgc {0},{0}", clock));
    }
    changed = true;
  }
  if (setting.memory_mhz) {
    const auto clock = static_cast<unsigned>(*setting.memory_mhz);
    if (const int code = api.lock_memory_clocks(gpu.handle, clock, clock); code != kSuccess) {
      return refused(gpu.id(), "memory clock", code, "deploy.clocks.memory_mhz",
                     fmt::format("-lmc {0},{0}", clock));
    }
    changed = true;
  }
  return {};
}

Expected<OriginalState> read_original(const Api& api, const Gpu& gpu, bool power_limit,
                                      bool sm_clock, bool memory_clock) {
  OriginalState original;
  original.device = gpu.id();
  original.unlock_sm = sm_clock;
  original.unlock_memory = memory_clock;
  if (power_limit) {
    unsigned milliwatts = 0;
    if (const int code = api.power_limit(gpu.handle, &milliwatts); code != kSuccess) {
      return refused(gpu.id(), "power limit", code, "deploy.power_limit_w", "-pl …");
    }
    original.power_limit_mw = milliwatts;
  }
  return original;
}

Expected<void> put_back(const Api& api, const Gpu& gpu, const OriginalState& original) {
  Expected<void> outcome;
  const auto note = [&outcome](Expected<void> step) {
    if (outcome && !step) {
      outcome = std::move(step);
    }
  };
  if (original.unlock_memory) {
    note(unlock(api.reset_memory_clocks, gpu, "memory", "-rmc"));
  }
  if (original.unlock_sm) {
    note(unlock(api.reset_sm_clocks, gpu, "SM", "-rgc"));
  }
  if (original.power_limit_mw) {
    note(put_back_power(api, gpu, static_cast<unsigned>(*original.power_limit_mw)));
  }
  return outcome;
}

void refresh_limits(const Api& api, const Gpu& gpu, base::Json& facts) {
  unsigned milliwatts = 0;
  if (api.power_limit(gpu.handle, &milliwatts) == kSuccess) {
    facts["power_limit_w"] = milliwatts * kMilli;
  }
  if (api.enforced_power_limit(gpu.handle, &milliwatts) == kSuccess) {
    facts["power_limit_enforced_w"] = milliwatts * kMilli;
  }
}

}  // namespace llem::meters::nvml
