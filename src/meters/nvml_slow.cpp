// The slow meter of a GPU: what changes over seconds, read once a second.

#include <array>
#include <utility>

#include "meters/nvml.hpp"
#include "meters/nvml_health.hpp"

namespace llem::meters::nvml {
namespace {

using domain::Behaviour;
using domain::Channel;
using domain::Signal;

struct FieldSignal {
  std::uint32_t field;
  Signal signal;
  Behaviour behaviour;
  std::string_view unit;
  double scale;
  double resolution;
};

constexpr std::array kFields{
    FieldSignal{kFieldMemoryTemperature, Signal::memory_temperature, Behaviour::gauge, "celsius", 1,
                1},
    FieldSignal{kFieldThrottlePower, Signal::throttle_power, Behaviour::counter, "s", 1e-9, 1e-9},
    FieldSignal{kFieldThrottleSwThermal, Signal::throttle_sw_thermal, Behaviour::counter, "s", 1e-9,
                1e-9},
    FieldSignal{kFieldThrottleHwThermal, Signal::throttle_hw_thermal, Behaviour::counter, "s", 1e-9,
                1e-9},
    FieldSignal{kFieldThrottleBrake, Signal::throttle_brake, Behaviour::counter, "s", 1e-9, 1e-9},
};

struct CallSignal {
  Signal signal;
  std::string_view unit;
  double resolution;
  /// The value in the channel's unit; the answer is NVML's code.
  int (*read)(const Api& api, Device handle, double& value);
};

int read_temperature(const Api& api, Device handle, double& value) {
  TemperatureV1 versioned{kTemperatureV1Version, 0, 0};
  if (api.temperature_versioned && api.temperature_versioned(handle, &versioned) == kSuccess) {
    value = versioned.celsius;
    return kSuccess;
  }
  unsigned celsius = 0;  // withdrawn in header 13, and the only one in older drivers
  const int code = api.temperature(handle, 0, &celsius);
  value = celsius;
  return code;
}

int read_clock(const Api& api, Device handle, int type, double& value) {
  unsigned megahertz = 0;
  const int code = api.clock(handle, type, &megahertz);
  value = megahertz * 1e6;
  return code;
}

int read_memory(const Api& api, Device handle, double& value) {
  MemoryV2 memory{};
  memory.version = kMemoryV2Version;
  if (api.memory_v2(handle, &memory) == kSuccess) {
    value = static_cast<double>(memory.used);
    return kSuccess;
  }
  MemoryV1 old{};  // counts the driver's own reserve as used
  const int code = api.memory(handle, &old);
  value = static_cast<double>(old.used);
  return code;
}

int read_event_reasons(const Api& api, Device handle, double& value) {
  unsigned long long mask = 0;
  int code = api.event_reasons(handle, &mask);
  if (code == kFunctionNotFound) {
    code = api.throttle_reasons(handle, &mask);  // its name before driver 535
  }
  value = static_cast<double>(mask);
  return code;
}

int read_power_limit(const Api& api, Device handle, double& value) {
  unsigned milliwatts = 0;
  const int code = api.enforced_power_limit(handle, &milliwatts);
  value = milliwatts * 1e-3;
  return code;
}

int read_utilisation(const Api& api, Device handle, double& value) {
  Utilization utilization{};
  const int code = api.utilization(handle, &utilization);
  value = utilization.gpu * 0.01;
  return code;
}

constexpr std::array kCalls{
    CallSignal{Signal::temperature, "celsius", 1, read_temperature},
    CallSignal{Signal::clock_sm, "Hz", 1e6,
               [](const Api& api, Device h, double& v) { return read_clock(api, h, 1, v); }},
    CallSignal{Signal::clock_memory, "Hz", 1e6,
               [](const Api& api, Device h, double& v) { return read_clock(api, h, 2, v); }},
    CallSignal{Signal::memory_used, "bytes", 1, read_memory},
    CallSignal{Signal::event_reasons, "", 1, read_event_reasons},
    CallSignal{Signal::power_limit, "W", 1e-3, read_power_limit},
    CallSignal{Signal::utilisation, "ratio", 0.01, read_utilisation},
};

class SlowMeter final : public Meter {
 public:
  SlowMeter(std::shared_ptr<const Api> api, const Gpu& gpu)
      : api_(std::move(api)), handle_(gpu.handle), device_(gpu.id()) {}

