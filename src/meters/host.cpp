#include "meters/host.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "sys/fd.hpp"
#include "sys/host.hpp"

namespace llem::meters {
namespace host {
namespace {

/// Takes the next number of `text`; nothing when there is none.
std::optional<std::uint64_t> take_number(std::string_view& text) noexcept {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) {
    return std::nullopt;
  }
  text.remove_prefix(begin);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

}  // namespace

std::optional<CpuTicks> parse_cpu_ticks(std::string_view stat) noexcept {
  constexpr std::string_view kKey = "cpu ";
  if (!stat.starts_with(kKey)) {
    return std::nullopt;
  }
  stat = stat.substr(kKey.size(), stat.find('\n') - kKey.size());
  std::array<std::uint64_t, 8> ticks{};  // user nice system idle iowait irq softirq steal
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    const auto number = take_number(stat);
    if (!number) {
      if (i < 4) {
        return std::nullopt;
      }
      break;  // kernels before 2.6.11 end earlier
    }
    ticks[i] = *number;
  }
  return CpuTicks{ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6], ticks[7]};
}

std::optional<std::uint64_t> find_number(std::string_view text, std::string_view key) noexcept {
  for (std::size_t at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
    if (at != 0 && text[at - 1] != '\n') {
      continue;
    }
    std::string_view rest = text.substr(at + key.size());
    if (!rest.empty() && rest.front() == ':') {
      rest.remove_prefix(1);
    }
    if (!rest.empty() && (rest.front() == ' ' || rest.front() == '\t')) {
      return take_number(rest);
    }
  }
  return std::nullopt;
}

std::optional<ProcessStat> parse_process_stat(std::string_view text) noexcept {
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos || name_end + 3 >= text.size()) {
    return std::nullopt;
  }
  text.remove_prefix(name_end + 3);  // ") S": the state, too, is not needed
  // Fields 4 to 24 of proc(5); negative ones (tpgid, priority, nice) are skipped with their sign.
  std::array<std::uint64_t, 25> fields{};
  for (std::size_t field = 4; field < fields.size(); ++field) {
    const std::size_t begin = text.find_first_not_of(" -");
    if (begin == std::string_view::npos) {
      return std::nullopt;
    }
    text.remove_prefix(begin);
    const auto number = take_number(text);
    if (!number) {
      return std::nullopt;
    }
    fields[field] = *number;
  }
  ProcessStat stat;
  stat.parent = static_cast<int>(fields[4]);
  stat.group = static_cast<int>(fields[5]);
  stat.own_ticks = fields[14] + fields[15];
  stat.children_ticks = fields[16] + fields[17];
  stat.resident_pages = fields[24];
  return stat;
}

MemoryGroup find_memory_group(const sys::Path& root) {
  const auto groups = sys::read_file(root / "proc/self/cgroup");
  if (!groups) {
    return {};
  }
  for (const std::string_view line : base::split(*groups, '\n')) {
    const auto fields = base::split(line, ':');
    if (fields.size() < 3) {
      continue;
    }
    const bool first_version = fields[1] == "memory";
    if (!first_version && !fields[1].empty()) {
      continue;
    }
    const sys::Path mount = root / (first_version ? "sys/fs/cgroup/memory" : "sys/fs/cgroup");
    const std::string_view path = line.substr(fields[0].size() + fields[1].size() + 2);
    // The limit may stand anywhere above. In a container the path can be the host's while the group
    // itself is mounted at the top, which the walk ends at.
    for (sys::Path below = sys::Path(path).relative_path();; below = below.parent_path()) {
      const sys::Path group = below.empty() ? mount : mount / below;
      const auto limit =
          sys::read_line(group / (first_version ? "memory.limit_in_bytes" : "memory.max"));
      const auto bytes = limit ? base::parse_number(*limit) : std::nullopt;
      // The first version's "no limit" is the largest multiple of a page.
      if (bytes && *bytes < 0x1p62) {
        return first_version
                   ? MemoryGroup{group / "memory.usage_in_bytes", group / "memory.stat",
                                 "total_inactive_file"}
                   : MemoryGroup{group / "memory.current", group / "memory.stat", "inactive_file"};
      }
      if (below.empty()) {
        break;
      }
    }
  }
  return {};
}

namespace {

/// A small virtual file that stays open and is read from its start each time, without allocating.
class OpenFile {
 public:
  explicit OpenFile(const sys::Path& path)
      : fd_(path.empty() ? -1 : ::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}

  explicit operator bool() const { return static_cast<bool>(fd_); }

