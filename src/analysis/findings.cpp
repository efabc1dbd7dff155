#include "analysis/findings.hpp"

#include <algorithm>

#include "domain/reason.hpp"

namespace llem::analysis {

namespace {

domain::Severity severity_of(std::string_view code) {
  const auto* reason = domain::find_reason(code);
  // A code of a newer recorder must not pass unseen.
  return reason != nullptr ? reason->severity : domain::Severity::warning;
}

}  // namespace

void Findings::add(std::string_view code, std::string_view evidence) {
  for (auto& known : codes_) {
    if (known.code == code) {
      if (!evidence.empty() && known.evidence.find(evidence) == std::string::npos) {
        known.evidence.append(known.evidence.empty() ? "" : "; ").append(evidence);
      }
      return;
    }
  }
  const auto* reason = domain::find_reason(code);
  domain::ValidityCode entry;
  entry.code = code;
  entry.severity = domain::words(domain::Severity{})[static_cast<std::size_t>(severity_of(code))];
  entry.evidence = evidence;
  entry.remedy = reason != nullptr ? reason->remedy : std::string_view{};
  codes_.push_back(std::move(entry));
}

bool Findings::has(std::string_view code) const {
  return std::any_of(codes_.begin(), codes_.end(), [&](const auto& c) { return c.code == code; });
}

domain::Validity Findings::verdict(bool completed) const {
  domain::Validity validity;
  validity.codes = codes_;
  for (const auto& entry : codes_) {
    const auto severity = severity_of(entry.code);
    if (severity == domain::Severity::invalid) {
      validity.state = domain::ValidityState::invalid;
    } else if (severity == domain::Severity::warning &&
               validity.state == domain::ValidityState::valid) {
      validity.state = domain::ValidityState::flagged;
    }
  }
  if (!completed) {
    validity.state = domain::ValidityState::invalid;
  }
  return validity;
}

}  // namespace llem::analysis
