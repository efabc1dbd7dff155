#include "report/self_test.hpp"

#include <cmath>
#include <string_view>

#include <fmt/format.h>

#include "report/format.hpp"

namespace llem::report {

namespace {

constexpr double kPercent = 100;
constexpr double kExpected = 0.05;  // of a 95 % interval

std::string_view title(const domain::Noise& noise) {
  if (noise.metric == "output_tokens_per_s") {
    return "output tokens/s";
  }
  return noise.source == domain::Provenance::estimated ? "J/output token, estimated"
                                                       : "J/output token";
}

void line(std::string& text, std::string_view label, const std::string& value) {
  text += "    " + padded(label, 18) + value + "\n";
}

std::string ratio_words(const domain::Noise& noise) {
  std::string words = fmt::format("{:.4f}", noise.a_to_b_ratio);
  if (noise.interval) {
    const bool holds = noise.interval->low <= 1 && noise.interval->high >= 1;
    words += fmt::format(" [{:.4f}, {:.4f}]{}", noise.interval->low, noise.interval->high,
                         holds ? "" : ", which leaves out 1");
  }
  return words;
}

void metric_lines(std::string& text, const domain::Noise& noise) {
  text += fmt::format("  {} ({})\n", title(noise), plural(noise.pairs, "pair"));
  line(text, "spread of trials",
       fmt::format("{:.2f} % (coefficient of variation)", kPercent * noise.variation_ratio));
  line(text, "A against A", ratio_words(noise));
  if (noise.false_positive_ratio) {
    line(text, "false positives",
         fmt::format("{:.1f} % of the ways to label the pairs; {:.0f} % is right",
                     kPercent * *noise.false_positive_ratio, kPercent * kExpected));
  }
  line(text, "differences seen",
       fmt::format("from {:.2f} % with 5 pairs, from {:.2f} % with 10 (4 times in 5)",
                   kPercent * noise.detectable_5_ratio, kPercent * noise.detectable_10_ratio));
  if (noise.drift && noise.drift->interval) {
    const domain::IntervalValue& slope = *noise.drift->interval;
    line(text, "drift",
         fmt::format("{:+.1f} %/h [{:+.1f}, {:+.1f}]",
                     kPercent * noise.drift->relative_slope_per_hour, kPercent * slope.low,
                     kPercent * slope.high));
  }
}

}  // namespace

std::string self_test_text(const domain::SelfTest& test) {
  std::string text =
      fmt::format("self-test: one deployment against itself, {}\n", plural(test.trials, "trial"));
  if (test.unusable > 0) {
    text += fmt::format("  {} without a usable result\n", plural(test.unusable, "trial"));
  }
  for (const domain::Noise& noise : test.metrics) {
    metric_lines(text, noise);
  }
  if (test.metrics.empty()) {
    text += "  no metric has three pairs of usable trials: nothing can be said\n";
  }
  return text + fmt::format("  results           {}\n", test.directory);
}

}  // namespace llem::report
