#pragma once

// Owns: the table of docs/methodology/validation.md.

#include <string>

namespace llem::fidelity {

/// One line of the table. It must stand in the page as measured here; with $LLEM_FIDELITY_REPORT
/// the table of that file is written anew instead.
void report(const std::string& row, const std::string& target, const std::string& measured);

/// "0.083 %": two digits.
std::string percent(double ratio);

}  // namespace llem::fidelity
