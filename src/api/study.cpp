#include <algorithm>

#include <fmt/format.h>
#include <llem/study.hpp>
#include <llem/version.hpp>

#include "api/state.hpp"
#include "assets/assets.hpp"
#include "base/field_io.hpp"
#include "engines/catalogue.hpp"
#include "sys/file.hpp"
#include "sys/host.hpp"

namespace llem {

std::string_view version() {
  return LLEM_VERSION;
}

namespace api {

std::string user_config_path() {
  return sys::environment("LLEM_CONFIG")
      .value_or((sys::config_directory() / "config.yaml").string());
}

Expected<config::UserConfig> user_config() {
  const std::string path = user_config_path();
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    if (sys::environment("LLEM_CONFIG")) {
      return failure(ErrorKind::config, fmt::format("`{}` is not there", path),
                     "correct LLEM_CONFIG, or unset it");
    }
    return config::UserConfig{};
  }
  LLEM_ASSIGN(const std::string text, sys::read_file(path));
  return config::load_user_config(text, path);
}

Expected<domain::UserFactors> user_factors() {
  LLEM_ASSIGN(const config::UserConfig user, user_config());
  domain::UserFactors factors;
  if (user.carbon) {
    factors.g_per_kwh = user.carbon->g_per_kwh;
    factors.source = user.carbon->source;
  }
  factors.pue_ratio = user.pue;
  factors.price_per_kwh = user.price_per_kwh;
  factors.currency = user.currency;
  factors.peaks = user.peaks;
  return factors;
}

}  // namespace api

namespace {

/// Files a study names are sought beside the study file first, then (models) in the user's model
/// folders; what is found nowhere stays as it was written.
void resolve_relative(std::string& name, const std::vector<sys::Path>& folders) {
  if (!sys::Path(name).is_relative()) {
    return;
  }
  for (const sys::Path& folder : folders) {
    std::error_code ignored;
    if (std::filesystem::is_regular_file(folder / name, ignored)) {
      name = std::filesystem::weakly_canonical(folder / name, ignored).string();
      return;
    }
  }
}

Expected<config::BaseFile> read_base(const std::string& name, const std::string& from) {
  sys::Path path(name);
  if (path.is_relative()) {
    path = sys::Path(from).parent_path() / path;
  }
  auto text = sys::read_file(path);
  if (!text) {
    text.error().kind = ErrorKind::config;
    return tl::unexpected(std::move(text).error());
  }
  return config::BaseFile{*std::move(text), path.lexically_normal().string()};
}

/// The text of the file; empty where there is none.
Expected<std::string> read_text(const StudySource& source) {
  if (source.file.empty()) {
    return std::string();
  }
  std::error_code ignored;
  if (std::filesystem::is_directory(source.file, ignored)) {
    return failure(ErrorKind::config,
                   fmt::format("`{}` is a directory, not a study file", source.file),
                   "name a .yaml, .yml or .json file; `llem analyse` takes a run directory");
  }
  auto read = sys::read_file(source.file);
  if (!read) {
    read.error().kind = ErrorKind::config;
  }
  return read;
}

std::vector<config::Override> overrides_of(const StudySource& source) {
  std::vector<config::Override> overrides;
  for (const Setting& setting : source.settings) {
    overrides.push_back({setting.path, setting.value, setting.origin});
  }
  return overrides;
}

config::DefaultInputs default_inputs() {
  const sys::HostFacts host = sys::read_host_facts(sys::system_root());
  return {.usable_cpus = host.logical_cpus};
}

}  // namespace

Expected<Study> Study::load(const StudySource& source) {
  LLEM_ASSIGN(const std::string text, read_text(source));
  LLEM_ASSIGN(config::LoadedStudy loaded,
              config::load_study(text, source.file, overrides_of(source), read_base));
  LLEM_ASSIGN(const config::UserConfig user, api::user_config());
  LLEM_ASSIGN(config::Space space,
              config::expand(loaded, default_inputs(), engines::check_deployment));
  std::vector<sys::Path> folders;
  if (!source.file.empty()) {
    folders.push_back(std::filesystem::absolute(source.file).parent_path());
  }
  std::vector<sys::Path> model_folders = folders;
  model_folders.insert(model_folders.end(), user.model_dirs.begin(), user.model_dirs.end());
  for (config::Point& point : space.points) {
    resolve_relative(point.config.workload.dataset.name, folders);
    resolve_relative(point.config.model.name, model_folders);
  }
  auto state = std::make_shared<State>();
  state->name = space.points.front().config.name;
  state->text = loaded.text;
  state->file_name =
      source.file.empty() ? "study.yaml" : sys::Path(source.file).filename().string();
  state->loaded = std::move(loaded);
  state->space = std::move(space);
  return Study(std::move(state));
}

const std::string& Study::name() const {
  return state_->name;
}

std::size_t Study::points() const {
  return state_->space.points.size();
}

const std::vector<std::string>& Study::notes() const {
  return state_->loaded.notes;
}

std::string Study::json() const {
  base::Json points = base::Json::array();
  for (const config::Point& point : state_->space.points) {
    points.push_back(base::write_struct(point.config));
  }
  return base::write_json(
      base::Json::object({{"name", state_->name}, {"points", std::move(points)}}),
      base::JsonStyle::indented);
}

Expected<Conversion> convert(const StudySource& source) {
  LLEM_ASSIGN(const std::string text, read_text(source));
  const std::vector<config::Override> overrides = overrides_of(source);
  LLEM_ASSIGN(config::ConvertedStudy converted,
              config::convert_study(text, source.file, overrides, read_base));
  if (converted.runs_here) {
    LLEM_ASSIGN(const config::LoadedStudy loaded,
                config::load_study(text, source.file, overrides, read_base));
    if (loaded.missing.empty()) {
      LLEM_TRY(config::expand(loaded, default_inputs(), engines::check_deployment));
    }
  }
  Conversion out;
  base::Json notes = base::Json::array();
  for (const std::string& note : converted.notes) {
    out.yaml += fmt::format("# {}\n", note);
    notes.push_back(note);
  }
  out.yaml += converted.yaml;
  out.json = base::write_json(base::Json::object({{"yaml", out.yaml}, {"notes", std::move(notes)}}),
                              base::JsonStyle::indented);
  out.notes = std::move(converted.notes);
  return out;
}

}  // namespace llem
