#pragma once

// Owns: what a result needs that only its reader knows: grid, price, peaks of devices. No part of a
// recording: a new analysis applies those of the moment.

#include <optional>
#include <string>
#include <vector>

#include "base/field.hpp"

namespace llem::domain {

/// What a device can do at most, as the user says.
struct DevicePeak {
  std::string device;               // a GPU's name as its driver gives it; cpu: runs without a GPU
  std::optional<std::string> type;  // of the weights it holds for; absent: any
  double flops_per_s = 0;
  double bytes_per_s = 0;
  std::string source;
  static const base::Table& table();
};

/// What energy emits and costs, and what devices can do, as the user says; nothing is assumed for
/// the first two.
struct UserFactors {
  std::optional<double> g_per_kwh;    // CO2 equivalent of a kilowatt-hour
  std::optional<std::string> source;  // of that number
  std::optional<double> pue_ratio;    // energy of the facility over that of its machines
  std::optional<double> price_per_kwh;
  std::optional<std::string> currency;
  std::vector<DevicePeak> peaks;  // before those of the program's own table
};

}  // namespace llem::domain
