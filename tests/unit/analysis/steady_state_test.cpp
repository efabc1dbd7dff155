#include "analysis/steady_state.hpp"

#include <algorithm>
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
using test::has_code;
using test::RecordingBuilder;
using test::Wave;

const domain::SteadyCriterion* find(const domain::TrialResult& r, std::string_view quantity,
                                    std::string_view over) {
  const auto it = std::ranges::find_if(
      r.steady->criteria, [&](const auto& c) { return c.quantity == quantity && c.over == over; });
  return it == r.steady->criteria.end() ? nullptr : &*it;
}

std::string evidence(const domain::TrialResult& r) {
  for (const auto& code : r.validity.codes) {
    if (code.code == "not_steady") {
      return code.evidence;
    }
  }
  return "";
}

RecordingBuilder a_measured_recording() {
  return a_recording().counter("package-0", Scope::package, RecordingBuilder::plain_wave(), 0.1);
}

TEST(SteadyState, of_constant_work_meets_every_criterion_with_value_and_limit) {
  const auto result = analyse(
      a_measured_recording()
          .device("package-0", "CPU", "cpu")
          .signal("package-0", Signal::temperature, Behaviour::gauge, [](double) { return 50.0; })
          .build());
  for (const char* over : {"warmup", "window"}) {
    for (const char* quantity :
         {"throughput_drift", "throughput_variation", "power_drift", "temperature_slope"}) {
      const auto* c = find(result, quantity, over);
      ASSERT_NE(c, nullptr) << quantity << " " << over;
      EXPECT_EQ(c->verdict, "met") << quantity << " " << over << " " << c->value;
      EXPECT_GT(c->limit, 0);
    }
  }
  EXPECT_FALSE(has_code(result, "not_steady"));
}

TEST(SteadyState, names_a_power_that_rises_while_throughput_stands) {
  // 50 W and 0.3 W more a batch of three seconds: 2.7 W over the nine steps between ten middles, on
  // a mean of 51.35 W, which is 5.3 %.
  Wave wave{{{0, 10}, {10, 30}, {15, 20}, {25, 50}, {35, 20}}};
  for (int batch = 0; batch < 10; ++batch) {
    wave.steps.emplace_back(37 + 3 * batch, 50 + 0.3 * batch);
  }
  wave.steps.emplace_back(67, 20);
  const auto result =
      analyse(a_recording().counter("package-0", Scope::package, wave, 0.1).build());
  const auto* c = find(result, "power_drift", "window");
  ASSERT_NE(c, nullptr);
  EXPECT_NEAR(c->value, 2.7 / 51.35, 0.005);
  EXPECT_EQ(c->verdict, "failed");
  EXPECT_EQ(find(result, "throughput_drift", "window")->verdict, "met");
  EXPECT_NE(evidence(result).find("window power_drift"), std::string::npos) << evidence(result);
  EXPECT_EQ(evidence(result).find("throughput"), std::string::npos) << evidence(result);
}

TEST(SteadyState, names_a_device_that_warms_and_forgives_a_last_digit) {
  const auto warming = [](double degrees_per_s, bool whole) {
    return analyse(a_measured_recording()
                       .device("package-0", "CPU", "cpu")
                       .signal("package-0", Signal::temperature, Behaviour::gauge,
                               [=](double t) {
                                 const double c = 50 + degrees_per_s * t;
                                 return whole ? std::floor(c) : c;
                               })
                       .but([](Recording& r) { r.channels.back().resolution = 1; })
                       .build());
  };
  const auto fast = warming(0.2, false);  // 12 degrees a minute
  EXPECT_NEAR(find(fast, "temperature_slope", "window")->value, 12, 1e-6);
  EXPECT_NE(evidence(fast).find("window temperature_slope 12.0"), std::string::npos);
  // 1.2 degrees a minute in whole degrees: one step within 30 s is what a constant could show, too.
  const auto slow = warming(0.02, true);
  EXPECT_NE(find(slow, "temperature_slope", "window")->verdict, "failed");
}

TEST(SteadyState, calls_no_slope_a_failure_that_lies_within_its_noise) {
  const auto warmup = [](std::vector<std::int64_t> tokens) {
    return analyse(a_measured_recording()
                       .but([&](Recording& r) {
                         for (std::size_t i = 0; i < tokens.size(); ++i) {
                           r.warmup.blocks[i].tokens = tokens[i];
                         }
                       })
                       .build());
  };
  // In all 0.6 %, and one that scatters more: 1.6 %.
  const auto noisy = warmup({1000, 990, 1010, 995, 1005});
  const auto* c = find(noisy, "throughput_drift", "warmup");
  EXPECT_NEAR(c->value, 0.006, 1e-4);
  EXPECT_EQ(c->verdict, "met");
  const auto noisier = warmup({990, 1000, 1020, 980, 1020});
  EXPECT_EQ(find(noisier, "throughput_drift", "warmup")->verdict, "within_noise");
  EXPECT_FALSE(has_code(noisier, "not_steady")) << evidence(noisier);
  const auto rising = warmup({980, 990, 1000, 1010, 1020});
  EXPECT_EQ(find(rising, "throughput_drift", "warmup")->verdict, "failed");
  EXPECT_NE(evidence(rising).find("warmup throughput_drift 4.0"), std::string::npos)
      << evidence(rising);
}

