#pragma once

// Owns: the reason codes collected while a result is made, each once, with the numbers that led to
// it.

#include <string>
#include <string_view>
#include <vector>

#include "domain/result.hpp"

namespace llem::analysis {

class Findings {
 public:
  /// A code that is already there gets the further evidence appended.
  void add(std::string_view code, std::string_view evidence);
  bool has(std::string_view code) const;
  /// Invalid when a code is, or when the trial did not complete; flagged when a code warns.
  domain::Validity verdict(bool completed) const;

 private:
  std::vector<domain::ValidityCode> codes_;
};

}  // namespace llem::analysis
