#pragma once

// Owns: how long the rest of a study will take, as a range that tightens while it runs.

#include <cstdint>
#include <vector>

#include "config/config.hpp"
#include "domain/plan.hpp"

namespace llem::study {

class Forecast {
 public:
  explicit Forecast(const domain::Plan& plan);

  /// One more trial of this configuration is to come, or will not come.
  void expect(std::int64_t configuration);
  void drop(std::int64_t configuration);
  /// One more may come.
  void expect_perhaps(std::int64_t configuration);
  void expect_nothing();
  /// A trial that was expected has ended after so long.
  void took(std::int64_t configuration, double seconds);
  /// A trial of this configuration took so long in an earlier run.
  void learn(std::int64_t configuration, double seconds);

  /// From what is expected to what may come besides. Configurations that were timed are taken from
  /// their shortest to their longest trial; the others from their declared phases, stretched as the
  /// timed ones were. Rests included.
  config::TimeRange remaining() const;
  /// One trial of each configuration, likewise.
  config::TimeRange cycle() const;
  /// One number for what is expected: the mean of timed configurations, the geometric middle of the
  /// range for others.
  double expected() const;

 private:
  struct Timed {
    config::TimeRange declared;
    std::int64_t expected = 0;
    std::int64_t perhaps = 0;
    std::int64_t n = 0;
    double least_s = 0;
    double most_s = 0;
    double sum_s = 0;
  };

  /// Trials over their declared phases, as far as any was timed.
  struct Stretch {
    double least = 1;
    double most = 1;
  };

  Stretch observed_stretch() const;
  static double low_of(const Timed& timed, const Stretch& stretch);
  static double high_of(const Timed& timed, const Stretch& stretch);

  std::vector<Timed> configurations_;
  double rest_s_ = 0;  // after each trial, as far as it is known
};

}  // namespace llem::study
