#include "meters/nvml_sensor.hpp"

#include <algorithm>
#include <array>

namespace llem::meters::nvml {
namespace {

struct Period {
  double update_s = 0;  // 0: not known
  double window_s = 0;
  double lag_s = 0;
};

struct Row {
  unsigned architecture;
  std::string_view name;
  int compute_minor;  // -1: any
  bool counter;       // has a hardware energy counter
  Period instant;
  Period average;
  Period draw;
  double gain_u_ratio;
};

constexpr Period kUnknown{};
constexpr Period kBoxcar{0.1, 0.1};     // mean over all of its update period
constexpr Period kMoving{0.1, 1.0};     // moving average of a second
constexpr Period kQuarter{0.1, 0.025};  // sees a quarter of the time
constexpr Period kA100{0.101, 0.025};
constexpr Period kFast{0.02, 0.01};
constexpr Period kLag{0.1, 0};  // first-order lag of unknown length, no window
// 0.84 s on K20c, K20m and K20X: Burtscher, Zecena and Zong, "Measuring GPU Power with the K20
// Built-in Sensor" (GPGPU-7, 2014).
constexpr Period kKepler{0.1, 0, 0.84};

// Update periods, windows and gain errors measured over 17 cards by Yang, Adamek and Armour,
// "Part-time Power Measurements: nvidia-smi's Lack of Attention" (SC'24, arXiv 2312.02741). Windows
// differ between boards of one architecture (A100: 17.6 to 25.6 ms); Blackwell has no public
// characterisation. The first row that fits counts.
constexpr std::array kRows{
    Row{2, "kepler", -1, false, kKepler, kUnknown, kKepler, 0.05},
    Row{3, "maxwell", -1, false, kLag, kUnknown, kLag, 0.05},
    Row{4, "pascal", -1, false, kFast, kUnknown, kFast, 0.04},
    Row{5, "volta", -1, true, kFast, kUnknown, kFast, 0.04},
    Row{6, "turing", -1, true, kBoxcar, kUnknown, kBoxcar, 0.04},
    Row{7, "ampere", 0, true, kA100, kUnknown, kA100, 0.04},
    Row{7, "ampere", -1, true, kBoxcar, kMoving, kMoving, 0.04},
    Row{8, "ada", -1, true, kBoxcar, kMoving, kMoving, 0.04},
    Row{9, "hopper", -1, true, kQuarter, kMoving, kMoving, 0.04},
    Row{10, "blackwell", -1, true, kUnknown, kUnknown, kUnknown, 0.05},
    Row{13, "rubin", -1, true, kUnknown, kUnknown, kUnknown, 0.05},
};

std::optional<double> known(double value) {
  return value > 0 ? std::optional(value) : std::nullopt;
}

Period period_of(const Row& row, Reading reading, const GpuKind& gpu) {
  switch (reading) {
    case Reading::counter:
      // Update intervals of 10 to 100 ms have been seen; the longest is the safe assumption until a
      // probe says better.
      return row.counter && row.instant.update_s > 0 ? Period{0.1, 0} : kUnknown;
    case Reading::instant:
      // The one board of the study whose window differs from its architecture's.
      return gpu.name.find("Quadro RTX 8000") != std::string_view::npos ? Period{0.1, 0.02}
                                                                        : row.instant;
    case Reading::average:
      return row.average;
    case Reading::draw:
      // Driver 530 alone reported the instant value under the old name.
      return gpu.driver_major == 530 ? row.instant : row.draw;
  }
  return kUnknown;
}

}  // namespace

std::string_view architecture_name(unsigned architecture) {
  const auto* row = std::ranges::find(kRows, architecture, &Row::architecture);
  return row != kRows.end() ? row->name : "unknown";
}

SensorDefaults sensor_defaults(Reading reading, const GpuKind& gpu) {
  const auto* row = std::ranges::find_if(kRows, [&](const Row& candidate) {
    return candidate.architecture == gpu.architecture &&
           (candidate.compute_minor < 0 || candidate.compute_minor == gpu.compute_minor);
  });
  if (row == kRows.end()) {
    return {};
  }
  const Period period = period_of(*row, reading, gpu);
  return {known(period.update_s), known(period.window_s), known(period.lag_s), row->gain_u_ratio};
}

}  // namespace llem::meters::nvml
