#include "analysis/phase_energy.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <tuple>

#include <fmt/format.h>

#include "base/random.hpp"
#include "stats/least_squares.hpp"
#include "stats/moments.hpp"

namespace llem::analysis {

namespace {

constexpr std::size_t kLeastUpdates = 100;
constexpr std::size_t kLeastTouched = 20;  // updates that hold some of a phase
constexpr double kLeastPeriods = 5;        // of the counter, that a phase lasts in all
constexpr double kMixedShare = 0.02;       // of the steps' time, from which on steps are modelled
constexpr double kLargestU = 0.05;         // of a phase's energy
constexpr double kLargestRest = 0.05;      // of the window's energy
constexpr double kLargestHeldOut = 1.25;
constexpr std::size_t kUpdatesPerBlock = 8;
constexpr std::size_t kFewestBlocks = 10;
constexpr std::size_t kMostBlocks = 60;
constexpr int kResamples = 200;

// Unknowns. By power: watts in prefill, in decode, in steps that do both, watts of decode a token
// of context, watts between steps. By step: joules a step, a prefilled token, a decoded token, a
// token of context read, and watts between steps.
constexpr std::size_t kUnknowns = 5;
using Row = std::array<double, kUnknowns>;

enum class Model { phase_power, step_cost };

struct Step {
  std::int64_t begin_ns;
  std::int64_t end_ns;
  Row row;  // what it adds to an update that holds all of it
  bool prefills;
  bool decodes;
};

double as_double(std::int64_t n) {
  return static_cast<double>(n);
}

Row row_of(const domain::StepRecord& step, Model model) {
  const double seconds = seconds_between(step.begin_ns, step.end_ns);
  const bool prefills = step.prefill_tokens > 0;
  const bool decodes = step.decode_tokens > 0;
  if (model == Model::phase_power) {
    return {prefills && !decodes ? seconds : 0, prefills ? 0 : seconds,
            prefills && decodes ? seconds : 0,
            prefills ? 0 : seconds * as_double(step.context_tokens), 0};
  }
  // A prompt attends to itself, so what the decoding sequences read is the rest.
  const double read = std::max(0.0, as_double(step.context_tokens - step.prefill_tokens));
  return {1, as_double(step.prefill_tokens), as_double(step.decode_tokens), decodes ? read : 0, 0};
}

struct Log {
  std::vector<Step> steps;  // in order of time, within the window
  Model model = Model::phase_power;
};

Log log_of(const domain::Serve& serve, const Window& window) {
  Log log;
  double mixed = 0;
  double all = 0;
  for (const domain::StepRecord& step : serve.steps) {
    const double seconds = seconds_between(step.begin_ns, step.end_ns);
    all += seconds;
    mixed += step.prefill_tokens > 0 && step.decode_tokens > 0 ? seconds : 0;
  }
  log.model = mixed > kMixedShare * all ? Model::step_cost : Model::phase_power;
  std::int64_t last = window.span.begin_ns;
  for (const domain::StepRecord& step : serve.steps) {
    if (step.begin_ns >= last && step.end_ns > step.begin_ns && step.end_ns <= window.span.end_ns) {
      log.steps.push_back({step.begin_ns, step.end_ns, row_of(step, log.model),
                           step.prefill_tokens > 0, step.decode_tokens > 0});
      last = step.end_ns;
    }
  }
  return log;
}

struct Observation {
  Row row{};
  double joules = 0;
};

struct Observations {
  std::vector<Observation> updates;
  std::size_t with_prefill = 0;
  std::size_t with_decode = 0;
};

/// One observation an update of the counter: what of each step lies in it.
Observations observe(const CounterSeries& counter, const Log& log, const Window& window) {
  Observations seen;
  const std::size_t first = first_at_or_after(counter.ticks, window.span.begin_ns);
  const std::size_t end = end_at_or_before(counter.ticks, window.span.end_ns);
  std::size_t at = 0;
  for (std::size_t k = first; k + 1 < end; ++k) {
    const Tick& from = counter.ticks[k];
    const Tick& to = counter.ticks[k + 1];
    Observation update;
    update.joules = to.value - from.value;
    double between = seconds_between(from.t_ns, to.t_ns);
    bool prefill = false;
    bool decode = false;
    while (at < log.steps.size() && log.steps[at].end_ns <= from.t_ns) {
      ++at;
    }
    for (std::size_t i = at; i < log.steps.size() && log.steps[i].begin_ns < to.t_ns; ++i) {
      const Step& step = log.steps[i];
      const double overlap =
          seconds_between(std::max(step.begin_ns, from.t_ns), std::min(step.end_ns, to.t_ns));
      const double share = overlap / seconds_between(step.begin_ns, step.end_ns);
      for (std::size_t c = 0; c < kUnknowns; ++c) {
        update.row[c] += share * step.row[c];
      }
      between -= overlap;
      prefill = prefill || step.prefills;
      decode = decode || step.decodes;
    }
    // What rounding leaves of nothing is no time between steps.
    const double least = 1e-6 * seconds_between(from.t_ns, to.t_ns);
    update.row[kUnknowns - 1] = between > least ? between : 0;
    seen.with_prefill += prefill ? 1 : 0;
    seen.with_decode += decode ? 1 : 0;
    seen.updates.push_back(update);
  }
  return seen;
}

/// Joules of a phase as a combination of the unknowns. What a mixed step costs in any case belongs
/// to the decode: it would have run without the prefill.
struct Shares {
  Row prefill{};
  Row decode{};
  double mixed = 0;  // what goes along with the cost of mixed steps in any case
};

Shares shares_of(const Log& log) {
  Shares shares;
  for (const Step& step : log.steps) {
    const bool mixed = step.prefills && step.decodes;
    if (log.model == Model::phase_power) {
      shares.prefill[0] += step.row[0];
      shares.decode[1] += step.row[1];
      shares.decode[2] += step.row[2];
      shares.decode[3] += step.row[3];
      shares.mixed += step.row[2];
      continue;
    }
    (step.decodes ? shares.decode : shares.prefill)[0] += 1;
    shares.prefill[1] += step.row[1];
    shares.decode[2] += step.row[2];
    shares.decode[3] += step.row[3];
    shares.mixed += mixed ? 1 : 0;
  }
  return shares;
}

double dot(const Row& a, std::span<const double> x) {
  double sum = 0;
  for (std::size_t i = 0; i < kUnknowns; ++i) {
    sum += a[i] * x[i];
  }
  return sum;
}

stats::NormalEquations equations_of(std::span<const Observation> updates) {
  stats::NormalEquations equations(kUnknowns);
  for (const Observation& update : updates) {
    equations.add(update.row, update.joules);
  }
  return equations;
}

/// Consecutive updates, so that what one blurs into the next stays together.
std::vector<stats::NormalEquations> blocks_of(std::span<const Observation> updates) {
  const std::size_t count =
      std::clamp(updates.size() / kUpdatesPerBlock, kFewestBlocks, kMostBlocks);
  std::vector<stats::NormalEquations> blocks;
  for (std::size_t b = 0; b < count; ++b) {
    const std::size_t begin = updates.size() * b / count;
    const std::size_t end = updates.size() * (b + 1) / count;
    blocks.push_back(equations_of(updates.subspan(begin, end - begin)));
  }
  return blocks;
}

stats::NormalEquations sum_of(const std::vector<stats::NormalEquations>& blocks,
                              const auto& taken) {
  stats::NormalEquations sum(kUnknowns);
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    if (taken(b)) {
      sum += blocks[b];
    }
  }
  return sum;
}

struct Spread {
  double prefill_j;
  double decode_j;
};

/// Block bootstrap with blocks that do not overlap (Carlstein 1986).
Spread bootstrap(const std::vector<stats::NormalEquations>& blocks, const Shares& shares) {
  base::Random random(base::derive_seed(0, "phases"));  // a result is a function of its recording
  stats::Moments prefill;
  stats::Moments decode;
  for (int i = 0; i < kResamples; ++i) {
    stats::NormalEquations drawn(kUnknowns);
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      drawn += blocks[random.below(blocks.size())];
    }
    const auto solution = stats::solve_nonnegative(drawn);
    prefill.add(dot(shares.prefill, solution));
    decode.add(dot(shares.decode, solution));
  }
  return {prefill.standard_deviation().value_or(0), decode.standard_deviation().value_or(0)};
}