/// One pass of four sequences that begin together: steps take 0.06 ms longer each.
void one_cohort(Recording& r, bool contexts_grow) {
  constexpr std::int64_t kSteps = 600;
  auto& serve = r.serves[0];
  r.configuration.deploy.batching = domain::Batching::continuous;
  r.configuration.deploy.batch_size = 4;
  r.configuration.workload.output_tokens.exact.reset();
  serve.passes = 1;
  serve.requests.clear();
  serve.steps.clear();
  serve.token_ns.clear();
  std::int64_t t = serve.t_begin_ns;
  for (std::int64_t k = 0; k < kSteps; ++k) {
    const std::int64_t end = t + 30'000'000 + 60'000 * k;
    serve.steps.push_back({t, end, 0, 4, 4 * (100 + (contexts_grow ? k : 0)), 4});
    t = end;
  }
  for (std::int64_t slot = 0; slot < 4; ++slot) {
    domain::RequestRecord q;
    q.submitted_ns = q.started_ns = serve.t_begin_ns;
    q.token_offset = slot * kSteps;
    q.output_tokens = kSteps;
    q.prompt_tokens = 100;
    q.first_token_ns = serve.steps.front().end_ns;
    q.end_ns = t;
    for (const auto& step : serve.steps) {
      serve.token_ns.push_back(step.end_ns);
    }
    serve.requests.push_back(q);
  }
}

TEST(SteadyState, does_not_call_it_drift_that_contexts_grow) {
  for (const bool grow : {true, false}) {
    const auto result =
        analyse(a_measured_recording().but([&](Recording& r) { one_cohort(r, grow); }).build());
    ASSERT_TRUE(result.steady->window) << *result.steady->window_refused;
    EXPECT_EQ(find(result, "throughput_drift", "window") == nullptr, grow);
    EXPECT_EQ(has_code(result, "not_steady"), !grow) << evidence(result);
    if (grow) {
      EXPECT_NE(result.steady->truncation_refused->find("contexts grow"), std::string::npos);
    }
  }
}

TEST(SteadyState, judges_no_variation_of_batches_that_do_unlike_work) {
  const auto result = analyse(a_measured_recording()
                                  .but([](Recording& r) {
                                    for (std::size_t i = 0; i < 4; ++i) {
                                      r.serves[0].requests[5 * i].prompt_tokens = 400;
                                    }
                                  })
                                  .build());
  EXPECT_NE(find(result, "throughput_drift", "window"), nullptr);
  EXPECT_EQ(find(result, "throughput_variation", "window"), nullptr);
}

TEST(SteadyState, judges_no_power_by_a_sensor_too_slow_for_the_blocks) {
  const auto result =
      analyse(a_recording()
                  .counter("package-0", Scope::package, RecordingBuilder::plain_wave(), 1)
                  .build());
  EXPECT_EQ(find(result, "power_drift", "window"), nullptr);
  EXPECT_NE(find(result, "throughput_drift", "window"), nullptr);
}

/// Batches of the window, the first `slow` of which take half as long again as the others.
domain::TrialResult with_slow_beginning(std::int64_t slow) {
  return analyse(a_measured_recording()
                     .batch(2, 200)
                     .but([=](Recording& r) {
                       auto& serve = r.serves[0];
                       const std::int64_t begin = serve.t_begin_ns;
                       const std::int64_t all = serve.t_end_ns - begin;
                       const auto when = [&](std::int64_t batch) {
                         const auto b = static_cast<double>(batch);
                         const double weight = b + 0.5 * std::min(b, static_cast<double>(slow));
                         const double whole = 100 + 0.5 * static_cast<double>(slow);
                         return begin + std::llround(static_cast<double>(all) * weight / whole);
                       };
                       for (std::size_t i = 0; i < serve.requests.size(); ++i) {
                         const auto batch = static_cast<std::int64_t>(i) / 2;
                         serve.requests[i].started_ns = when(batch);
                         serve.requests[i].end_ns = when(batch + 1);
                       }
                     })
                     .build());
}

TEST(SteadyState, reports_where_mser_would_cut_the_window_and_cuts_nothing) {
  const auto result = with_slow_beginning(20);  // four of twenty blocks of five
  ASSERT_TRUE(result.steady->truncation);
  const auto& cut = *result.steady->truncation;
  EXPECT_EQ(cut.blocks, "batches");
  EXPECT_EQ(cut.n, 100);
  EXPECT_NEAR(cut.discarded_ratio, 0.2, 1e-12);
  EXPECT_NEAR(cut.begin_s, 30 * 30.0 / 110, 1e-6);
  // Rates 2/3 for a fifth, 1 for the rest: 1/(0.8 + 0.2·2/3) − 1 = 1/14.
  EXPECT_NEAR(cut.effect_ratio, 1.0 / 14, 1e-9);
  EXPECT_EQ(cut.verdict, "failed");
  EXPECT_NE(evidence(result).find("without the first 8.2 s"), std::string::npos)
      << evidence(result);
  EXPECT_NEAR(result.throughput->window_s, 30, 1e-9);
  EXPECT_EQ(result.throughput->requests, 200);
}

TEST(SteadyState, finds_nothing_to_cut_in_constant_work) {
  const auto result = with_slow_beginning(0);
  ASSERT_TRUE(result.steady->truncation);
  EXPECT_EQ(result.steady->truncation->verdict, "met");
  EXPECT_FALSE(has_code(result, "not_steady")) << evidence(result);
}

TEST(SteadyState, says_why_there_is_no_truncation_point) {
  const auto few = analyse(a_measured_recording().build());
  EXPECT_FALSE(few.steady->truncation);
  EXPECT_EQ(few.steady->truncation_refused, "10 whole batches in the window, 50 are needed");
}

}  // namespace
}  // namespace llem::analysis
