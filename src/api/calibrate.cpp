#include "calibration/calibrate.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <llem/machine.hpp>
#include <llem/version.hpp>

#include "base/field_io.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "meters/calibrations.hpp"
#include "report/format.hpp"
#include "study/device_locks.hpp"
#include "sys/clock.hpp"

namespace llem {

namespace {

Expected<meters::MeterSet> open_gpus(const CalibrationOptions& options) {
  auto set =
      meters::open_meters({.meters = {"nvml"}, .devices = options.devices, .gpus_used = true});
  if (!set) {
    Error error = std::move(set).error();
    error.message = "calibration needs an NVIDIA GPU and its driver: " + error.message;
    return tl::unexpected<Error>(std::move(error));
  }
  return set;
}

Expected<void> check_device(const meters::MeterSet& set, const domain::Device& device) {
  if (calibration::sensors_of(set, device.id).empty()) {
    return failure(
        ErrorKind::preflight,
        fmt::format("{} ({}) has neither energy nor power to read", device.id, device.name),
        "name GPUs with sensors by --devices; virtual GPUs have none", "no_sensor");
  }
  if (const base::Json* mig = device.facts.find("mig");
      mig != nullptr && *mig == base::Json(true)) {
    return failure(
        ErrorKind::preflight,
        fmt::format("{} is split into MIG instances: a load on one shows little", device.id),
        "disable MIG: `nvidia-smi -i <gpu> -mig 0`, or leave the GPU out by --devices",
        "mig_enabled");
  }
  return {};
}

std::string milliseconds(const std::optional<double>& seconds,
                         const std::optional<double>& u_seconds) {
  if (!seconds) {
    return "not determined";
  }
  return fmt::format("{} ± {} ms", base::significant(*seconds * 1e3, 4),
                     base::significant(2e3 * u_seconds.value_or(0), 2));
}

std::string text_of(const domain::Calibration& calibration) {
  std::string text = fmt::format("{}  {}, driver {}\n", calibration.device, calibration.name,
                                 calibration.driver_version);
  for (const domain::SensorCalibration& sensor : calibration.sensors) {
    const auto word = domain::words(sensor.signal)[static_cast<std::size_t>(sensor.signal)];
    text += fmt::format("  {:<14} updates every {}", word,
                        milliseconds(sensor.update_period_s, sensor.update_period_u_s));
    if (sensor.signal != domain::Signal::energy) {
      text += fmt::format(", averages over {}",
                          milliseconds(sensor.averaging_window_s, sensor.averaging_window_u_s));
    }
    text += '\n';
  }
  if (calibration.counter) {
    const auto& check = *calibration.counter;
    text += fmt::format("  counter / integrated {}: {}\n",
                        domain::words(check.power)[static_cast<std::size_t>(check.power)],
                        base::significant(check.ratio, 4));
  }
  return text +
         fmt::format("  kept in {}\n", meters::calibration_path(calibration.device).string());
}

std::string plan_text(const domain::Device& device, const meters::MeterSet& set, int repeats) {
  const auto sensors = calibration::sensors_of(set, device.id);
  std::vector<std::string> lines;
  for (const meters::Meter* sensor : sensors) {
    for (const domain::Channel& channel : sensor->channels()) {
      lines.push_back(
          fmt::format("  {:<14} now {}\n",
                      domain::words(channel.signal)[static_cast<std::size_t>(channel.signal)],
                      channel.update_period_source
                          ? domain::words(*channel.update_period_source)[static_cast<std::size_t>(
                                *channel.update_period_source)]
                          : "unknown"));
    }
  }
  return fmt::format("{}  {}\n{}  about {} under full load; would be kept in {}\n", device.id,
                     device.name, base::join(lines, ""),
                     report::duration(calibration::expected_duration(repeats).count()),
                     meters::calibration_path(device.id).string());
}

Expected<domain::Calibration> calibrate_one(const meters::MeterSet& set,
                                            const domain::Device& device,
                                            const CalibrationOptions& options) {
  study::DeviceLocks held;
  if (options.lock_devices) {
    const study::LockInputs inputs{options.interrupts,
                                   [&](const Event& event) { options.progress(event.text); }};
    LLEM_ASSIGN(held, study::lock_devices(study::needed_devices({device}), inputs));
    if (held.request != StopRequest::none) {
      return failure(ErrorKind::interrupted, "the calibration was interrupted; nothing is kept");
    }
  }
  LLEM_ASSIGN(const auto load, calibration::open_cuda_load(device.id));
  calibration::CalibrationPorts ports{*load, options.interrupts, [&](std::string_view line) {
                                        options.progress(fmt::format("{}: {}", device.id, line));
                                      }};
  LLEM_ASSIGN(
      domain::Calibration found,
      calibration::calibrate(calibration::sensors_of(set, device.id), options.repeats, ports));
  found.device = device.id;
  found.name = device.name;
  found.driver_version = device.facts.text_or("driver_version", "0");
  found.tool_version = std::string(version());
  found.made_utc = sys::utc_text(sys::read_clock_anchor().realtime_ns);
  LLEM_TRY(meters::keep_calibration(found));
  return found;
}

std::string document(const char* key, base::Json list) {
  base::Json json = base::Json::object({{"schema", "calibrations"}, {"schema_version", "1.0.0"}});
  json[key] = std::move(list);
  return base::write_json(json, base::JsonStyle::indented);
}

}  // namespace

Expected<CalibrationOutcome> calibrate(const CalibrationOptions& options) {
  LLEM_ASSIGN(const meters::MeterSet set, open_gpus(options));
  for (const domain::Device& device : set.devices) {
    LLEM_TRY(check_device(set, device));
  }
  CalibrationOutcome outcome;
  base::Json list = base::Json::array();
  for (const domain::Device& device : set.devices) {
    if (options.dry_run) {
      outcome.text += plan_text(device, set, options.repeats);
      list.push_back(base::Json::object(
          {{"device", device.id},
           {"name", device.name},
           {"expected_s", calibration::expected_duration(options.repeats).count()},
           {"path", meters::calibration_path(device.id).string()}}));
      continue;
    }
    LLEM_ASSIGN(const domain::Calibration found, calibrate_one(set, device, options));
    outcome.text += text_of(found);
    list.push_back(base::write_struct(found));
  }
  outcome.json = document(options.dry_run ? "would_calibrate" : "calibrations", std::move(list));
  return outcome;
}

}  // namespace llem