  std::string_view read() noexcept {
    const ssize_t size = ::pread(fd_.get(), text_.data(), text_.size(), 0);
    return {text_.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
  }

 private:
  sys::Fd fd_;
  std::array<char, 8192> text_{};
};

domain::Channel make_channel(domain::Signal signal, domain::Behaviour behaviour,
                             std::string_view unit, double resolution) {
  domain::Channel channel;
  channel.device = "host";
  channel.signal = signal;
  channel.behaviour = behaviour;
  channel.unit = unit;
  channel.scope = domain::Scope::host;
  channel.meter = "host";
  channel.resolution = resolution;
  return channel;
}

class HostMeter final : public Meter {
 public:
  explicit HostMeter(const sys::Path& root)
      : tick_s_(1.0 / static_cast<double>(::sysconf(_SC_CLK_TCK))),
        stat_(root / "proc/stat"),
        group_(find_memory_group(root)),
        usage_(group_.usage),
        statistics_(group_.statistics),
        meminfo_(usage_ ? sys::Path() : root / "proc/meminfo") {
    using domain::Behaviour;
    using domain::Signal;
    if (const auto ticks = parse_cpu_ticks(stat_.read())) {
      channels_.push_back(make_channel(Signal::cpu_busy, Behaviour::counter, "s", tick_s_));
      channels_.push_back(make_channel(Signal::cpu_steal, Behaviour::counter, "s", tick_s_));
      has_cpu_ = true;
    }
    if (read_memory()) {
      channels_.push_back(make_channel(Signal::memory_used, Behaviour::gauge, "bytes", 4096));
      has_memory_ = true;
    }
  }

  std::span<const domain::Channel> channels() const override { return channels_; }

  /// The kernel formats all of /proc/stat for each read: up to a millisecond on a large machine.
  Seconds period(Seconds sampling_period) const override {
    return std::max(10 * sampling_period, Seconds(0.5));
  }

  std::int64_t failed_reads() const noexcept override { return failed_.count(); }

  void read(std::uint16_t first_channel, domain::SampleBlock& block) noexcept override {
    std::uint16_t channel = first_channel;
    if (has_cpu_) {
      const std::int64_t begin = now_ns();
      const auto ticks = parse_cpu_ticks(stat_.read());
      const std::int64_t end = now_ns();
      if (ticks) {
        block.push(channel, static_cast<double>(ticks->busy) * tick_s_, begin, end);
        block.push(static_cast<std::uint16_t>(channel + 1),
                   static_cast<double>(ticks->steal) * tick_s_, begin, end);
      } else {
        failed_.add(2);
      }
      channel = static_cast<std::uint16_t>(channel + 2);
    }
    if (has_memory_) {
      const std::int64_t begin = now_ns();
      const auto bytes = read_memory();
      const std::int64_t end = now_ns();
      if (bytes) {
        block.push(channel, *bytes, begin, end);
      } else {
        failed_.add();
      }
    }
  }

  bool in_group() const { return static_cast<bool>(usage_); }

 private:
  std::optional<double> read_memory() noexcept {
    if (usage_) {
      std::string_view text = usage_.read();
      const auto used = take_number(text);
      if (!used) {
        return std::nullopt;
      }
      const auto inactive = find_number(statistics_.read(), group_.inactive_key).value_or(0);
      return static_cast<double>(*used - std::min(*used, inactive));
    }
    const std::string_view text = meminfo_.read();
    const auto total = find_number(text, "MemTotal");
    const auto available = find_number(text, "MemAvailable");
    if (!total || !available || *available > *total) {
      return std::nullopt;
    }
    return static_cast<double>(*total - *available) * 1024;
  }

  double tick_s_;
  OpenFile stat_;
  MemoryGroup group_;
  OpenFile usage_;
  OpenFile statistics_;
  OpenFile meminfo_;
  bool has_cpu_ = false;
  bool has_memory_ = false;
  std::vector<domain::Channel> channels_;
  Tally failed_;
};

}  // namespace
}  // namespace host

Opened open_host(const MeterOptions& /*options*/, const sys::Path& root) {
  Opened opened;
  auto meter = std::make_unique<host::HostMeter>(root);
  const std::size_t channels = meter->channels().size();
  if (channels == 0) {
    opened.findings.push_back({"host", "missing",
                               fmt::format("cannot read `{}`", (root / "proc/stat").string()),
                               "CPU load and memory of the host are not recorded", "mount /proc"});
    return opened;
  }
  opened.findings.push_back(
      {"host", channels == 3 ? "ok" : "degraded",
       fmt::format("CPU time and {}", channels < 3        ? "no memory, or memory alone"
                                      : meter->in_group() ? "memory of the control group"
                                                          : "memory of the machine"),
       "CPU seconds in steps of a clock tick",
       channels == 3 ? "" : "mount /proc and /sys/fs/cgroup completely"});
  opened.meters.push_back(std::move(meter));
  return opened;
}

}  // namespace llem::meters
