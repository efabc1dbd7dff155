#include "meters/rapl.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "sys/host.hpp"

namespace llem::meters {
namespace rapl {

std::optional<ZoneIdentity> identify_zone(std::string_view name, std::string_view parent) {
  using domain::Scope;
  if (name.starts_with("package-")) {
    return ZoneIdentity{std::string(name), Scope::package};
  }

  struct Part {
    std::string_view name;
    Scope scope;
  };

  constexpr std::array kParts{Part{"dram", Scope::dram}, Part{"core", Scope::core},
                              Part{"uncore", Scope::uncore}, Part{"psys", Scope::psys}};
  for (const Part& part : kParts) {
    if (name == part.name) {
      constexpr std::string_view kPackage = "package";
      const std::string_view place = parent.starts_with(kPackage) && part.scope != Scope::psys
                                         ? parent.substr(kPackage.size())
                                         : std::string_view();
      return ZoneIdentity{fmt::format("{}{}", name, place), part.scope};
    }
  }
  return std::nullopt;
}

std::optional<std::vector<int>> parse_cpu_list(std::string_view text) {
  std::vector<int> cpus;
  if (base::trim(text).empty()) {
    return cpus;
  }
  constexpr std::int64_t kMost = 1 << 20;
  for (const std::string_view part : base::split(base::trim(text), ',')) {
    const auto ends = base::split(part, '-');
    const auto first = base::parse_integer(ends.front());
    const auto last = base::parse_integer(ends.back());
    if (ends.size() > 2 || !first || !last || *first < 0 || *last < *first || *last >= kMost) {
      return std::nullopt;
    }
    for (std::int64_t cpu = *first; cpu <= *last; ++cpu) {
      cpus.push_back(static_cast<int>(cpu));
    }
  }
  return cpus;
}

std::optional<std::uint64_t> parse_event(std::string_view text) {
  for (const std::string_view term : base::split(base::trim(text), ',')) {
    constexpr std::string_view kKey = "event=0x";
    if (!term.starts_with(kKey)) {
      continue;
    }
    const std::string_view digits = term.substr(kKey.size());
    std::uint64_t value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (error == std::errc() && end == digits.data() + digits.size() && !digits.empty()) {
      return value;
    }
  }
  return std::nullopt;
}

std::optional<double> read_counter(const Counter& counter) noexcept {
  if (counter.binary) {
    std::uint64_t value = 0;
    return ::read(counter.fd.get(), &value, sizeof value) == sizeof value
               ? std::optional(static_cast<double>(value) * counter.scale)
               : std::nullopt;
  }
  std::array<char, 32> text{};
  const ssize_t size = ::pread(counter.fd.get(), text.data(), text.size(), 0);
  std::uint64_t value = 0;
  if (size <= 0 || std::from_chars(text.data(), text.data() + size, value).ec != std::errc()) {
    return std::nullopt;
  }
  return static_cast<double>(value) * counter.scale;
}

domain::Channel make_channel(const ZoneIdentity& zone, std::string_view meter, bool amd) {
  domain::Channel channel;
  channel.device = zone.device;
  channel.signal = domain::Signal::energy;
  channel.behaviour = domain::Behaviour::counter;
  channel.unit = "J";
  channel.scope = zone.scope;
  channel.meter = meter;
  // Intel SDM vol. 3B 16.10.1: the counters advance about every millisecond.
  channel.update_period_s = 1e-3;
  channel.update_period_source = domain::Knowledge::stated;
  // No vendor states an error. Package energy follows a wall meter closely from Haswell on (Khan et
  // al. 2018); AMD's counters are modelled and miss operand and memory power (Schoene et al. 2021,
  // arXiv 2108.00808); memory is the worst domain (Desrochers et al. 2016).
  channel.gain_u_ratio = amd || zone.scope == domain::Scope::dram ? 0.05 : 0.03;
  return channel;
}

bool is_amd(const sys::Path& root) {
  const auto text = sys::read_file(root / "proc/cpuinfo");
  return text && (text->find("AuthenticAMD") != std::string::npos ||
                  text->find("HygonGenuine") != std::string::npos);
}

namespace {

class RaplMeter final : public Meter {
 public:
  explicit RaplMeter(std::vector<Counter> counters) : counters_(std::move(counters)) {
    for (const Counter& counter : counters_) {
      channels_.push_back(counter.channel);
    }
  }

  std::span<const domain::Channel> channels() const override { return channels_; }

  Seconds period(Seconds sampling_period) const override { return sampling_period; }

