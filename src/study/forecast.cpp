#include "study/forecast.hpp"

#include <algorithm>
#include <cmath>

namespace llem::study {

Forecast::Forecast(const domain::Plan& plan) : rest_s_(plan.study.gap.seconds.value_or(0)) {
  if (!plan.trials.empty()) {
    // The longer rests between cycles, spread over the trials.
    const double more = plan.study.cycle_gap.seconds.value_or(0) - rest_s_;
    const auto cycles = static_cast<double>(plan.study.cycles - 1);
    rest_s_ += more * cycles / static_cast<double>(plan.trials.size());
  }
  for (const domain::Configuration& configuration : plan.configurations) {
    configurations_.push_back({.declared = config::declared_time(configuration.measure)});
  }
}

void Forecast::expect(std::int64_t configuration) {
  ++configurations_[static_cast<std::size_t>(configuration)].expected;
}

void Forecast::drop(std::int64_t configuration) {
  Timed& timed = configurations_[static_cast<std::size_t>(configuration)];
  timed.expected = std::max<std::int64_t>(timed.expected - 1, 0);
}

void Forecast::expect_perhaps(std::int64_t configuration) {
  ++configurations_[static_cast<std::size_t>(configuration)].perhaps;
}

void Forecast::expect_nothing() {
  for (Timed& timed : configurations_) {
    timed.expected = timed.perhaps = 0;
  }
}

void Forecast::took(std::int64_t configuration, double seconds) {
  drop(configuration);
  learn(configuration, seconds);
}

void Forecast::learn(std::int64_t configuration, double seconds) {
  Timed& timed = configurations_[static_cast<std::size_t>(configuration)];
  timed.least_s = timed.n == 0 ? seconds : std::min(timed.least_s, seconds);
  timed.most_s = std::max(timed.most_s, seconds);
  timed.sum_s += seconds;
  ++timed.n;
}

double Forecast::expected() const {
  double sum = 0;
  const Stretch stretch = observed_stretch();
  for (const Timed& timed : configurations_) {
    const auto n = static_cast<double>(timed.expected);
    const double one = timed.n > 0 ? timed.sum_s / static_cast<double>(timed.n)
                                   : std::sqrt(low_of(timed, stretch) * high_of(timed, stretch));
    sum += n * (one + rest_s_);
  }
  return sum;
}

Forecast::Stretch Forecast::observed_stretch() const {
  // How the timed ones compare with what they declared says something of those that come.
  Stretch stretch;
  bool any = false;
  for (const Timed& timed : configurations_) {
    if (timed.n > 0 && timed.declared.low_s > 0) {
      const double mean = timed.sum_s / static_cast<double>(timed.n);
      const double low = std::max(1.0, mean / timed.declared.high_s);
      stretch.least = any ? std::min(stretch.least, low) : low;
      stretch.most = std::max(stretch.most, mean / timed.declared.low_s);
      any = true;
    }
  }
  return stretch;
}

double Forecast::low_of(const Timed& timed, const Stretch& stretch) {
  return timed.n > 0 ? timed.least_s : stretch.least * timed.declared.low_s;
}

double Forecast::high_of(const Timed& timed, const Stretch& stretch) {
  return timed.n > 0 ? timed.most_s
                     : std::max(stretch.most * timed.declared.low_s, timed.declared.high_s);
}

config::TimeRange Forecast::remaining() const {
  const Stretch stretch = observed_stretch();
  config::TimeRange sum;
  for (const Timed& timed : configurations_) {
    sum.low_s += static_cast<double>(timed.expected) * (low_of(timed, stretch) + rest_s_);
    sum.high_s +=
        static_cast<double>(timed.expected + timed.perhaps) * (high_of(timed, stretch) + rest_s_);
  }
  return sum;
}

config::TimeRange Forecast::cycle() const {
  const Stretch stretch = observed_stretch();
  config::TimeRange sum;
  for (const Timed& timed : configurations_) {
    sum.low_s += low_of(timed, stretch) + rest_s_;
    sum.high_s += high_of(timed, stretch) + rest_s_;
  }
  return sum;
}

}  // namespace llem::study
