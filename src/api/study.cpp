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

}  // namespace api

namespace {

/// Files a study names are relative to the study file, not to wherever the program was started.
void resolve_relative(std::string& name, const sys::Path& folder) {
  if (name.find('/') == std::string::npos && name.find('.') == std::string::npos) {
    return;  // an alias
  }
  std::error_code ignored;
  const sys::Path beside = folder / name;
  if (sys::Path(name).is_relative() && std::filesystem::exists(beside, ignored)) {
    name = std::filesystem::weakly_canonical(beside, ignored).string();
  }
}

}  // namespace

Expected<Study> Study::load(const StudySource& source) {
  std::string text;
  if (!source.file.empty()) {
    std::error_code ignored;
    if (std::filesystem::is_directory(source.file, ignored)) {
      return failure(ErrorKind::config,
                     fmt::format("`{}` is a directory, not a study file", source.file),
                     "name a .yaml, .yml or .json file; `llem analyse` takes a run directory");
    }
    auto read = sys::read_file(source.file);
    if (!read) {
      read.error().kind = ErrorKind::config;
      return tl::unexpected(read.error());
    }
    text = *std::move(read);
  }
  std::vector<config::Override> overrides;
  for (const Setting& setting : source.settings) {
    overrides.push_back({setting.path, setting.value, setting.origin});
  }
  LLEM_ASSIGN(config::LoadedStudy loaded, config::load_study(text, source.file, overrides));
  if (!source.file.empty()) {
    const sys::Path folder = std::filesystem::absolute(source.file).parent_path();
    resolve_relative(loaded.config.model.name, folder);
    resolve_relative(loaded.config.workload.dataset.name, folder);
  }
  const sys::HostFacts host = sys::read_host_facts(sys::system_root());
  LLEM_ASSIGN(domain::StudyConfig resolved,
              config::resolve(loaded.config, {.usable_cpus = host.logical_cpus}));
  LLEM_TRY(engines::check_deployment(resolved.deploy));
  auto state = std::make_shared<State>();
  state->text = loaded.text;
  state->file_name =
      source.file.empty() ? "study.yaml" : sys::Path(source.file).filename().string();
  state->loaded = std::move(loaded);
  state->resolved = std::move(resolved);
  return Study(std::move(state));
}

const std::string& Study::name() const {
  return state_->resolved.name;
}

std::string Study::json() const {
  return base::write_json(base::write_struct(state_->resolved), base::JsonStyle::indented);
}

}  // namespace llem
