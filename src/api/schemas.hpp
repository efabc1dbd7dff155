#pragma once

// Owns: the JSON Schema of every document, made from the field tables. Private to this module.

#include <string>
#include <vector>

#include "base/error.hpp"

namespace llem::api {

std::vector<std::string> schema_names();
Expected<std::string> schema_text(const std::string& name);

}  // namespace llem::api
