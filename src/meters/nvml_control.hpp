#pragma once

// Owns: what can be set of a GPU: its power limit and its locked clocks. Setting needs the rights
// of root. Does not know: who puts it back when this program dies (guard_messages.hpp).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "meters/guard_messages.hpp"
#include "meters/nvml_device.hpp"

namespace llem::meters::nvml {

/// What a GPU is told. Absent: untouched.
struct Setting {
  std::optional<double> power_limit_w;
  std::optional<std::int64_t> sm_mhz;
  std::optional<std::int64_t> memory_mhz;

  bool any() const { return power_limit_w || sm_mhz || memory_mhz; }
};

struct Range {
  unsigned low = 0;
  unsigned high = 0;
};

/// What a GPU can be told. Absent or empty: the driver does not say.
struct Allowed {
  std::optional<Range> power_mw;
  std::optional<Range> sm_mhz;
  std::vector<unsigned> memory_mhz;
};

Allowed read_allowed(const Api& api, const Gpu& gpu);

/// Refuses what lies outside `allowed`, naming the range and the place in the study. Pure.
Expected<void> check_setting(const Setting& setting, const Allowed& allowed,
                             const std::string& gpu);

/// Sets the limit there is once more: that changes nothing and needs the right that setting
/// `power_limit_w` will need.
Expected<void> check_permission(const Api& api, const Gpu& gpu, double power_limit_w);

/// Sets power limit, then SM clock, then memory clock. After an error those before it are set:
/// `changed` says whether any is.
Expected<void> apply_setting(const Api& api, const Gpu& gpu, const Setting& setting, bool& changed);

/// What put_back() needs. NVML does not tell which clocks were locked before.
Expected<OriginalState> read_original(const Api& api, const Gpu& gpu, bool power_limit,
                                      bool sm_clock, bool memory_clock);

/// Sets the power limit back and reads it again; unlocks the clocks. Doing it twice does no harm.
/// Everything is tried; the error is the first.
Expected<void> put_back(const Api& api, const Gpu& gpu, const OriginalState& original);

/// Limits as they are now, in the keys of read_facts().
void refresh_limits(const Api& api, const Gpu& gpu, base::Json& facts);

}  // namespace llem::meters::nvml
