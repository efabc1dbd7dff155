#include "domain/calibration.hpp"

#include <algorithm>
#include <array>

namespace llem::domain {

using base::field;

const base::Table& SensorCalibration::table() {
  using S = SensorCalibration;
  static constexpr std::array fields{
      field<&S::signal>("signal", "What is measured"),
      field<&S::update_period_s>("update_period_s", "The sensor's update period", {.unit = "s"}),
      field<&S::update_period_u_s>("update_period_u_s", "Its standard uncertainty", {.unit = "s"}),
      field<&S::averaging_window_s>("averaging_window_s", "Time over which one reading is averaged",
                                    {.unit = "s"}),
      field<&S::averaging_window_u_s>("averaging_window_u_s", "Its standard uncertainty",
                                      {.unit = "s"}),
      field<&S::delay_s>("delay_s", "From the end of what a reading averages to its publication",
                         {.unit = "s"}),
      field<&S::explained_ratio>("explained_ratio",
                                 "Share of the readings' variance that the load explains",
                                 {.unit = "1"}),
      field<&S::readings>("readings", "Distinct readings")};
  static constexpr base::Table table{"sensor_calibration", "One sensor of the device", fields};
  return table;
}

const base::Table& CounterCheck::table() {
  using C = CounterCheck;
  static constexpr std::array fields{
      field<&C::power>("power", "The power signal that was integrated"),
      field<&C::counter_j>("counter_j", "Energy by the counter", {.unit = "J"}),
      field<&C::integral_j>("integral_j", "Energy by integrated power", {.unit = "J"}),
      field<&C::ratio>("ratio", "Counter divided by integral", {.unit = "1"})};
  static constexpr base::Table table{"counter_check", "The energy counter against power", fields};
  return table;
}

const base::Table& Calibration::table() {
  using C = Calibration;
  static constexpr std::array fields{
      field<&C::schema>("schema", "Name of the document's schema", {.required = true}),
      field<&C::schema_version>("schema_version", "Version of that schema", {.required = true}),
      field<&C::device>("device", "Device whose sensors these are", {.required = true}),
      field<&C::name>("name", "Model of the device"),
      field<&C::driver_version>("driver_version", "Driver it was made with", {.required = true}),
      field<&C::tool_version>("tool_version", "Version of llem"),
      field<&C::made_utc>("made_utc", "When it was made"),
      field<&C::duration_s>("duration_s", "How long it took", {.unit = "s"}),
      field<&C::sample_hz>("sample_hz", "Polls a second", {.unit = "Hz"}),
      field<&C::sensors>("sensors", "The sensors"),
      field<&C::counter>("counter", "The energy counter against power")};
  static constexpr base::Table table{"calibration", "The sensors of one device, as measured",
                                     fields};
  return table;
}

const SensorCalibration* sensor_of(const Calibration& calibration, Signal signal) {
  const auto it = std::find_if(calibration.sensors.begin(), calibration.sensors.end(),
                               [&](const SensorCalibration& s) { return s.signal == signal; });
  return it != calibration.sensors.end() ? &*it : nullptr;
}

}  // namespace llem::domain
