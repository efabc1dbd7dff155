#pragma once

// Owns: many configurations as one table, sorted by energy per token; failures and flags below it.

#include <string>
#include <string_view>

#include "domain/summary.hpp"
#include "report/text.hpp"

namespace llem::report {

std::string study_table(const domain::Summary& summary, const TextOptions& options);
/// "code: meaning; remedy".
std::string flag_text(std::string_view code);
/// "cycle 2: engine_died: signal 9".
std::string failure_text(const domain::TrialRow& row);

}  // namespace llem::report
