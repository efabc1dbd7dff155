#include "analysis/phase_energy.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace llem::analysis {
namespace {

constexpr double kWindow = 40;

std::int64_t ns(double seconds) {
  return std::llround(seconds * 1e9);
}

/// An engine whose steps cost energy by a law, and a counter that looks at it.
struct Machine {
  explicit Machine(std::uint64_t seed) : random(seed) {}

  void step(double seconds, double joules, domain::StepRecord record, double prefill_share) {
    record.begin_ns = ns(now);
    now += seconds;
    record.end_ns = ns(now);
    serve.steps.push_back(record);
    power.push_back({now, joules / seconds});
    prefill_j += prefill_share * joules;
    total_j += joules;
  }

  void idle(double seconds, double watts) {
    now += seconds;
    power.push_back({now, watts});
    total_j += watts * seconds;
  }

  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low +
           static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(high - low + 1)));
  }

  /// Updates every `period` seconds ± 3 %, each placed in the middle of the poll that saw it.
  CounterSeries counter(double period, double poll) {
    CounterSeries series;
    series.period_s = period;
    series.poll_s = poll;
    double published = 0;
    double joules = 0;
    double at = 0;
    std::size_t piece = 0;
    while (true) {
      published += period * (1 + 0.03 * (2 * random.uniform() - 1));
      while (piece < power.size() && power[piece].until <= published) {
        joules += power[piece].watts * (power[piece].until - at);
        at = power[piece++].until;
      }
      if (piece == power.size()) {
        return series;
      }
      joules += power[piece].watts * (published - at);
      at = published;
      const double seen = (std::floor(published / poll) + 0.5) * poll;
      series.ticks.push_back({ns(seen), std::floor(joules * 1e3) / 1e3});
    }
  }

  PhaseVerdict split(double period = 0.1013, double poll = 0.01) {
    Window window;
    window.span = {0, ns(now)};
    window.duration_s = now;
    window.serve = &serve;
    return split_phases(counter(period, poll), serve, window, total_j);
  }

  struct Piece {
    double until;
    double watts;
  };

  base::Random random;
  domain::Serve serve;
  std::vector<Piece> power;
  double now = 0;
  double prefill_j = 0;
  double total_j = 0;
};

/// Whole batches: prefill at 400 W, decode at 230 W and a little more as the context grows.
void serve_batches(Machine& m, double prefill_s, double spread) {
  while (m.now < kWindow) {
    const double seconds = prefill_s * (1 + spread * (2 * m.random.uniform() - 1));
    const auto tokens = std::llround(seconds * 8000);
    m.step(seconds, 400 * seconds, {0, 0, tokens, 0, tokens, 8}, 1);
    const std::int64_t outputs = m.between(16, 96);
    for (std::int64_t k = 0; k < outputs; ++k) {
      const double watts = 230 + 0.05 * static_cast<double>(k);
      m.step(0.015, 0.015 * watts, {0, 0, 0, 8, tokens + 8 * k, 8}, 0);
    }
    m.idle(0.002, 120);
  }
}

/// Sequences that join and leave: what a step costs is a constant, and so much a token.
void serve_continuously(Machine& m, std::int64_t slots, bool varied) {
  struct Sequence {
    std::int64_t prompt;
    std::int64_t outputs;
    std::int64_t done = 0;
  };

  std::vector<Sequence> running;
  while (m.now < kWindow) {
    std::int64_t prefill = 0;
    std::int64_t decode = 0;
    std::int64_t context = 0;
    for (Sequence& s : running) {
      context += s.prompt + ++s.done;
      ++decode;
    }
    // Steps that only decode and steps that only prefill occur where joining is a matter of chance.
    while (static_cast<std::int64_t>(running.size()) < slots && prefill < 512) {
      running.push_back({varied ? m.between(16, 700) : 64, varied ? m.between(8, 200) : 32});
      prefill += running.back().prompt;
      context += running.back().prompt;
    }
    const double p = static_cast<double>(prefill);
    const double d = static_cast<double>(decode);
    const double read = static_cast<double>(context - prefill);
    const double own = 0.02 * p;
    const double theirs = 0.06 * d + 3e-5 * read;
    const double constant = 1.2;
    const double seconds = 0.004 + 5e-5 * p + 2e-4 * d + 1e-7 * read;
    m.step(seconds, constant + own + theirs,
           {0, 0, prefill, decode, context, static_cast<std::int64_t>(running.size())},
           (own + (decode == 0 ? constant : 0)) / (constant + own + theirs));
    std::erase_if(running, [](const Sequence& s) { return s.done >= s.outputs; });
  }
}

struct Score {
  int told = 0;
  int refused = 0;
  int near = 0;     // told within 2 %
  int covered = 0;  // told within two standard uncertainties
};

template <class Serve>
Score score(int runs, Serve&& serve) {
  Score score;
  for (int i = 0; i < runs; ++i) {
    Machine m(static_cast<std::uint64_t>(100 + i));
    serve(m);
    const PhaseVerdict verdict = m.split();
    if (!verdict.energy) {
      ++score.refused;
      continue;
    }
    const PhaseEnergy& energy = *verdict.energy;
    ++score.told;
    score.near += std::abs(energy.prefill_j / m.prefill_j - 1) <= 0.02 ? 1 : 0;
    score.covered += std::abs(energy.prefill_j - m.prefill_j) <= 2 * energy.u_prefill_j ? 1 : 0;
  }
  return score;
}

