#include <algorithm>
#include <vector>

#include "analysis/parts.hpp"
#include "stats/histogram.hpp"
#include "stats/moments.hpp"

namespace llem::analysis {

namespace {

domain::LengthSummary summary_of(std::vector<double>& values) {
  domain::LengthSummary s;
  if (values.empty()) {
    return s;
  }
  std::sort(values.begin(), values.end());
  const auto moments = stats::moments(values);
  s.n = static_cast<std::int64_t>(values.size());
  s.mean = moments.mean();
  s.sd = moments.standard_deviation();
  s.min = values.front();
  s.p5 = stats::quantile_sorted(values, 0.05);
  s.median = stats::quantile_sorted(values, 0.5);
  s.p95 = stats::quantile_sorted(values, 0.95);
  s.max = values.back();
  auto histogram = stats::histogram(values);
  s.histogram_low = histogram.low;
  s.histogram_width = histogram.width;
  s.histogram_counts = std::move(histogram.counts);
  return s;
}

}  // namespace

domain::Lengths lengths(const Window& window) {
  std::vector<double> input;
  std::vector<double> output;
  for (const auto& request : window.serve->requests) {
    if (served(request)) {
      input.push_back(static_cast<double>(request.prompt_tokens));
      output.push_back(static_cast<double>(request.output_tokens));
    }
  }
  return {summary_of(input), summary_of(output), window.cached_tokens};
}

}  // namespace llem::analysis
