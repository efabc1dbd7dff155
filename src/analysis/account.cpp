#include <algorithm>
#include <string>

#include "analysis/parts.hpp"

namespace llem::analysis {

namespace {

using base::Json;

/// 8 and 8.0 are the same choice.
bool same(const Json& a, const Json& b) {
  return a.is_number() && b.is_number() ? a.number() == b.number() : a == b;
}

/// A choice left to the engine cannot differ from what the engine chose.
bool left_open(const Json& declared) {
  return declared.is_null() || (declared.is_string() && declared.string() == "auto");
}

void compare(const Json& declared, const Json& effective, const std::string& prefix,
             std::vector<domain::ConfigDifference>& differences) {
  for (const auto& [name, value] : declared.members()) {
    const std::string path = prefix.empty() ? name : prefix + "." + name;
    const Json* live = effective.find(name);
    if (live != nullptr && value.is_object() && live->is_object()) {
      compare(value, *live, path, differences);
    } else if (!left_open(value) && (live == nullptr || !same(value, *live))) {
      differences.push_back({path, value, live != nullptr ? *live : Json()});
    }
  }
}

}  // namespace

domain::ConfigAccount configuration_account(const domain::Recording& recording) {
  domain::ConfigAccount account;
  account.declared = recording.worker.declared;
  account.effective = recording.worker.effective;
  // An engine that never came up reports nothing: that is no difference.
  if (account.declared.is_object() && account.effective.is_object() &&
      !account.effective.members().empty()) {
    compare(account.declared, account.effective, "", account.differences);
  }
  return account;
}

std::optional<domain::WarmupSummary> warmup(const domain::Recording& recording) {
  const auto& record = recording.warmup;
  const domain::Phase* phase = recording.find_phase(domain::PhaseName::warmup);
  if (phase == nullptr) {
    return std::nullopt;
  }
  domain::WarmupSummary summary;
  if (record.blocks.empty()) {  // its time was up before the first pass had ended
    summary.seconds = seconds_between(phase->t_begin_ns, phase->t_end_ns);
    return summary;
  }
  summary.blocks = static_cast<std::int64_t>(record.blocks.size());
  for (const auto& block : record.blocks) {
    summary.tokens_discarded += block.tokens;
  }
  summary.seconds =
      seconds_between(record.blocks.front().t_begin_ns, record.blocks.back().t_end_ns);
  summary.steady = record.steady;
  summary.cv_ratio = record.cv_ratio;
  summary.slope_ratio = record.slope_ratio;
  return summary;
}

domain::Overhead overhead(const domain::Recording& recording) {
  const auto& sampler = recording.sampler;
  domain::Overhead overhead;
  overhead.requested_hz = sampler.requested_hz;
  overhead.achieved_hz = sampler.achieved_hz;
  overhead.missed_ticks = sampler.missed_ticks;
  overhead.lateness_p99_s = sampler.lateness_p99_s;
  overhead.cpu_s = sampler.cpu_s;
  overhead.core_share_ratio = sampler.duration_s > 0 ? sampler.cpu_s / sampler.duration_s : 0;
  return overhead;
}

}  // namespace llem::analysis
