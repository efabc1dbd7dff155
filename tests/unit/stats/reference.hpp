#pragma once

// The values of tests/data/stats_reference.json, which SciPy computed.

#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/json.hpp"

namespace llem::stats {

inline const base::Json& reference(std::string_view section) {
  static const base::Json document = [] {
    std::ifstream file(LLEM_TEST_DATA "/stats_reference.json");
    std::stringstream text;
    text << file.rdbuf();
    auto parsed = base::parse_json(text.str());
    LLEM_ASSERT(parsed.has_value(), "the reference is part of the tests");
    return *std::move(parsed);
  }();
  const base::Json* found = document.find(section);
  LLEM_ASSERT(found != nullptr, "the reference has this section");
  return *found;
}

inline std::vector<double> numbers(const base::Json& list) {
  std::vector<double> values;
  for (const base::Json& item : list.items()) {
    values.push_back(item.number());
  }
  return values;
}

inline std::vector<double> numbers(const base::Json& object, std::string_view key) {
  return numbers(*object.find(key));
}

}  // namespace llem::stats