  /// Keeps what the device answers; false when it has gone.
  bool open() {
    for (const FieldSignal& candidate : kFields) {
      FieldValue value{};
      value.field = candidate.field;
      const int code = api_->field_values(handle_, 1, &value);
      const int result = code != kSuccess ? code : value.code;
      if (code_info(result).fault == Fault::gone) {
        return false;
      }
      if (code_info(result).fault == Fault::transient || (result == kSuccess && number_of(value))) {
        ask_[field_count_].field = candidate.field;
        ask_[field_count_].code = kUnknown;
        scale_[field_count_] = candidate.scale;
        ++field_count_;
        add_channel(candidate.signal, candidate.behaviour, candidate.unit, candidate.resolution);
      }
    }
    for (const CallSignal& candidate : kCalls) {
      double value = 0;
      const Fault fault = code_info(candidate.read(*api_, handle_, value)).fault;
      if (fault == Fault::gone) {
        return false;
      }
      if (fault != Fault::absent) {
        calls_.push_back(candidate.read);
        add_channel(candidate.signal, Behaviour::gauge, candidate.unit, candidate.resolution);
      }
    }
    return true;
  }

  std::span<const Channel> channels() const override { return channels_; }

  Seconds period(Seconds sampling_period) const override {
    return std::max(sampling_period, Seconds(1));
  }

  std::int64_t failed_reads() const noexcept override { return health_.failed(); }

  bool lost() const noexcept override { return health_.lost(); }

  void read(std::uint16_t first_channel, domain::SampleBlock& block) noexcept override {
    if (health_.lost()) {
      return;
    }
    std::uint16_t channel = first_channel;
    if (field_count_ > 0) {
      std::array<FieldValue, kFields.size()> values = ask_;
      const std::int64_t begin = now_ns();
      const int code = api_->field_values(handle_, static_cast<int>(field_count_), values.data());
      const std::int64_t end = now_ns();
      for (std::size_t i = 0; i < field_count_; ++i, ++channel) {
        const auto number = code == kSuccess ? number_of(values[i]) : std::nullopt;
        if (number) {
          health_.succeed();
          block.push(channel, *number * scale_[i], begin, end);
        } else {
          health_.fail(code != kSuccess ? code : values[i].code);
        }
      }
    }
    for (const auto read_call : calls_) {
      double value = 0;
      const std::int64_t begin = now_ns();
      const int code = read_call(*api_, handle_, value);
      const std::int64_t end = now_ns();
      if (code == kSuccess) {
        health_.succeed();
        block.push(channel, value, begin, end);
      } else {
        health_.fail(code);
      }
      ++channel;
    }
  }

 private:
  void add_channel(Signal signal, Behaviour behaviour, std::string_view unit, double resolution) {
    Channel channel;
    channel.device = device_;
    channel.signal = signal;
    channel.behaviour = behaviour;
    channel.unit = unit;
    channel.scope = domain::Scope::gpu;
    channel.meter = "nvml";
    channel.resolution = resolution;
    channels_.push_back(std::move(channel));
  }

  std::shared_ptr<const Api> api_;  // shared by the meters of every device
  Device handle_;
  std::string device_;
  std::vector<Channel> channels_;
  std::array<FieldValue, kFields.size()> ask_{};
  std::array<double, kFields.size()> scale_{};
  std::size_t field_count_ = 0;
  std::vector<int (*)(const Api&, Device, double&)> calls_;
  Health health_;
};

}  // namespace

Expected<std::unique_ptr<Meter>> open_slow_meter(std::shared_ptr<const Api> api, const Gpu& gpu) {
  auto meter = std::make_unique<SlowMeter>(std::move(api), gpu);
  if (!meter->open()) {
    return failure(ErrorKind::meter, "the GPU " + gpu.id() + " does not answer",
                   std::string(code_info(kGpuIsLost).remedy), "gpu_lost");
  }
  return meter;
}

}  // namespace llem::meters::nvml
