#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "analysis/analyse.hpp"

namespace llem::analysis {
namespace {

using domain::ConfigurationResult;
using domain::TrialResult;
using domain::ValidityState;

TrialResult a_trial(std::int64_t cycle, double joules, std::int64_t tokens, double seconds = 10) {
  TrialResult r;
  r.identity.trial = cycle - 1;
  r.identity.cycle = cycle;
  r.identity.config_hash = "aa";
  r.identity.engine = "scripted";
  r.throughput.emplace();
  r.throughput->window_s = seconds;
  r.throughput->output_tokens = tokens;
  r.throughput->requests = tokens / 10;
  r.energy.emplace();
  r.energy->headline_scope = "cpu_package";
  r.energy->headline_gross_j =
      domain::Value{joules, 1.0, 0.03 * joules, "counter", domain::Provenance::measured};
  r.energy->headline_net_j =
      domain::Value{joules - 20 * seconds, 1.0, 0.03 * (joules - 20 * seconds), "counter",
                    domain::Provenance::measured};
  r.energy->headline_idle_w = 20;
  return r;
}

void mark(TrialResult& r, const char* code, const char* severity, ValidityState state) {
  r.validity.codes.push_back({code, severity, "", ""});
  r.validity.state = state;
}

ConfigurationResult aggregated(const std::vector<TrialResult>& trials) {
  domain::Configuration configuration;
  configuration.hash = "aa";
  configuration.model.name = "tiny";
  configuration.deploy.batch_size = 8;
  return aggregate(configuration, trials);
}

// 400 J over 1000 tokens, 440 over 1100, 420 over 1000: 1260/3100, not the mean of 0.4, 0.4 and
// 0.42.
TEST(Aggregate, headline_is_the_ratio_of_sums) {
  const auto c =
      aggregated({a_trial(1, 400, 1000, 10), a_trial(2, 440, 1100, 11), a_trial(3, 420, 1000, 10)});
  ASSERT_TRUE(c.gross_j_per_output_token);
  EXPECT_DOUBLE_EQ(c.gross_j_per_output_token->value, 1260.0 / 3100);
  EXPECT_EQ(c.gross_j_per_output_token->method, "ratio_of_sums");
  ASSERT_TRUE(c.gross_j_per_output_token->interval);
  EXPECT_LT(c.gross_j_per_output_token->interval->low, 1260.0 / 3100);
  EXPECT_GT(c.gross_j_per_output_token->interval->high, 1260.0 / 3100);
  EXPECT_NEAR(*c.gross_j_per_output_token->u_systematic, 0.03 * 1260 / 3100, 1e-12);
  EXPECT_EQ(c.gross_j_per_output_token->cycles.size(), 3U);
  EXPECT_DOUBLE_EQ(c.net_j_per_output_token->value, 640.0 / 3100);  // less 20 W x 31 s
  EXPECT_EQ(c.state, ValidityState::valid);
}

TrialResult with_full_batch(TrialResult r, double joules, std::int64_t tokens, double seconds) {
  domain::SteadyWindow window;
  window.output_tokens = tokens;
  window.duration_s = seconds;
  window.gross_j = domain::Value{joules, 1.0, 0.03 * joules, "counter", {}};
  r.steady.emplace();
  r.steady->window = window;
  return r;
}

TEST(Aggregate, of_the_time_with_a_full_batch_is_a_ratio_of_sums_too) {
  std::vector<TrialResult> trials{with_full_batch(a_trial(1, 400, 1000), 300, 800, 7),
                                  with_full_batch(a_trial(2, 440, 1100), 360, 1000, 8)};
  const auto c = aggregated(trials);
  EXPECT_DOUBLE_EQ(c.steady_gross_j_per_output_token->value, 660.0 / 1800);
  EXPECT_DOUBLE_EQ(c.steady_output_tokens_per_s->value, 1800.0 / 15);
  // A trial without energy keeps its rate.
  trials[1].steady->window->gross_j.reset();
  EXPECT_FALSE(aggregated(trials).steady_gross_j_per_output_token);
  EXPECT_TRUE(aggregated(trials).steady_output_tokens_per_s);
}

TEST(Aggregate, does_not_let_one_of_several_windows_stand_for_the_time_with_a_full_batch) {
  std::vector<TrialResult> trials{with_full_batch(a_trial(1, 400, 1000), 300, 800, 7),
                                  with_full_batch(a_trial(2, 440, 1100), 360, 1000, 8)};
  trials[1].steady->of_window = 2;
  EXPECT_FALSE(aggregated(trials).steady_gross_j_per_output_token);
  EXPECT_FALSE(aggregated(trials).steady_output_tokens_per_s);
}

TEST(Aggregate, keeps_the_identities_of_its_trials) {
  const auto c =
      aggregated({a_trial(1, 400, 1000, 9), a_trial(2, 440, 1100, 11), a_trial(3, 420, 1000, 10)});
  EXPECT_NEAR(c.gross_j_per_output_token->value * c.output_tokens_per_s->value,
              c.mean_power_w->value, 1e-9);
  EXPECT_NEAR(c.gross_j_per_request->value * c.requests_per_s->value, c.mean_power_w->value, 1e-9);
}

// Net energies around zero, each known to 50 J: so is their sum per cycle, whatever their signs.
TEST(Aggregate, systematic_uncertainty_does_not_vanish_or_explode_where_values_cross_zero) {
  std::vector<TrialResult> trials{a_trial(1, 400, 1000), a_trial(2, 400, 1000),
                                  a_trial(3, 400, 1000)};
  const double nets[] = {-1, 0, 2};
  for (std::size_t i = 0; i < trials.size(); ++i) {
    trials[i].energy->headline_net_j->value = nets[i];
    trials[i].energy->headline_net_j->u_systematic = 50;
  }
  const auto c = aggregated(trials);
  ASSERT_TRUE(c.net_j_per_output_token->u_systematic);
  EXPECT_NEAR(*c.net_j_per_output_token->u_systematic, 0.05, 1e-12);
}

TEST(Aggregate, has_no_interval_below_three_cycles) {
  const auto two = aggregated({a_trial(1, 400, 1000), a_trial(2, 410, 1000)});
  EXPECT_FALSE(two.gross_j_per_output_token->interval);
  EXPECT_TRUE(two.gross_j_per_output_token->cv_ratio);
  const auto one = aggregated({a_trial(1, 400, 1000)});
  EXPECT_FALSE(one.gross_j_per_output_token->interval);
  EXPECT_FALSE(one.gross_j_per_output_token->cv_ratio);
  EXPECT_DOUBLE_EQ(one.gross_j_per_output_token->value, 0.4);
  EXPECT_EQ(one.state, ValidityState::valid);
}

TEST(Aggregate, of_identical_cycles_has_an_interval_of_no_width) {
  const auto c = aggregated({a_trial(1, 400, 1000), a_trial(2, 400, 1000), a_trial(3, 400, 1000)});
  ASSERT_TRUE(c.gross_j_per_output_token->interval);
  EXPECT_NEAR(c.gross_j_per_output_token->interval->low, 0.4, 1e-12);
  EXPECT_NEAR(c.gross_j_per_output_token->interval->high, 0.4, 1e-12);
  EXPECT_NEAR(*c.gross_j_per_output_token->cv_ratio, 0, 1e-12);
}

TEST(Aggregate, never_lets_an_invalid_trial_into_a_mean) {
  std::vector<TrialResult> trials{a_trial(1, 400, 1000), a_trial(2, 99999, 1000)};
  mark(trials[1], "sensor_lost", "invalid", ValidityState::invalid);
  const auto c = aggregated(trials);
  EXPECT_DOUBLE_EQ(c.gross_j_per_output_token->value, 0.4);
  EXPECT_EQ(c.n_attempted, 2);
  EXPECT_EQ(c.n_used, 1);
  EXPECT_EQ(c.n_failed, 1);
  EXPECT_EQ(c.state, ValidityState::flagged);
  EXPECT_EQ(c.codes, std::vector<std::string>{"sensor_lost"});
}

TEST(Aggregate, of_nothing_valid_is_invalid_and_has_no_numbers) {
  std::vector<TrialResult> trials{a_trial(1, 400, 1000)};
  mark(trials[0], "engine_died", "invalid", ValidityState::invalid);
  const auto c = aggregated(trials);
  EXPECT_EQ(c.state, ValidityState::invalid);
  EXPECT_FALSE(c.gross_j_per_output_token);
  EXPECT_EQ(aggregated({}).state, ValidityState::invalid);
}

TEST(Aggregate, keeps_flagged_trials_and_names_each_code_once) {
  std::vector<TrialResult> trials{a_trial(1, 400, 1000), a_trial(2, 402, 1000)};
  for (auto& trial : trials) {
    mark(trial, "quick_profile", "warning", ValidityState::flagged);
  }
  const auto c = aggregated(trials);
  EXPECT_EQ(c.n_used, 2);
  EXPECT_EQ(c.codes, std::vector<std::string>{"quick_profile"});
  EXPECT_EQ(c.state, ValidityState::flagged);
}

// 0.40, 0.44 and 0.48: mean 0.44, deviation 0.04, CV 9.1 %.
TEST(Aggregate, flags_cycles_that_differ_by_more_than_five_percent) {
  const auto c = aggregated({a_trial(1, 400, 1000), a_trial(2, 440, 1000), a_trial(3, 480, 1000)});
  EXPECT_EQ(c.codes, std::vector<std::string>{"high_variance"});
  EXPECT_NEAR(*c.gross_j_per_output_token->cv_ratio, 0.04 / 0.44, 1e-12);
  EXPECT_EQ(c.state, ValidityState::flagged);
}

TEST(Aggregate, flags_cycles_of_different_machines_or_engines) {
  const auto codes = [](auto change) {
    std::vector<TrialResult> trials{a_trial(1, 400, 1000), a_trial(2, 400, 1000)};
    change(trials[1]);
    const auto c = aggregated(trials);
    EXPECT_EQ(c.state == ValidityState::flagged, !c.codes.empty());
    return c.codes;
  };
  const std::vector<std::string> mixed{"mixed_environment"};
  EXPECT_EQ(codes([](TrialResult&) {}), std::vector<std::string>{});
  EXPECT_EQ(codes([](TrialResult& t) { t.identity.engine_version = "other"; }), mixed);
  EXPECT_EQ(codes([](TrialResult& t) { t.identity.hardware = {"GPU, driver 2"}; }), mixed);
  EXPECT_EQ(codes([](TrialResult& t) { t.energy->headline_scope = "host_estimate"; }), mixed);
}

TEST(Aggregate, lists_cycles_in_their_order_whatever_the_order_of_trials) {
  const auto c = aggregated({a_trial(3, 480, 1000), a_trial(1, 400, 1000), a_trial(2, 440, 1000)});
  const auto& cycles = c.gross_j_per_output_token->cycles;
  EXPECT_DOUBLE_EQ(cycles[0], 0.40);
  EXPECT_DOUBLE_EQ(cycles[2], 0.48);
}

TEST(Aggregate, does_not_mix_scopes) {
  std::vector<TrialResult> trials{a_trial(1, 400, 1000), a_trial(2, 900, 1000)};
  trials[1].energy->headline_scope = "host_estimate";
  const auto c = aggregated(trials);
  EXPECT_EQ(c.headline_scope, "cpu_package");
  EXPECT_DOUBLE_EQ(c.gross_j_per_output_token->value, 0.4);
  EXPECT_EQ(c.output_tokens_per_s->cycles.size(), 2U);
}

TEST(Aggregate, of_estimates_is_an_estimate) {
  std::vector<TrialResult> trials{a_trial(1, 400, 1000)};
  trials[0].energy->headline_gross_j->source = domain::Provenance::estimated;
  EXPECT_EQ(aggregated(trials).gross_j_per_output_token->source, domain::Provenance::estimated);
}

TEST(Aggregate, takes_the_file_type_from_the_name_of_the_model_file) {
  domain::Configuration configuration;
  configuration.model_path = "/models/SmolLM2-135M-Instruct-Q4_1.gguf";
  EXPECT_EQ(aggregate(configuration, std::vector<TrialResult>{}).file_type, "Q4_1");
  configuration.model_path = "/models/Qwen2.5-0.5B.gguf";
  EXPECT_EQ(aggregate(configuration, std::vector<TrialResult>{}).file_type, "");
  TrialResult told = a_trial(1, 400, 1000);
  told.configuration.effective = base::Json::object({{"file_type", "IQ3_XS"}});
  EXPECT_EQ(aggregate(configuration, std::vector<TrialResult>{told}).file_type, "IQ3_XS");
}

TEST(Summarise, groups_trials_by_configuration_and_has_a_row_for_each) {
  domain::Plan plan;
  plan.study_name = "two";
  plan.configurations.resize(2);
  plan.configurations[0].hash = "aa";
  plan.configurations[1].hash = "bb";
  std::vector<TrialResult> trials{a_trial(1, 400, 1000), a_trial(1, 800, 1000)};
  trials[1].identity.config_hash = "bb";
  mark(trials[1], "engine_died", "invalid", ValidityState::invalid);
  trials[1].validity.codes[0].evidence = "signal 9";
  const auto summary = summarise(plan, trials);
  ASSERT_EQ(summary.configurations.size(), 2U);
  EXPECT_EQ(summary.configurations[0].n_used, 1);
  EXPECT_EQ(summary.configurations[1].n_failed, 1);
  ASSERT_EQ(summary.trials.size(), 2U);
  EXPECT_EQ(summary.trials[1].state, "invalid");
  EXPECT_EQ(summary.trials[1].message, "engine_died: signal 9");
  EXPECT_FALSE(summary.trials[0].message);
}

/// Two configurations in three of five cycles: 400 J ± 1 %, 800 J ± 0.1 % per 1000 tokens.
TEST(Summarise, says_how_well_each_configuration_is_known) {
  domain::Plan plan;
  plan.configurations.resize(2);
  plan.configurations[0].hash = "aa";
  plan.configurations[1].hash = "bb";
  plan.study.cycles = 5;
  plan.study.precision = domain::Precision{
      .relative_half_width = 0.01, .min_cycles = 3, .max_cycles = 5, .budget_s = {}};
  std::vector<TrialResult> trials;
  for (std::int64_t cycle = 1; cycle <= 5; ++cycle) {
    for (std::int64_t configuration = 0; configuration < 2; ++configuration) {
      plan.trials.push_back({2 * (cycle - 1) + configuration, configuration, cycle});
      if (cycle <= 3) {
        const double sign = static_cast<double>(cycle - 2);
        trials.push_back(configuration == 0 ? a_trial(cycle, 400 + 4 * sign, 1000)
                                            : a_trial(cycle, 800 + 0.8 * sign, 1000));
        trials.back().identity.trial = plan.trials.back().index;
        trials.back().identity.config_hash = configuration == 0 ? "aa" : "bb";
      }
    }
  }
  const auto open =
      summarise(plan, trials, domain::BlockDecision{3, domain::BlockVerdict::go_on, 9});
  EXPECT_EQ(open.n_missing, 4);
  EXPECT_EQ(open.n_unneeded, 0);
  EXPECT_EQ(open.precision->verdict, domain::BlockVerdict::go_on);
  EXPECT_EQ(open.configurations[0].state, ValidityState::valid) << "it is not over";

  const auto ended =
      summarise(plan, trials, domain::BlockDecision{3, domain::BlockVerdict::budget_used, 9});
  EXPECT_EQ(ended.n_missing, 0);
  EXPECT_EQ(ended.n_unneeded, 4);
  ASSERT_EQ(ended.precision->configurations.size(), 2U);
  // s of 396, 400, 404 is 4: t(2) 4.3027 x 4 / sqrt 3 / 400 = 2.484 %.
  EXPECT_NEAR(*ended.precision->configurations[0].half_width_ratio, 0.02484, 1e-5);
  EXPECT_FALSE(ended.precision->configurations[0].reached);
  EXPECT_EQ(ended.configurations[0].state, ValidityState::flagged);
  EXPECT_EQ(ended.configurations[0].codes, std::vector<std::string>{"precision_not_reached"});
  EXPECT_NEAR(*ended.precision->configurations[1].half_width_ratio, 0.002484, 1e-6);
  EXPECT_TRUE(ended.precision->configurations[1].reached);
  EXPECT_EQ(ended.configurations[1].state, ValidityState::valid);

  plan.study.precision->metric = domain::PrecisionMetric::output_tokens_per_s;
  EXPECT_EQ(summarise(plan, trials).precision->configurations[0].half_width_ratio, 0);
  plan.study.precision->metric = domain::PrecisionMetric::gross_j_per_request;
  EXPECT_NEAR(*summarise(plan, trials).precision->configurations[0].half_width_ratio, 0.02484,
              1e-5);
  plan.study.precision->metric = domain::PrecisionMetric::net_j_per_output_token;  // 200 J of 400
  EXPECT_NEAR(*summarise(plan, trials).precision->configurations[0].half_width_ratio, 0.04968,
              1e-5);
}

}  // namespace
}  // namespace llem::analysis
