#include "report/spread.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/text.hpp"
#include "report/format.hpp"

namespace llem::report {

namespace {

constexpr int kDigits = 2;  // a spread is known no better

std::string_view unit_of(const std::string& metric) {
  return metric == "output_tokens_per_s" ? "output tokens/s" : "J/output token";
}

/// A variance as a standard deviation in percent of the mean.
std::string percent(double variance, double mean) {
  return base::significant(100 * std::sqrt(std::max(0.0, variance)) / std::abs(mean), kDigits);
}

std::string level_words(const char* level, double variance,
                        const std::optional<domain::IntervalValue>& interval, double mean) {
  std::string text = fmt::format("{} {} %", level, percent(variance, mean));
  if (interval && interval->high > 0) {  // below 0, runs alone explain the spread and more
    text += fmt::format(" ({} to {})", percent(interval->low, mean), percent(interval->high, mean));
  }
  return text;
}

std::string middle_words(const domain::Aggregate& aggregate, std::string_view unit) {
  return fmt::format("median {}, Hodges-Lehmann {} {}; nothing is left out of {}",
                     base::significant(*aggregate.median, 3),
                     base::significant(*aggregate.hodges_lehmann, 3), unit,
                     base::significant(aggregate.value, 3));
}

}  // namespace

std::vector<std::string> spread_words(const domain::ConfigurationResult& configuration) {
  std::vector<std::string> words;
  for (const domain::VarianceComponents& v : configuration.variance) {
    if (v.launch_variance && v.run_variance && v.mean != 0) {
      words.push_back(
          fmt::format("{}: {}, {}; {} with {}", unit_of(v.metric),
                      level_words("launches", *v.launch_variance, v.launch_interval, v.mean),
                      level_words("runs", *v.run_variance, v.run_interval, v.mean),
                      v.n_launches == 1 ? "1 launch" : fmt::format("{} launches", v.n_launches),
                      plural(v.n_runs, "window")));
    }
  }
  return words;
}

std::vector<std::string> outlier_words(const domain::ConfigurationResult& configuration) {
  std::vector<std::string> words;
  for (const domain::Outlier& outlier : configuration.outliers) {
    const std::string far =
        outlier.deviations
            ? fmt::format("{} deviations from", base::significant(*outlier.deviations, kDigits))
            : "unlike most, which are";
    words.push_back(fmt::format(
        "cycle {}: {} {}, {} the median {}: {}", outlier.cycle, base::significant(outlier.value, 3),
        unit_of(outlier.metric), far, base::significant(outlier.median, 3),
        outlier.causes.empty() ? "no cause recorded" : base::join(outlier.causes, ", ")));
  }
  for (const auto* aggregate :
       {&configuration.gross_j_per_output_token, &configuration.output_tokens_per_s}) {
    if (*aggregate && (*aggregate)->median && (*aggregate)->hodges_lehmann) {
      const bool rate = aggregate == &configuration.output_tokens_per_s;
      words.push_back(middle_words(**aggregate, rate ? "output tokens/s" : "J/output token"));
    }
  }
  return words;
}

}  // namespace llem::report
