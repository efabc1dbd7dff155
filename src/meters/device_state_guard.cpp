#include "meters/device_state_guard.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "base/log.hpp"
#include "meters/guard_messages.hpp"
#include "meters/nvml_control.hpp"
#include "sys/process.hpp"
#include "sys/wait.hpp"

namespace llem::meters {
namespace {

// A driver without persistence mode takes seconds a device to wake; the guard before this one up to
// ten seconds to end.
constexpr Seconds kReadyLimit{60};
// The guard tries for about two seconds.
constexpr Seconds kRestoreLimit{20};
constexpr Seconds kWriteLimit{1};
constexpr double kMega = 1e6;

nvml::Setting setting_of(const domain::Deploy& deploy) {
  return {deploy.power_limit_w, deploy.clocks.sm_mhz, deploy.clocks.memory_mhz};
}

/// The place in the study of the first thing that is set.
std::string first_field(const nvml::Setting& setting) {
  return setting.power_limit_w ? "deploy.power_limit_w"
         : setting.sm_mhz      ? "deploy.clocks.sm_mhz"
                               : "deploy.clocks.memory_mhz";
}

/// A line from the guard; nothing when it has closed its end or says nothing until the deadline.
std::optional<std::string> next_line(sys::Process& guard, std::string& buffer,
                                     MonotonicTime deadline) {
  while (true) {
    if (const auto end = buffer.find('\n'); end != std::string::npos) {
      std::string line = buffer.substr(0, end);
      buffer.erase(0, end + 1);
      return line;
    }
    std::array<sys::Waitable, 1> waits{sys::Waitable{.fd = guard.output().get()}};
    if (!sys::wait_any(waits, deadline).value_or(false)) {
      return std::nullopt;
    }
    std::array<char, 4096> block{};
    const ssize_t got = ::read(guard.output().get(), block.data(), block.size());
    if (got > 0) {
      buffer.append(block.data(), static_cast<std::size_t>(got));
    } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
      return std::nullopt;
    }
  }
}

template <class Message>
std::optional<Message> next_message(sys::Process& guard, std::string& buffer, Seconds limit) {
  const auto line = next_line(guard, buffer, sys::deadline_after(limit));
  const auto json = line ? base::parse_json(*line) : failure(ErrorKind::io, "no line");
  if (!json) {
    return std::nullopt;
  }
  auto message = base::read_json_struct<Message>(*json, "device guard");
  return message ? std::optional(*std::move(message)) : std::nullopt;
}

/// The GPUs in use, as NVML has them.
Expected<std::vector<nvml::Gpu>> gpus_in_use(const nvml::Api& api,
                                             const std::vector<domain::Device>& devices) {
  LLEM_ASSIGN(nvml::GpuList list, nvml::list_gpus(api));
  std::vector<nvml::Gpu> used;
  for (const domain::Device& device : devices) {
    if (!device.used_gpu()) {
      continue;
    }
    const auto gpu = std::ranges::find(list.gpus, device.id, &nvml::Gpu::id);
    if (gpu == list.gpus.end()) {
      return failure(ErrorKind::preflight, fmt::format("the driver no longer knows {}", device.id),
                     "see `llem doctor`", "limits_refused");
    }
    used.push_back(*gpu);
  }
  return used;
}

}  // namespace

struct DeviceStateGuard::Held {
  std::shared_ptr<const nvml::Api> api;
  std::vector<nvml::Gpu> gpus;
  nvml::Setting setting;
  std::optional<sys::Process> guard;
  std::string heard;  // from the guard, not yet a whole line
  std::vector<OriginalState> originals;
  bool changed = false;
  std::vector<domain::Device>* devices = nullptr;
  std::vector<base::Json> facts_before;

  /// Null when there is nothing to set. Changes nothing.
  static Expected<std::unique_ptr<Held>> prepare(const std::vector<domain::Device>& devices,
                                                 const domain::Deploy& deploy);
  Expected<void> start(const GuardFiles& files);
  Expected<void> set();
  void say_what_is_in_force();
  Expected<void> restore();
  Expected<void> restore_directly();
  bool tell(std::string_view word);
};

bool sets_device_state(const domain::Deploy& deploy) {
  return setting_of(deploy).any();
}

Expected<std::unique_ptr<DeviceStateGuard::Held>> DeviceStateGuard::Held::prepare(
    const std::vector<domain::Device>& devices, const domain::Deploy& deploy) {
  const nvml::Setting setting = setting_of(deploy);
  if (!setting.any()) {
    return nullptr;
  }
  const bool any =
      std::ranges::any_of(devices, [](const domain::Device& device) { return device.used_gpu(); });
  if (!any) {
    return tl::unexpected<Error>(Error{
        ErrorKind::config,
        fmt::format("{} is set, but no GPU that NVML can reach is in use", first_field(setting)),
        "leave it out; or let the deployment use a GPU and `nvml` be among measure.meters",
        {first_field(setting)},
        "limits_refused"});
  }
  auto held = std::make_unique<Held>();
  LLEM_ASSIGN(held->api, nvml::Api::open(nvml::library_names()));
  LLEM_ASSIGN(held->gpus, gpus_in_use(*held->api, devices));
  held->setting = setting;
  for (const nvml::Gpu& gpu : held->gpus) {
    LLEM_TRY(nvml::check_setting(setting, nvml::read_allowed(*held->api, gpu), gpu.id()));
  }
  return held;
}