/// Residuals of every fifth block, left out of the fit, over those of the fit itself.
double held_out(const std::vector<stats::NormalEquations>& blocks, double fitted_square) {
  constexpr std::size_t kFolds = 5;
  double square = 0;
  for (std::size_t fold = 0; fold < kFolds; ++fold) {
    const auto inside = [&](std::size_t b) { return b % kFolds == fold; };
    const auto outside = [&](std::size_t b) { return b % kFolds != fold; };
    const auto solution = stats::solve_nonnegative(sum_of(blocks, outside));
    square += stats::residual_square(sum_of(blocks, inside), solution);
  }
  return fitted_square > 0 ? std::sqrt(square / fitted_square) : 1;
}

std::string too_little(const CounterSeries& counter, const Log& log, const Observations& seen) {
  if (seen.updates.size() < kLeastUpdates) {
    return fmt::format("{} updates of the energy counter lie in the window, {} are needed",
                       seen.updates.size(), kLeastUpdates);
  }
  double prefill = 0;
  double decode = 0;
  for (const Step& step : log.steps) {
    const double seconds = seconds_between(step.begin_ns, step.end_ns);
    prefill += step.prefills ? seconds : 0;
    decode += step.decodes ? seconds : 0;
  }
  const double least = kLeastPeriods * counter.period_s;
  for (const auto& [name, seconds, touched] : {std::tuple("prefill", prefill, seen.with_prefill),
                                               std::tuple("decode", decode, seen.with_decode)}) {
    if (seconds < least || touched < kLeastTouched) {
      return fmt::format(
          "{} lasts {:.2f} s in {} updates of the energy counter; {:.2f} s in {} "
          "are needed",
          name, seconds, touched, least, kLeastTouched);
    }
  }
  return {};
}

