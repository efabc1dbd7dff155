#pragma once

// Owns: how the trials of one configuration lie about their value: variance by level of repetition,
// and which trials lie far from the others. Both are said beside the value and change no number.

#include <string_view>
#include <vector>

#include "domain/summary.hpp"

namespace llem::analysis {

/// Of energy per token and rate, where they are of two trials or more. `scope`: of the headline;
/// energies of other scopes take no part.
std::vector<domain::VarianceComponents> variance_of(
    const std::vector<const domain::TrialResult*>& used, std::string_view scope);

/// Five trials or more: |x - median| > 5 · 1.4826 · median absolute deviation.
std::vector<domain::Outlier> outliers_of(const std::vector<const domain::TrialResult*>& used,
                                         std::string_view scope);

/// Median and Hodges-Lehmann estimate beside the values of which a trial is an outlier.
void show_middle(domain::ConfigurationResult& configuration);

}  // namespace llem::analysis
