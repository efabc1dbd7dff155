#pragma once

// Owns: the processor's energy counters (RAPL), through powercap files or through perf events.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "meters/opened.hpp"
#include "sys/fd.hpp"
#include "sys/file.hpp"

namespace llem::meters {

/// Prefers powercap when its files can be read, else perf events. `root` is the root of procfs and
/// sysfs.
Opened open_rapl(const MeterOptions& options, const sys::Path& root);

namespace rapl {

/// What a zone's name says: "package-1-die-0", "dram", "core", "uncore", "psys". `parent` is the
/// device of the zone it lies in, empty at the top.
struct ZoneIdentity {
  std::string device;  // "package-1-die-0", "dram-1-die-0", "psys"
  domain::Scope scope = domain::Scope::package;
};

std::optional<ZoneIdentity> identify_zone(std::string_view name, std::string_view parent);

/// "0,18", "0-3", "0-1,8": numbers in a kernel list; nothing when malformed.
std::optional<std::vector<int>> parse_cpu_list(std::string_view text);

/// "event=0x02" or "event=0x02,umask=0x01": the value of `event`.
std::optional<std::uint64_t> parse_event(std::string_view text);

/// One counter that stays open.
struct Counter {
  sys::Fd fd;
  domain::Channel channel;
  double scale = 1;     // from the file's or event's unit to joules
  bool binary = false;  // eight bytes (perf) instead of decimal text (powercap)
};

/// The counter's present value in joules.
std::optional<double> read_counter(const Counter& counter) noexcept;

/// What a route found, or why there is nothing.
struct Route {
  std::vector<Counter> counters;
  bool present = false;              // the kernel offers it
  bool denied = false;               // but not to this user
  std::string reason;                // why no counter could be opened
  std::vector<std::string> skipped;  // zones that exist and cannot be read
};

Route open_powercap(const sys::Path& root);
Route open_perf(const sys::Path& root);

/// A counter channel with what is known of RAPL: updates about every millisecond, gain by vendor
/// and domain.
domain::Channel make_channel(const ZoneIdentity& zone, std::string_view meter, bool amd);
bool is_amd(const sys::Path& root);

}  // namespace rapl
}  // namespace llem::meters