Expected<void> DeviceStateGuard::Held::start(const GuardFiles& files) {
  GuardOrder order;
  order.library = api->library_name();
  for (const nvml::Gpu& gpu : gpus) {
    order.devices.push_back(gpu.id());
  }
  order.power_limit = setting.power_limit_w.has_value();
  order.sm_clock = setting.sm_mhz.has_value();
  order.memory_clock = setting.memory_mhz.has_value();
  order.lock_directory =
      files.lock_directory.empty() ? "" : std::filesystem::absolute(files.lock_directory).string();
  order.report = std::filesystem::absolute(files.directory / "device-guard.json").string();
  sys::SpawnOptions options;
  options.marked = false;
  LLEM_ASSIGN(guard, sys::Process::spawn({{files.program.string()}, {}}, options));
  const std::string line = base::write_json(base::write_struct(order)) + "\n";
  // One that has ended already takes no order and gives no answer.
  guard->write_all(line, sys::deadline_after(kWriteLimit));
  auto ready = next_message<GuardReady>(*guard, heard, kReadyLimit);
  if (!ready || ready->error) {
    return failure(ErrorKind::preflight,
                   fmt::format("the device guard is not ready: {}",
                               ready ? *ready->error : "it ended or says nothing"),
                   ready ? ready->hint.value_or("") : "reinstall llem", "limits_refused");
  }
  originals = std::move(ready->originals);
  return {};
}

Expected<void> DeviceStateGuard::Held::set() {
  for (const nvml::Gpu& gpu : gpus) {
    LLEM_TRY(nvml::apply_setting(*api, gpu, setting, changed));
  }
  return {};
}

void DeviceStateGuard::Held::say_what_is_in_force() {
  for (domain::Device& device : *devices) {
    const auto gpu = std::ranges::find(gpus, device.id, &nvml::Gpu::id);
    if (gpu == gpus.end()) {
      continue;
    }
    nvml::refresh_limits(*api, *gpu, device.facts);
    if (setting.sm_mhz) {
      device.facts["clock_sm_locked_hz"] = static_cast<double>(*setting.sm_mhz) * kMega;
    }
    if (setting.memory_mhz) {
      device.facts["clock_memory_locked_hz"] = static_cast<double>(*setting.memory_mhz) * kMega;
    }
  }
}

bool DeviceStateGuard::Held::tell(std::string_view word) {
  return guard->write_all(word, sys::deadline_after(kWriteLimit)).has_value();
}

Expected<void> DeviceStateGuard::Held::restore() {
  for (std::size_t i = 0; i < facts_before.size() && i < devices->size(); ++i) {
    (*devices)[i].facts = std::move(facts_before[i]);
  }
  if (!changed) {
    tell(kGuardDiscard);
    return {};
  }
  const auto outcome =
      tell(kGuardRestore) ? next_message<GuardOutcome>(*guard, heard, kRestoreLimit) : std::nullopt;
  if (!outcome) {
    LLEM_TRY(restore_directly());
    return failure(ErrorKind::meter,
                   "the device guard was gone before the end of the trial; the GPUs were put back "
                   "without it",
                   "let nothing kill llem-device-guard: without it a death of llem leaves the GPUs "
                   "changed",
                   "guard_lost");
  }
  if (!outcome->restored) {
    return failure(ErrorKind::meter, outcome->error.value_or("the GPUs are not as they were"),
                   "put them back by hand before anything else runs on them",
                   "limits_not_restored");
  }
  return {};
}

Expected<void> DeviceStateGuard::Held::restore_directly() {
  Expected<void> outcome;
  for (std::size_t i = 0; i < gpus.size() && i < originals.size(); ++i) {
    auto done = nvml::put_back(*api, gpus[i], originals[i]);
    if (outcome && !done) {
      outcome = std::move(done);
    }
  }
  return outcome;
}

DeviceStateGuard::DeviceStateGuard(std::unique_ptr<Held> held) : held_(std::move(held)) {}

DeviceStateGuard::DeviceStateGuard(DeviceStateGuard&&) noexcept = default;

DeviceStateGuard& DeviceStateGuard::operator=(DeviceStateGuard&& other) noexcept {
  std::swap(held_, other.held_);
  return *this;
}

DeviceStateGuard::~DeviceStateGuard() {
  if (const auto done = restore(); !done) {
    base::warn(fmt::format("{} ({})", done.error().message, done.error().hint));
  }
}

Expected<void> DeviceStateGuard::check(const std::vector<domain::Device>& devices,
                                       const domain::Deploy& deploy) {
  LLEM_ASSIGN(const auto held, Held::prepare(devices, deploy));
  if (!held || !held->setting.power_limit_w) {
    return {};
  }
  for (const nvml::Gpu& gpu : held->gpus) {
    LLEM_TRY(nvml::check_permission(*held->api, gpu, *held->setting.power_limit_w));
  }
  return {};
}

Expected<DeviceStateGuard> DeviceStateGuard::apply(std::vector<domain::Device>& devices,
                                                   const domain::Deploy& deploy,
                                                   const GuardFiles& files) {
  LLEM_ASSIGN(auto held, Held::prepare(devices, deploy));
  if (!held) {
    return DeviceStateGuard(nullptr);
  }
  LLEM_TRY(held->start(files));
  held->devices = &devices;
  for (const domain::Device& device : devices) {
    held->facts_before.push_back(device.facts);
  }
  DeviceStateGuard applied(std::move(held));
  LLEM_TRY(applied.held_->set());  // what was set before the error is put back on the way out
  applied.held_->say_what_is_in_force();
  return applied;
}

Expected<void> DeviceStateGuard::restore() {
  const auto held = std::exchange(held_, nullptr);
  return held ? held->restore() : Expected<void>();
}

}  // namespace llem::meters