std::string gate(const PhaseEnergy& energy, double gross_j) {
  const double prefill = energy.u_prefill_j / energy.prefill_j;
  const double decode = energy.u_decode_j / energy.decode_j;
  if (!(prefill <= kLargestU) || !(decode <= kLargestU)) {
    return fmt::format(
        "the readings do not tell the phases apart: prefill is known to ±{:.0f} %, "
        "decode to ±{:.0f} %",
        100 * std::min(prefill, 10.0), 100 * std::min(decode, 10.0));
  }
  const double rest = std::abs(gross_j - energy.prefill_j - energy.decode_j) / gross_j;
  if (!(rest <= kLargestRest)) {
    return fmt::format("{:.0f} % of the energy belongs to no step", 100 * rest);
  }
  if (energy.held_out_ratio > kLargestHeldOut) {
    return fmt::format("updates left out of the fit are missed by {:.2f} times its residuals",
                       energy.held_out_ratio);
  }
  return {};
}

}  // namespace

std::optional<double> larger(const std::optional<double>& a, const std::optional<double>& b) {
  return a && b ? std::optional(std::max(*a, *b)) : std::nullopt;
}

PhaseVerdict split_phases(const CounterSeries& counter, const domain::Serve& serve,
                          const Window& window, double gross_j) {
  const Log log = log_of(serve, window);
  const Observations seen = observe(counter, log, window);
  if (std::string refused = too_little(counter, log, seen); !refused.empty()) {
    return {std::nullopt, std::move(refused)};
  }
  const Shares shares = shares_of(log);
  const auto blocks = blocks_of(seen.updates);
  const auto all = sum_of(blocks, [](std::size_t) { return true; });
  const auto solution = stats::solve_nonnegative(all);
  const double fitted_square = stats::residual_square(all, solution);
  const double variance = fitted_square / static_cast<double>(all.rows() - kUnknowns);
  const stats::Determination determined(all);
  const Spread spread = bootstrap(blocks, shares);
  const auto u = [&](const Row& share, double drawn) {
    const double factor = determined.variance_factor(share);
    return std::isinf(factor) ? factor : std::max(drawn, std::sqrt(variance * factor));
  };
  PhaseEnergy energy;
  energy.model = log.model == Model::phase_power ? "phase_power" : "step_cost";
  energy.prefill_j = dot(shares.prefill, solution);
  energy.decode_j = dot(shares.decode, solution);
  energy.u_prefill_j = u(shares.prefill, spread.prefill_j);
  energy.u_decode_j = u(shares.decode, spread.decode_j);
  energy.shared_j = shares.mixed * solution[log.model == Model::phase_power ? 2 : 0];
  if (const double condition = determined.condition_number(); std::isfinite(condition)) {
    energy.condition_number = condition;
  }
  energy.held_out_ratio = held_out(blocks, fitted_square);
  if (std::string refused = gate(energy, gross_j); !refused.empty()) {
    return {std::nullopt, std::move(refused)};
  }
  return {std::move(energy), {}};
}

}  // namespace llem::analysis
