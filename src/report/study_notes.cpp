#include "report/study_notes.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "report/format.hpp"

namespace llem::report {

namespace {

constexpr std::size_t kSkippedShown = 10;

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

}  // namespace

std::string study_notes(const domain::Summary& summary, const TextOptions& options) {
  Notes notes(static_cast<std::size_t>(std::clamp(options.width, 60, 100)));
  if (summary.stopped) {
    notes.add("stopped", *summary.stopped);
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
