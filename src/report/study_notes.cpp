#include "report/study_notes.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/text.hpp"
#include "report/format.hpp"

namespace llem::report {

namespace {

constexpr std::size_t kSkippedShown = 10;
constexpr std::size_t kPrecisionShown = 10;

class Notes {
 public:
  explicit Notes(std::size_t width) : width_(width) {}

  void add(std::string_view label, const std::string& entry) {
    bool first = true;
    for (const std::string& line : wrapped(entry, width_ - kIndent)) {
      text_ += fmt::format("  {:<{}}{}\n", first ? label : "", kIndent - 2, line);
      first = false;
    }
  }

  std::string take() { return std::move(text_); }

 private:
  static constexpr std::size_t kIndent = 16;
  std::size_t width_;
  std::string text_;
};

std::string drift_words(const domain::Drift& drift) {
  const std::string quantity =
      drift.metric == "output_tokens_per_s" ? "output tokens/s" : "J/output token";
  const bool shown = drift.interval && drift.interval->low * drift.interval->high > 0;
  std::string text = fmt::format("{} of the repeated reference{} {:+.2f} % an hour", quantity,
                                 shown ? " changed by" : ": no drift shown, slope",
                                 100 * drift.relative_slope_per_hour);
  if (!drift.interval) {
    text += ", too few trials for an interval";
  } else {
    text +=
        fmt::format(" ({:+.2f} to {:+.2f})", 100 * drift.interval->low, 100 * drift.interval->high);
  }
  return text + fmt::format(", {} trials, range {:.2f} %", drift.n, 100 * drift.range_ratio);
}

std::string verdict_words(const domain::PrecisionSummary& p) {
  using enum domain::BlockVerdict;
  switch (p.verdict) {
    case go_on:
      return p.blocks == 0 ? "not decided: no cycle is whole"
                           : fmt::format("not decided after {}", plural(p.blocks, "cycle"));
    case reached: {
      const auto by =
          std::ranges::count(p.configurations, true, &domain::ConfigurationPrecision::reached);
      const std::size_t all = p.configurations.size();
      return fmt::format("reached after {}{}", plural(p.blocks, "cycle"),
                         static_cast<std::size_t>(by) == all
                             ? ""
                             : fmt::format(" by {} of {} configurations", by, all));
    }
    case budget_used:
      return fmt::format("NOT reached: {} are used up after {}",
                         base::format_duration(p.budget_s.value_or(0)), plural(p.blocks, "cycle"));
    case maximum_used:
      break;
  }
  return fmt::format("NOT reached after {}, the most allowed", plural(p.blocks, "cycle"));
}

std::string known_words(const domain::ConfigurationPrecision& c) {
  if (c.n == 0) {
    return "no value";
  }
  const std::string over = plural(c.n, "cycle");
  return c.half_width_ratio
             ? fmt::format("±{} % over {}{}", base::significant(100 * *c.half_width_ratio, 3), over,
                           c.reached ? "" : ", short of it")
             : fmt::format("no interval over {}", over);
}

std::string name_of(const domain::Summary& summary, const std::string& hash) {
  for (const domain::ConfigurationResult& c : summary.configurations) {
    if (c.config_hash == hash && !c.label.empty()) {
      return c.label + ": ";
    }
  }
  return "";
}

void add_precision(Notes& notes, const domain::Summary& summary) {
  const domain::PrecisionSummary& p = *summary.precision;
  notes.add("precision", fmt::format("{}; asked for: ±{} % of {}, {} to {} cycles",
                                     verdict_words(p), base::shortest(100 * p.target_ratio),
                                     words(p.metric)[static_cast<std::size_t>(p.metric)],
                                     p.min_cycles, p.max_cycles));
  std::vector<domain::ConfigurationPrecision> widest = p.configurations;
  std::ranges::stable_sort(widest, std::greater<>(), [](const auto& c) {
    return std::pair(!c.reached,
                     c.half_width_ratio.value_or(std::numeric_limits<double>::infinity()));
  });
  for (std::size_t i = 0; i < std::min(widest.size(), kPrecisionShown); ++i) {
    notes.add("", name_of(summary, widest[i].config_hash) + known_words(widest[i]));
  }
  if (widest.size() > kPrecisionShown) {
    notes.add("", fmt::format("and {} that are known better, in summary.json",
                              widest.size() - kPrecisionShown));
  }
}

}  // namespace

std::string study_notes(const domain::Summary& summary, const TextOptions& options) {
  Notes notes(static_cast<std::size_t>(std::clamp(options.width, 60, 100)));
  if (summary.stopped) {
    notes.add("stopped", *summary.stopped);
  }
  if (summary.precision) {
    add_precision(notes, summary);
  }
  if (summary.n_missing > 0) {
    notes.add("missing",
              fmt::format("{} of {} trials have no result", summary.n_missing, summary.n_planned));
  }
  if (!summary.skipped.empty()) {
    const std::size_t points = summary.skipped.size() + summary.configurations.size();
    notes.add("skipped",
              fmt::format("{} of {} points cannot be measured", summary.skipped.size(), points));
    for (std::size_t i = 0; i < std::min(summary.skipped.size(), kSkippedShown); ++i) {
      notes.add("", fmt::format("{}: {}", summary.skipped[i].label, summary.skipped[i].reason));
    }
    if (summary.skipped.size() > kSkippedShown) {
      notes.add(
          "", fmt::format("and {} more, in summary.json", summary.skipped.size() - kSkippedShown));
    }
  }
  for (const domain::Drift& drift : summary.drift) {
    notes.add("drift", drift_words(drift));
  }
  return notes.take();
}

}  // namespace llem::report
