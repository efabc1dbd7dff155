#pragma once

// Owns: a number with what is known of its error.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/field.hpp"

namespace llem::domain {

enum class Provenance { measured, derived, estimated };
std::span<const std::string_view> words(Provenance);

/// A number with its standard uncertainties (k = 1), random and systematic apart.
struct Value {
  double value = 0;
  std::optional<double> u_random;
  std::optional<double> u_systematic;
  std::optional<std::string> method;
  Provenance source = Provenance::derived;
  static const base::Table& table();
};

struct IntervalValue {
  double low = 0;
  double high = 0;
  double level = 0.95;
  std::string method;
  std::int64_t n = 0;
  static const base::Table& table();
};

}  // namespace llem::domain
