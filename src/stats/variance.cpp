#include "stats/variance.hpp"

#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/fisher_f.hpp>

#include "base/error.hpp"
#include "stats/moments.hpp"

namespace llem::stats {

namespace {

/// Two launches tell their spread no better than two values do.
constexpr std::size_t kFewestGroups = 3;

double chi_squared(double p, double df) {
  return boost::math::quantile(boost::math::chi_squared_distribution<double>(df), p);
}

double fisher(double p, double df1, double df2) {
  return boost::math::quantile(boost::math::fisher_f_distribution<double>(df1, df2), p);
}

}  // namespace

std::optional<VarianceComponents> variance_components(
    const std::vector<std::vector<double>>& groups, double level) {
  LLEM_ASSERT(level > 0 && level < 1, "a confidence level lies between 0 and 1");
  Moments all;
  Moments means;
  double squares_within = 0;
  double squares_of_sizes = 0;
  double reciprocals = 0;
  for (const std::vector<double>& group : groups) {
    LLEM_ASSERT(!group.empty(), "a launch without a run is left out before");
    const Moments own = moments(group);
    const auto size = static_cast<double>(own.count());
    squares_within += own.variance().value_or(0) * (size - 1);
    squares_of_sizes += size * size;
    reciprocals += 1 / size;
    means.add(own.mean());
    all.merge(own);
  }
  const auto a = static_cast<double>(groups.size());
  const auto n = static_cast<double>(all.count());
  if (groups.size() < 2 || all.count() == groups.size()) {
    return std::nullopt;
  }
  const double df_between = a - 1;
  const double df_within = n - a;
  double squares_between = 0;
  for (const std::vector<double>& group : groups) {
    const double off = moments(group).mean() - all.mean();
    squares_between += static_cast<double>(group.size()) * off * off;
  }
  VarianceComponents components;
  components.mean = means.mean();
  components.within = squares_within / df_within;
  const double effective_size = (n - squares_of_sizes / n) / df_between;
  components.between = (squares_between / df_between - components.within) / effective_size;
  const double tail = (1 - level) / 2;
  components.within_interval = {squares_within / chi_squared(1 - tail, df_within),
                                squares_within / chi_squared(tail, df_within), level, "chi_squared",
                                all.count()};
  if (groups.size() >= kFewestGroups) {
    const double harmonic_size = a / reciprocals;
    const double mean_square = harmonic_size * *means.variance();
    const auto limit = [&](double p) {
      return df_between * (mean_square - fisher(p, df_between, df_within) * components.within) /
             (harmonic_size * chi_squared(p, df_between));
    };
    components.between_interval =
        Interval{limit(1 - tail), limit(tail), level, "williams", groups.size()};
  }
  return components;
}

}  // namespace llem::stats