  std::int64_t failed_reads() const noexcept override { return failed_.count(); }

  void read(std::uint16_t first_channel, domain::SampleBlock& block) noexcept override {
    std::uint16_t channel = first_channel;
    for (const Counter& counter : counters_) {
      const std::int64_t begin = now_ns();
      const auto joules = read_counter(counter);
      const std::int64_t end = now_ns();
      if (joules) {
        block.push(channel, *joules, begin, end);
      } else {
        failed_.add();
      }
      ++channel;
    }
  }

 private:
  std::vector<Counter> counters_;
  std::vector<domain::Channel> channels_;
  Tally failed_;
};

/// A machine whose counters are emulated reads zero for ever. A counter that has left zero counts;
/// so does one that moves within 50 ms.
bool advances(const std::vector<Counter>& counters) {
  for (int attempt = 0; attempt <= 50; ++attempt) {
    for (const Counter& counter : counters) {
      if (read_counter(counter).value_or(0) > 0) {
        return true;
      }
    }
    const timespec millisecond{0, 1'000'000};
    ::nanosleep(&millisecond, nullptr);
  }
  return false;
}

constexpr std::string_view kGrant =
    "let the program read the counters: `sudo setcap cap_perfmon=ep $(command -v llem)` (perf "
    "events), or a udev rule "
    "that gives the powercap files to a group: SUBSYSTEM==\"powercap\", ACTION==\"add\", "
    "RUN+=\"/bin/chgrp -R power "
    "/sys%p\", RUN+=\"/bin/chmod -R g+r /sys%p\"";

constexpr std::string_view kWithout =
    "without it the energy of the CPU is estimated from its load, within about ±50 %";

MeterFinding finding(std::string state, std::string detail, std::string accuracy, std::string fix) {
  return {"rapl", std::move(state), std::move(detail), std::move(accuracy), std::move(fix)};
}

MeterFinding missing(const Route& powercap, const Route& perf) {
  if (powercap.denied || perf.denied) {
    return finding("missing", powercap.denied ? powercap.reason : perf.reason,
                   std::string(kWithout), std::string(kGrant));
  }
  const std::string between = powercap.reason.empty() || perf.reason.empty() ? "" : "; ";
  return finding("missing", powercap.reason + between + perf.reason, std::string(kWithout),
                 "measure on bare metal (most virtual machines hide the counters; Docker masks "
                 "/sys/devices/virtual/powercap: mount it into the container), and load the kernel "
                 "module: `modprobe "
                 "intel_rapl_msr`");
}

std::string names_of(const std::vector<Counter>& counters) {
  std::vector<std::string> names;
  for (const Counter& counter : counters) {
    names.push_back(counter.channel.device);
  }
  return base::join(names, ", ");
}

}  // namespace
}  // namespace rapl

Opened open_rapl(const MeterOptions& /*options*/, const sys::Path& root) {
  Opened opened;
  rapl::Route powercap = rapl::open_powercap(root);
  rapl::Route perf;
  rapl::Route* route = &powercap;
  if (powercap.counters.empty()) {
    perf = rapl::open_perf(root);
    route = &perf;
  }
  if (route->counters.empty()) {
    opened.findings.push_back(rapl::missing(powercap, perf));
    return opened;
  }
  if (!rapl::advances(route->counters)) {
    rapl::Route still;
    still.reason = "the energy counters stay at zero, as in a virtual machine";
    opened.findings.push_back(rapl::missing(still, {}));
    return opened;
  }
  const bool complete = route->skipped.empty();
  opened.findings.push_back(
      rapl::finding(complete ? "ok" : "degraded",
                    fmt::format("{} through {}", rapl::names_of(route->counters),
                                route == &perf ? "perf events" : "powercap"),
                    "energy counters, about every 1 ms; systematic ±6 % (k = 2) for packages, ±10 "
                    "% for memory and AMD",
                    complete ? "" : std::string(rapl::kGrant)));
  if (!complete) {
    opened.findings.back().detail += "; not readable: " + base::join(route->skipped, ", ");
  }
  const std::string cpu = sys::read_host_facts(root).cpu_model;
  for (const rapl::Counter& counter : route->counters) {
    if (counter.channel.scope == domain::Scope::package) {
      opened.devices.push_back({counter.channel.device, cpu, "cpu", true,
                                base::Json::object({{"meter", counter.channel.meter}})});
    }
  }
  opened.measures_energy = true;
  opened.meters.push_back(std::make_unique<rapl::RaplMeter>(std::move(route->counters)));
  return opened;
}

}  // namespace llem::meters
