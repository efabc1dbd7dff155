// The fast meter of a GPU: energy counter and power, in one call where the driver offers the
// fields.

#include <array>
#include <utility>

#include "meters/nvml.hpp"
#include "meters/nvml_health.hpp"

namespace llem::meters::nvml {
namespace {

using domain::Behaviour;
using domain::Channel;
using domain::Scope;
using domain::Signal;

constexpr double kMilli = 1e-3;  // NVML counts millijoules and milliwatts

struct FieldChoice {
  std::uint32_t field = 0;
  std::uint32_t scope = kScopeGpu;
};

/// What the device answers at the start decides what is read from then on.
struct Probe {
  std::vector<FieldValue> entries;
  bool gone = false;

  /// The first scope in which `field` answers: the GPU's own, else the module's.
  std::optional<FieldChoice> find(std::uint32_t field) const {
    for (const FieldValue& entry : entries) {
      if (entry.field == field && usable(entry)) {
        return FieldChoice{field, entry.scope};
      }
    }
    return std::nullopt;
  }

 private:
  // A field that merely has nothing to say now stays: it counts failed reads instead of vanishing
  // unnoticed.
  static bool usable(const FieldValue& entry) {
    const Fault fault = code_info(entry.code).fault;
    return fault == Fault::transient || (fault == Fault::none && number_of(entry));
  }
};

Probe probe_fields(const Api& api, Device handle) {
  constexpr std::array<FieldChoice, 7> kAsk{{{kFieldTotalEnergy, 0},
                                             {kFieldEnergy, kScopeGpu},
                                             {kFieldEnergy, kScopeModule},
                                             {kFieldPowerInstant, kScopeGpu},
                                             {kFieldPowerInstant, kScopeModule},
                                             {kFieldPowerAverage, kScopeGpu},
                                             {kFieldPowerAverage, kScopeModule}}};
  Probe probe;
  for (const FieldChoice& ask : kAsk) {
    // One at a time, so that a refusal of the whole call concerns one field only.
    FieldValue value{};
    value.field = ask.field;
    value.scope = ask.scope;
    const int code = api.field_values(handle, 1, &value);
    if (code != kSuccess) {
      value.code = code;
    }
    value.field = ask.field;
    value.scope = ask.scope;
    probe.gone = probe.gone || code_info(value.code).fault == Fault::gone;
    probe.entries.push_back(value);
  }
  return probe;
}

/// A superchip's plain energy counter covers CPU, memory and GPU together; its name or its refusal
/// of the GPU scope tells it (ml-energy/zeus pull request 172).
bool is_superchip(const Gpu& gpu, const Probe& probe) {
  const auto power = probe.find(kFieldPowerInstant);
  const auto energy = probe.find(kFieldEnergy);
  return gpu.name.find("GH200") != std::string::npos ||
         gpu.name.find("GB200") != std::string::npos ||
         gpu.name.find("GB300") != std::string::npos || (power && power->scope == kScopeModule) ||
         (energy && energy->scope == kScopeModule);
}

Scope scope_of(std::uint32_t scope) {
  return scope == kScopeModule ? Scope::module : Scope::gpu;
}

/// The calibrated value where there is one, else the table's.
void set_known(const std::optional<double>& table, const std::optional<double>& calibrated,
               std::optional<double>& value, std::optional<domain::Knowledge>& source) {
  value = calibrated ? calibrated : table;
  if (value) {
    source = calibrated ? domain::Knowledge::calibrated : domain::Knowledge::table;
  }
}

bool call_answers(int code) {
  const Fault fault = code_info(code).fault;
  return fault == Fault::none || fault == Fault::transient;
}

class FastMeter final : public Meter {
 public:
  FastMeter(std::shared_ptr<const Api> api, const Gpu& gpu, int driver_major,
            const std::optional<domain::Calibration>& calibration)
      : api_(std::move(api)),
        handle_(gpu.handle),
        device_(gpu.id()),
        gpu_(gpu),
        driver_major_(driver_major),
        calibration_(calibration) {}

  /// Chooses the sources; false when the device has gone.
  bool open() {
    const Probe probe = probe_fields(*api_, handle_);
    if (probe.gone) {
      return false;
    }
    const bool superchip = is_superchip(gpu_, probe);
    return open_energy(probe, superchip) && open_power(probe, superchip);
  }

  std::span<const Channel> channels() const override { return channels_; }

  Seconds period(Seconds sampling_period) const override { return sampling_period; }

  std::int64_t failed_reads() const noexcept override { return health_.failed(); }

  bool lost() const noexcept override { return health_.lost(); }

  void read(std::uint16_t first_channel, domain::SampleBlock& block) noexcept override {
    if (health_.lost()) {
      return;
    }
    if (field_count_ > 0) {
      read_fields(first_channel, block);
    }
    if (energy_call_) {
      unsigned long long millijoules = 0;
      const std::int64_t begin = now_ns();
      const int code = api_->total_energy(handle_, &millijoules);
      push(code, first_channel + *energy_call_, static_cast<double>(millijoules) * kMilli, begin,
           block);
    }
    if (power_call_) {
      unsigned milliwatts = 0;
      const std::int64_t begin = now_ns();
      const int code = api_->power_usage(handle_, &milliwatts);
      push(code, first_channel + *power_call_, milliwatts * kMilli, begin, block);
    }
  }

 private:
  static constexpr std::size_t kMaxFields = 3;

