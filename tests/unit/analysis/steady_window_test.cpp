#include "analysis/steady_window.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "analysis/analyse.hpp"
#include "unit/analysis/recording_builder.hpp"

namespace llem::analysis {
namespace {

using domain::Behaviour;
using domain::Recording;
using domain::Scope;
using domain::Signal;
using test::a_recording;
using test::RecordingBuilder;
using test::Wave;

constexpr double kStep = 0.05;
constexpr std::int64_t kSteps = 300;  // of a pass: two passes in 30 s
constexpr std::int64_t kRamp = 20;    // steps of two sequences
constexpr std::int64_t kTail = 260;   // from here on steps of one sequence; four between

std::int64_t sequences_of(std::int64_t step) {
  return step < kRamp ? 2 : step < kTail ? 4 : 1;
}

/// Two passes of 15 s: two sequences for 1 s, four until 13 s, one until the end. Each sequence
/// gives a token a step.
void serve_continuously(Recording& r) {
  auto& serve = r.serves[0];
  const std::int64_t step_ns = std::llround(kStep * 1e9);
  r.configuration.deploy.batching = domain::Batching::continuous;
  r.configuration.deploy.batch_size = 4;
  r.configuration.workload.output_tokens.exact.reset();
  serve.passes = 2;
  serve.requests.clear();
  serve.steps.clear();
  serve.token_ns.clear();
  for (std::int64_t pass = 0; pass < 2; ++pass) {
    const std::int64_t begin = serve.t_begin_ns + pass * kSteps * step_ns;
    for (std::int64_t slot = 0; slot < 4; ++slot) {
      domain::RequestRecord q;
      q.pass = pass;
      q.submitted_ns = begin;
      q.token_offset = static_cast<std::int64_t>(serve.token_ns.size());
      for (std::int64_t k = 0; k < kSteps; ++k) {
        if (sequences_of(k) > slot) {
          serve.token_ns.push_back(begin + (k + 1) * step_ns);
          q.started_ns = q.output_tokens == 0 ? begin + k * step_ns : q.started_ns;
          ++q.output_tokens;
        }
      }
      q.prompt_tokens = 8;
      q.first_token_ns = serve.token_ns[static_cast<std::size_t>(q.token_offset)];
      q.end_ns = serve.token_ns.back();
      serve.requests.push_back(q);
    }
    for (std::int64_t k = 0; k < kSteps; ++k) {
      const std::int64_t n = sequences_of(k);
      serve.steps.push_back(
          {begin + k * step_ns, begin + (k + 1) * step_ns, k % 10 == 5 ? 3 : 0, n, 100, n});
    }
  }
}

/// 200 W in the ramp, 300 W while four sequences run, 100 W in the tail.
Wave a_wave() {
  Wave wave{{{0, 10}, {10, 30}, {15, 20}, {25, 50}, {35, 20}}};
  for (const double begin : {37.0, 52.0}) {
    wave.steps.emplace_back(begin, 200);
    wave.steps.emplace_back(begin + 1, 300);
    wave.steps.emplace_back(begin + 13, 100);
  }
  wave.steps.emplace_back(67, 20);
  return wave;
}

const domain::SteadyWindow& window_of(const domain::TrialResult& result) {
  return *result.steady->window;
}

// A stretch begins after the first full step and ends after the last: 239 steps, 956 tokens.
TEST(SteadyWindow, holds_what_was_delivered_while_the_batch_was_full) {
  const auto result = analyse(a_recording()
                                  .counter("package-0", Scope::package, a_wave(), 0.1)
                                  .but(serve_continuously)
                                  .build());
  ASSERT_TRUE(result.steady->window) << *result.steady->window_refused;
  const auto& w = window_of(result);
  EXPECT_EQ(w.full_batch, 4);
  EXPECT_EQ(w.stretches, 2);
  EXPECT_NEAR(w.begin_s, 1.05, 1e-9);
  EXPECT_NEAR(w.end_s, 28, 1e-9);
  EXPECT_NEAR(w.duration_s, 23.9, 1e-9);
  EXPECT_NEAR(w.share_ratio, 23.9 / 30, 1e-12);
  EXPECT_NEAR(w.mean_batch, 4, 1e-12);
  EXPECT_EQ(w.output_tokens, 1912);
  EXPECT_EQ(w.input_tokens, 2 * 24 * 3);
  EXPECT_NEAR(w.output_tokens_per_s.value, 80, 1e-9);
  EXPECT_NEAR(*w.output_tokens_per_s.u_random, 0, 1e-6);
  EXPECT_NEAR(w.ramp_s, 2.1, 1e-9);
  EXPECT_EQ(w.ramp_output_tokens, 2 * (40 + 4));
  EXPECT_NEAR(w.tail_s, 4, 1e-9);
  EXPECT_EQ(w.tail_output_tokens, 80);
}

TEST(SteadyWindow, has_the_energy_of_that_time_and_its_uncertainty) {
  for (const bool counter : {true, false}) {
    auto builder = a_recording().but(serve_continuously);
    if (counter) {
      builder.counter("package-0", Scope::package, a_wave(), 0.1);
    } else {
      builder.gauge("package-0", Scope::package, a_wave(), 0.1, 0.1);
    }
    const auto result = analyse(builder.build());
    const auto& w = window_of(result);
    ASSERT_TRUE(w.gross_j) << *w.energy_refused;
    constexpr double kTruth = 300 * 23.9;
    EXPECT_NEAR(w.gross_j->value, kTruth, 3 * *w.gross_j->u_random);
    EXPECT_NEAR(w.gross_j->value, kTruth, 0.005 * kTruth);
    EXPECT_LT(*w.gross_j->u_random, 0.01 * kTruth);
    EXPECT_GT(*w.gross_j->u_random, 0);
    EXPECT_EQ(*w.gross_j->method, counter ? "counter_interpolated" : "power_integral");
    EXPECT_NEAR(w.gross_j_per_output_token->value * 1912, w.gross_j->value, 1e-9 * kTruth);
    // The headline is still that of the whole window: 2·(200·1 + 300·12 + 100·2) J.
    EXPECT_NEAR(result.energy->headline_gross_j->value, 8000, 40);
    EXPECT_EQ(result.throughput->output_tokens, 2080);
  }
}

TEST(SteadyWindow, ramp_and_tail_make_up_the_window) {
  const auto result = analyse(a_recording()
                                  .counter("package-0", Scope::package, a_wave(), 0.1)
                                  .but(serve_continuously)
                                  .build());
  const auto& w = window_of(result);
  EXPECT_NEAR(w.ramp_s + w.duration_s + w.tail_s, result.throughput->window_s, 1e-9);
  EXPECT_EQ(w.ramp_output_tokens + w.output_tokens + w.tail_output_tokens,
            result.throughput->output_tokens);
  EXPECT_NEAR(w.output_tokens_per_s.value * w.gross_j_per_output_token->value, *w.mean_power_w,
              1e-9 * *w.mean_power_w);
}

TEST(SteadyWindow, takes_the_usual_number_as_full_where_the_batch_never_is) {
  const auto result = analyse(a_recording()
                                  .but(serve_continuously)
                                  .but([](Recording& r) { r.configuration.deploy.batch_size = 16; })
                                  .build());
  EXPECT_EQ(window_of(result).full_batch, 4);
  EXPECT_NEAR(window_of(result).duration_s, 23.9, 1e-9);
}

TEST(SteadyWindow, is_refused_with_a_reason_where_it_cannot_be_had) {
  const auto refused = [](auto&& change) {
    const auto result = analyse(a_recording().but(serve_continuously).but(change).build());
    EXPECT_FALSE(result.steady->window);
    return result.steady->window_refused.value_or("");
  };
  EXPECT_EQ(refused([](Recording& r) {
              r.configuration.deploy.batching = domain::Batching::static_batches;
            }),
            "static batches: the batch is emptied before it is filled again");
  EXPECT_EQ(refused([](Recording& r) { r.serves[0].steps.clear(); }), "the engine logs no steps");
  EXPECT_EQ(refused([](Recording& r) { r.serves[0].token_time = domain::TokenTime::per_chunk; }),
            "token times are not measured for every token");
  EXPECT_EQ(refused([](Recording& r) { r.serves[0].steps.resize(kRamp + 1); }),
            "no pass has two steps with a full batch");
}

TEST(SteadyWindow, is_refused_where_the_batch_drains_most_of_the_time) {
  // Sixteen places, four sequences for 20 steps, then one for 280.
  const auto result = analyse(a_recording()
                                  .but(serve_continuously)
                                  .but([](Recording& r) {
                                    r.configuration.deploy.batch_size = 16;
                                    for (std::size_t k = 0; k < r.serves[0].steps.size(); ++k) {
                                      r.serves[0].steps[k].sequences = k % kSteps < 20 ? 4 : 1;
                                    }
                                  })
                                  .build());
  EXPECT_FALSE(result.steady->window);
  EXPECT_EQ(*result.steady->window_refused,
            "no step decodes, or the batch is seldom near its largest");
}

TEST(SteadyWindow, of_prefill_alone_is_refused) {
  const auto result = analyse(a_recording()
                                  .but(serve_continuously)
                                  .but([](Recording& r) {
                                    r.configuration.deploy.batch_size = 16;
                                    for (auto& step : r.serves[0].steps) {
                                      step.decode_tokens = 0;
                                    }
                                  })
                                  .build());
  EXPECT_FALSE(result.steady->window);
}

TEST(SteadyWindow, does_not_take_a_short_ramp_for_idle) {
  // 300 W from 37 s to 67 s, of which the first step and what follows the last full one are not in
  // it: idle lies just outside, but no step of power at the stretch's edge.
  Wave wave{{{0, 10}, {10, 30}, {15, 20}, {25, 50}, {35, 20}, {37, 300}, {67, 20}}};
  const auto result = analyse(a_recording()
                                  .counter("package-0", Scope::package, wave, 0.1013)
                                  .but(serve_continuously)
                                  .but([](Recording& r) {
                                    for (auto& step : r.serves[0].steps) {
                                      step.sequences = 4;
                                    }
                                  })
                                  .build());
  const auto& w = window_of(result);
  ASSERT_TRUE(w.gross_j) << *w.energy_refused;
  EXPECT_EQ(w.ramp_s, 2 * kStep);
  // At 20 W across the ramp it would be 14 J an edge too much; a step that lies between two updates
  // blurs an edge by 280 W · T/4 at most.
  EXPECT_NEAR(w.gross_j->value, 300 * w.duration_s, 2 * 280 * 0.1013 / 4);
  EXPECT_LE(w.gross_j->value, 300 * w.duration_s);
  EXPECT_GT(*w.gross_j->u_random, 3);
}

TEST(SteadyWindow, has_no_energy_that_is_estimated_or_too_short_for_the_sensor) {
  const auto estimated = analyse(
      a_recording()
          .signal("host", Signal::cpu_busy, Behaviour::counter, [](double t) { return 1.3 * t; })
          .but(serve_continuously)
          .build());
  EXPECT_EQ(*window_of(estimated).energy_refused, "the energy is an estimate");
  EXPECT_NEAR(window_of(estimated).output_tokens_per_s.value, 80, 1e-9);
  const auto slow = analyse(a_recording()
                                .counter("package-0", Scope::package, a_wave(), 2)
                                .but(serve_continuously)
                                .build());
  EXPECT_FALSE(window_of(slow).gross_j);
  EXPECT_NE(window_of(slow).energy_refused->find("20 updates of the sensor"), std::string::npos);
  EXPECT_EQ(*window_of(analyse(a_recording().but(serve_continuously).build())).energy_refused,
            "no sensor covers the window");
}

}  // namespace
}  // namespace llem::analysis
