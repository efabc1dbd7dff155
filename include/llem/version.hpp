#pragma once

#include <string_view>

#include <llem/export.hpp>

namespace llem {

/// "0.1.0"
LLEM_API std::string_view version();

}  // namespace llem