  void read_fields(std::uint16_t first_channel, domain::SampleBlock& block) noexcept {
    std::array<FieldValue, kMaxFields> values = ask_;
    const std::int64_t begin = now_ns();
    const int code = api_->field_values(handle_, static_cast<int>(field_count_), values.data());
    const std::int64_t end = now_ns();
    if (code != kSuccess) {
      health_.fail(code, static_cast<std::int64_t>(field_count_));
      return;
    }
    for (std::size_t i = 0; i < field_count_; ++i) {
      if (const auto number = number_of(values[i])) {
        block.push(static_cast<std::uint16_t>(first_channel + field_channel_[i]), *number * kMilli,
                   begin, end);
        health_.succeed();
      } else {
        health_.fail(values[i].code);
      }
    }
  }

  void push(int code, std::size_t channel, double value, std::int64_t begin,
            domain::SampleBlock& block) noexcept {
    const std::int64_t end = now_ns();
    if (code != kSuccess) {
      health_.fail(code);
      return;
    }
    health_.succeed();
    block.push(static_cast<std::uint16_t>(channel), value, begin, end);
  }

  bool open_energy(const Probe& probe, bool superchip) {
    const auto plain = probe.find(kFieldTotalEnergy);
    const auto scoped = probe.find(kFieldEnergy);
    if (superchip && scoped) {
      add_field(*scoped, Signal::energy, Reading::counter, scope_of(scoped->scope));
    } else if (plain) {
      add_field(*plain, Signal::energy, Reading::counter, superchip ? Scope::module : Scope::gpu);
    } else {
      unsigned long long millijoules = 0;
      const int code = api_->total_energy(handle_, &millijoules);
      if (code_info(code).fault == Fault::gone) {
        return false;
      }
      if (call_answers(code)) {
        energy_call_ = channels_.size();
        add_channel(Signal::energy, Reading::counter, superchip ? Scope::module : Scope::gpu);
      } else if (scoped) {
        add_field(*scoped, Signal::energy, Reading::counter, scope_of(scoped->scope));
      }
    }
    return true;
  }

  bool open_power(const Probe& probe, bool superchip) {
    const auto instant = probe.find(kFieldPowerInstant);
    const auto average = probe.find(kFieldPowerAverage);
    if (instant) {
      add_field(*instant, Signal::power_instant, Reading::instant, scope_of(instant->scope));
    }
    if (average) {
      add_field(*average, Signal::power_average, Reading::average, scope_of(average->scope));
    }
    if (!instant && !average) {
      unsigned milliwatts = 0;
      const int code = api_->power_usage(handle_, &milliwatts);
      if (code_info(code).fault == Fault::gone) {
        return false;
      }
      if (call_answers(code)) {
        power_call_ = channels_.size();
        add_channel(Signal::power, Reading::draw, superchip ? Scope::module : Scope::gpu);
      }
    }
    return true;
  }

  void add_field(FieldChoice choice, Signal signal, Reading reading, Scope scope) {
    ask_[field_count_].field = choice.field;
    ask_[field_count_].scope = choice.scope;
    ask_[field_count_].code = kUnknown;  // unless the driver fills it in
    field_channel_[field_count_] = channels_.size();
    ++field_count_;
    add_channel(signal, reading, scope);
  }

  void add_channel(Signal signal, Reading reading, Scope scope) {
    const SensorDefaults sensor = sensor_defaults(reading, gpu_.kind(driver_major_));
    Channel channel;
    channel.device = device_;
    channel.signal = signal;
    channel.behaviour = signal == Signal::energy ? Behaviour::counter : Behaviour::gauge;
    channel.unit = signal == Signal::energy ? "J" : "W";
    channel.scope = scope;
    channel.meter = "nvml";
    const auto* found = calibration_ ? domain::sensor_of(*calibration_, signal) : nullptr;
    const domain::SensorCalibration calibrated =
        found != nullptr ? *found : domain::SensorCalibration{};
    set_known(sensor.update_period_s, calibrated.update_period_s, channel.update_period_s,
              channel.update_period_source);
    set_known(sensor.window_s, calibrated.averaging_window_s, channel.averaging_window_s,
              channel.averaging_window_source);
    channel.lag_s = sensor.lag_s;
    channel.gain_u_ratio = sensor.gain_u_ratio;
    channel.resolution = kMilli;
    channels_.push_back(std::move(channel));
  }

  std::shared_ptr<const Api> api_;  // shared by the meters of every device
  Device handle_;
  std::string device_;
  Gpu gpu_;
  int driver_major_;
  std::optional<domain::Calibration> calibration_;
  std::vector<Channel> channels_;
  std::array<FieldValue, kMaxFields> ask_{};
  std::array<std::size_t, kMaxFields> field_channel_{};
  std::size_t field_count_ = 0;
  std::optional<std::size_t> energy_call_;
  std::optional<std::size_t> power_call_;
  Health health_;
};

}  // namespace

Expected<std::unique_ptr<Meter>> open_fast_meter(
    std::shared_ptr<const Api> api, const Gpu& gpu, int driver_major,
    const std::optional<domain::Calibration>& calibration) {
  auto meter = std::make_unique<FastMeter>(std::move(api), gpu, driver_major, calibration);
  if (!meter->open()) {
    return failure(ErrorKind::meter, "the GPU " + gpu.id() + " does not answer",
                   std::string(code_info(kGpuIsLost).remedy), "gpu_lost");
  }
  return meter;
}

}  // namespace llem::meters::nvml