TEST(PhaseEnergy, of_whole_batches_is_separated) {
  for (const double prefill_s : {0.1, 0.5, 2.0}) {
    const Score s = score(20, [&](Machine& m) { serve_batches(m, prefill_s, 0.6); });
    EXPECT_GE(s.near, 18) << prefill_s << " s: " << s.told << " told, " << s.covered << " covered";
  }
}

TEST(PhaseEnergy, of_sequences_that_join_and_leave_is_separated) {
  for (const std::int64_t slots : {16, 64}) {
    const Score s = score(20, [&](Machine& m) { serve_continuously(m, slots, true); });
    EXPECT_GE(s.near, 18) << slots << " slots: " << s.told << " told, " << s.covered << " covered";
  }
}

TEST(PhaseEnergy, that_is_hard_to_tell_has_an_uncertainty_that_covers) {
  const Score s = score(40, [&](Machine& m) { serve_batches(m, 0.03, 0.6); });
  EXPECT_GE(s.covered, s.told * 9 / 10) << s.told << " told";
  const Score few = score(40, [&](Machine& m) { serve_continuously(m, 4, true); });
  EXPECT_GE(few.covered, few.told * 9 / 10) << few.told << " told";
}

TEST(PhaseEnergy, counts_what_a_mixed_step_costs_in_any_case_as_decode) {
  Machine m(7);
  serve_continuously(m, 16, true);
  const PhaseVerdict verdict = m.split();
  ASSERT_TRUE(verdict.energy) << verdict.refused;
  EXPECT_EQ(verdict.energy->model, "step_cost");
  EXPECT_GT(verdict.energy->shared_j, 0);
  EXPECT_LT(verdict.energy->shared_j, verdict.energy->decode_j);
}

TEST(PhaseEnergy, has_no_condition_number_where_only_the_sums_are_determined) {
  // With one context length in all steps its cost cannot be told from the time of a step.
  Machine m(11);
  while (m.now < kWindow) {
    const double seconds = 0.3 * (1 + 0.6 * (2 * m.random.uniform() - 1));
    m.step(seconds, 400 * seconds, {0, 0, std::llround(seconds * 8000), 0, 1000, 8}, 1);
    const std::int64_t outputs = m.between(16, 96);
    for (std::int64_t k = 0; k < outputs; ++k) {
      m.step(0.015, 0.015 * 230, {0, 0, 0, 8, 1000, 8}, 0);
    }
    m.idle(0.002, 120);
  }
  const PhaseVerdict verdict = m.split();
  ASSERT_TRUE(verdict.energy) << verdict.refused;
  EXPECT_NEAR(verdict.energy->prefill_j, m.prefill_j, 0.02 * m.prefill_j);
  EXPECT_FALSE(verdict.energy->condition_number);
}

TEST(PhaseEnergy, is_refused_where_every_step_has_the_same_shares) {
  for (int seed = 0; seed < 20; ++seed) {
    Machine m(static_cast<std::uint64_t>(seed));
    while (m.now < kWindow) {
      const std::int64_t k = m.between(1, 16);  // so many of each, always
      const double work = static_cast<double>(k);
      m.step(0.005 + 0.001 * work, 1 + 0.3 * work, {0, 0, 64 * k, k, 64 * k, k}, 0.5);
    }
    const PhaseVerdict verdict = m.split();
    EXPECT_FALSE(verdict.energy);
    EXPECT_NE(verdict.refused.find("do not tell the phases apart"), std::string::npos)
        << verdict.refused;
  }
}

TEST(PhaseEnergy, is_refused_where_a_phase_is_hardly_seen) {
  Machine m(1);
  serve_batches(m, 0.0005, 0.5);
  const PhaseVerdict verdict = m.split();
  EXPECT_FALSE(verdict.energy);
  EXPECT_NE(verdict.refused.find("prefill lasts"), std::string::npos) << verdict.refused;
}

TEST(PhaseEnergy, is_refused_with_few_updates_of_the_counter) {
  Machine m(1);
  serve_batches(m, 0.5, 0.5);
  const PhaseVerdict verdict = m.split(1.0);
  EXPECT_FALSE(verdict.energy);
  EXPECT_NE(verdict.refused.find("100 are needed"), std::string::npos) << verdict.refused;
}

TEST(PhaseEnergy, is_refused_where_much_of_the_energy_lies_between_steps) {
  Machine m(1);
  while (m.now < kWindow) {
    m.step(0.2, 80, {0, 0, 500, 0, 500, 1}, 1);
    for (std::int64_t k = 0; k < m.between(10, 40); ++k) {
      m.step(0.015, 3, {0, 0, 0, 1, 500 + k, 1}, 0);
    }
    m.idle(0.3, 100);
  }
  const PhaseVerdict verdict = m.split();
  EXPECT_FALSE(verdict.energy);
  EXPECT_NE(verdict.refused.find("belongs to no step"), std::string::npos) << verdict.refused;
}

}  // namespace
}  // namespace llem::analysis
