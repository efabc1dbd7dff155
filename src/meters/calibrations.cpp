#include "meters/calibrations.hpp"

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "sys/host.hpp"

namespace llem::meters {

namespace {

Expected<domain::Calibration> read_calibration(const sys::Path& path) {
  LLEM_ASSIGN(const std::string text, sys::read_file(path));
  LLEM_ASSIGN(const base::Json json, base::parse_json(text));
  return base::read_json_struct<domain::Calibration>(json, path.string());
}

}  // namespace

sys::Path calibration_path(std::string_view device) {
  std::string name(device.substr(device.find(':') + 1));
  for (char& c : name) {
    c = c == '/' ? '_' : c;
  }
  return sys::cache_directory() / "sensors" / (name + ".json");
}

Expected<void> keep_calibration(const domain::Calibration& calibration) {
  const sys::Path path = calibration_path(calibration.device);
  LLEM_TRY(sys::make_directories(path.parent_path()));
  return sys::write_file_atomic(
      path, base::write_json(base::write_struct(calibration), base::JsonStyle::indented) + "\n");
}

std::optional<domain::Calibration> kept_calibration(std::string_view device,
                                                    std::string_view driver_version) {
  const sys::Path path = calibration_path(device);
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    return std::nullopt;
  }
  auto calibration = read_calibration(path);
  if (!calibration) {
    base::warn(fmt::format("{} is not used: {}", path.string(), calibration.error().message));
    return std::nullopt;
  }
  if (calibration->device != device || calibration->driver_version != driver_version) {
    base::warn(fmt::format("{} is not used: it was made with driver {}; run llem calibrate again",
                           path.string(), calibration->driver_version));
    return std::nullopt;
  }
  return *std::move(calibration);
}

}  // namespace llem::meters
