#pragma once

// Owns: the closed set of reason codes, each with severity, meaning and remedy, written once.

#include <optional>
#include <span>
#include <string_view>

namespace llem::domain {

enum class Severity { info, warning, invalid };
std::span<const std::string_view> words(Severity);

struct Reason {
  std::string_view code;
  Severity severity;  // warning flags a result, invalid rejects it; info does neither
  std::string_view meaning;
  std::string_view remedy;
};

std::span<const Reason> reasons();
/// Null for a code that is not in the set.
const Reason* find_reason(std::string_view code);

}  // namespace llem::domain
