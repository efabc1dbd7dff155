#include "domain/channel.hpp"

#include <array>

namespace llem::domain {

using base::field;

std::span<const std::string_view> words(Behaviour) {
  static constexpr std::array<std::string_view, 2> kWords{"counter", "gauge"};
  return kWords;
}

std::span<const std::string_view> words(Signal) {
  static constexpr std::array<std::string_view, 21> kWords{"energy",
                                                           "power_instant",
                                                           "power_average",
                                                           "power",
                                                           "temperature",
                                                           "memory_temperature",
                                                           "clock_sm",
                                                           "clock_memory",
                                                           "memory_used",
                                                           "utilisation",
                                                           "throttle_power",
                                                           "throttle_sw_thermal",
                                                           "throttle_hw_thermal",
                                                           "throttle_brake",
                                                           "event_reasons",
                                                           "power_limit",
                                                           "cpu_busy",
                                                           "cpu_steal",
                                                           "process_cpu",
                                                           "process_rss",
                                                           "process_switches"};
  return kWords;
}

std::span<const std::string_view> words(Scope) {
  static constexpr std::array<std::string_view, 10> kWords{
      "gpu", "module", "package", "dram", "core", "uncore", "psys", "node", "host", "process"};
  return kWords;
}

std::span<const std::string_view> words(Knowledge) {
  static constexpr std::array<std::string_view, 5> kWords{"table", "stated", "calibrated", "probed",
                                                          "readings"};
  return kWords;
}

const base::Table& Channel::table() {
  static constexpr std::array fields{
      field<&Channel::index>("index", "Number of the channel in traces.parquet"),
      field<&Channel::device>("device", "Device the signal belongs to"),
      field<&Channel::signal>("signal", "What is measured"),
      field<&Channel::behaviour>("behaviour", "counter: subtract; gauge: integrate or average"),
      field<&Channel::unit>("unit", "Unit of the values"),
      field<&Channel::scope>("scope", "What the reading covers"),
      field<&Channel::meter>("meter", "Which meter reads it"),
      field<&Channel::wraps_at>("wraps_at", "A counter starts again at 0 after this value"),
      field<&Channel::update_period_s>("update_period_s", "The sensor's update period",
                                       {.unit = "s"}),
      field<&Channel::update_period_source>("update_period_source",
                                            "How the update period is known before readings are"),
      field<&Channel::averaging_window_s>("averaging_window_s",
                                          "Time over which one reading is averaged", {.unit = "s"}),
      field<&Channel::averaging_window_source>("averaging_window_source",
                                               "How the averaging window is known"),
      field<&Channel::lag_s>("lag_s", "Time constant with which a reading follows the power",
                             {.unit = "s"}),
      field<&Channel::gain_u_ratio>("gain_u_ratio", "Standard uncertainty of the sensor's gain"),
      field<&Channel::resolution>("resolution", "Smallest step of the value")};
  static constexpr base::Table table{"channel", "One signal of one device", fields};
  return table;
}

}  // namespace llem::domain
