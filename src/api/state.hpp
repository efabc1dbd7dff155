#pragma once

// Owns: what the public handle hides. Private to this module.

#include <llem/study.hpp>

#include "config/config.hpp"
#include "domain/result.hpp"
#include "domain/user_factors.hpp"

namespace llem {

struct Study::State {
  std::string name;
  config::LoadedStudy loaded;
  config::Space space;
  std::string text;  // study.yaml of the run directory
  std::string file_name;
};

namespace api {

/// The user's configuration file, if there is one, with the environment over it.
Expected<config::UserConfig> user_config();
std::string user_config_path();

/// What energy emits and costs, as the user's configuration says.
Expected<domain::UserFactors> user_factors();

}  // namespace api
}  // namespace llem
