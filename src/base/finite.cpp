#include "base/finite.hpp"

#include <cmath>
#include <cstddef>
#include <string_view>

#include <fmt/format.h>

namespace llem::base {

namespace {

/// The path of what lies at `rest` under `place`.
std::string below(std::string_view place, std::string_view rest) {
  return fmt::format("{}{}{}", place, rest.empty() || rest.front() == '[' ? "" : ".", rest);
}

}  // namespace

std::optional<std::string> find_not_finite(const Json& value) {
  if (value.is_array()) {
    for (std::size_t i = 0; i < value.items().size(); ++i) {
      if (const auto found = find_not_finite(value.items()[i])) {
        return below(fmt::format("[{}]", i), *found);
      }
    }
  } else if (value.is_object()) {
    for (const auto& [name, member] : value.members()) {
      if (const auto found = find_not_finite(member)) {
        return below(name, *found);
      }
    }
  } else if (value.is_number() && !std::isfinite(value.number())) {
    return "";
  }
  return std::nullopt;
}

}  // namespace llem::base
