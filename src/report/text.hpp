#pragma once

// Owns: results as text for a terminal. Three significant figures with the interval; estimates
// carry `~` and the word.

#include <string>

#include "domain/plan.hpp"
#include "domain/summary.hpp"

namespace llem::report {

struct TextOptions {
  int width = 100;
  bool colour = false;
};

/// The block a single configuration is shown by.
std::string configuration_text(const domain::ConfigurationResult& result,
                               const domain::Summary& summary, const TextOptions& options);
/// A study: one block for one configuration, a table for more; failures and flags below, with their
/// remedies.
std::string summary_text(const domain::Summary& summary, const TextOptions& options);

}  // namespace llem::report
