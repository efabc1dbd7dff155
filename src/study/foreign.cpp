#include "study/foreign.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "analysis/exclusivity.hpp"
#include "base/text.hpp"

namespace llem::study {

namespace {

constexpr Seconds kLongestWait{600};  // as study.gap.max_s

bool is_used_gpu(const meters::MeterSet& meters, const std::string& device) {
  return std::ranges::any_of(
      meters.devices, [&](const domain::Device& d) { return d.id == device && d.used_gpu(); });
}

std::string text_of(const std::vector<Occupied>& occupied) {
  std::vector<std::string> parts;
  for (const Occupied& one : occupied) {
    parts.push_back(fmt::format("{:.1f} GiB of {}", one.bytes / 0x1p30, one.device));
  }
  return base::join(parts, ", ");
}

/// Bytes in use of each used GPU that tells, read now.
std::map<std::string, double> memory_in_use(meters::MeterSet& meters) {
  std::map<std::string, double> bytes;
  for (const auto& meter : meters.meters) {
    const auto channels = meter->channels();
    const bool tells = std::ranges::any_of(channels, [&](const domain::Channel& channel) {
      return channel.signal == domain::Signal::memory_used && is_used_gpu(meters, channel.device);
    });
    if (!tells) {
      continue;
    }
    domain::SampleBlock block;
    meter->read(0, block);
    for (std::size_t i = 0; i < block.size; ++i) {
      const domain::Sample& sample = block.samples[i];
      const domain::Channel& channel = channels[sample.channel];
      if (channel.signal == domain::Signal::memory_used) {
        bytes[channel.device] = sample.value;
      }
    }
  }
  return bytes;
}

/// Used GPUs whose memory in use no meter tells.
std::string unreadable_devices(meters::MeterSet& meters) {
  const auto bytes = memory_in_use(meters);
  std::vector<std::string> unreadable;
  for (const domain::Device& device : meters.devices) {
    if (device.used_gpu() && !bytes.contains(device.id)) {
      unreadable.push_back(device.id);
    }
  }
  return base::join(unreadable, ", ");
}

}  // namespace

std::vector<Occupied> occupied_devices(meters::MeterSet& meters) {
  std::vector<Occupied> occupied;
  for (const auto& [device, bytes] : memory_in_use(meters)) {
    if (bytes > analysis::kForeignBytes) {
      occupied.push_back({device, bytes});
    }
  }
  return occupied;
}

Expected<StopRequest> wait_until_free(const RestInputs& inputs, meters::MeterSet& meters) {
  if (const std::string unreadable = unreadable_devices(meters); !unreadable.empty()) {
    warn(inputs.events, fmt::format("the memory in use of {} cannot be read: measure.foreign does "
                                    "not wait for it",
                                    unreadable));
  }
  const auto occupied = occupied_devices(meters);
  if (occupied.empty()) {
    return StopRequest::none;
  }
  return rest_until(inputs, fmt::format("until others free {}", text_of(occupied)), kLongestWait,
                    [&meters] { return occupied_devices(meters).empty(); });
}

Expected<void> check_free(meters::MeterSet& meters) {
  if (const std::string unreadable = unreadable_devices(meters); !unreadable.empty()) {
    return failure(ErrorKind::preflight,
                   fmt::format("whether something else holds {} cannot be told, and "
                               "measure.foreign is fail",
                               unreadable),
                   "let the driver tell the memory in use (`llem doctor`), or say "
                   "measure.foreign: warn",
                   "device_busy");
  }
  const auto occupied = occupied_devices(meters);
  if (occupied.empty()) {
    return {};
  }
  return failure(
      ErrorKind::preflight,
      fmt::format("something else holds {}, and measure.foreign is fail", text_of(occupied)),
      "end what runs on the GPU (`nvidia-smi`), or measure on another", "device_busy");
}

}  // namespace llem::study
