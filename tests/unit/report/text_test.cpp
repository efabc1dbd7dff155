#include "report/text.hpp"

#include <string>

#include <gtest/gtest.h>

#include "base/text.hpp"
#include "report/format.hpp"

namespace llem::report {
namespace {

domain::TrialRow a_row(std::int64_t trial, std::int64_t cycle, std::int64_t attempt,
                       std::string hash, std::string state, std::vector<std::string> codes,
                       std::string message) {
  domain::TrialRow row;
  row.trial = trial;
  row.cycle = cycle;
  row.attempt = attempt;
  row.config_hash = std::move(hash);
  row.state = std::move(state);
  row.codes = std::move(codes);
  row.message = std::move(message);
  return row;
}

using domain::Aggregate;
using domain::ConfigurationResult;
using domain::Provenance;
using domain::Summary;
using domain::ValidityState;

Aggregate a_value(double value, double half = 0, std::vector<double> cycles = {}) {
  Aggregate a;
  a.value = value;
  a.cycles = std::move(cycles);
  if (half > 0) {
    a.interval = domain::IntervalValue{value - half, value + half, 0.95, "t", 5};
  }
  return a;
}

ConfigurationResult a_result() {
  ConfigurationResult c;
  c.config_hash = "aa";
  c.model = "SmolLM2-135M-Instruct";
  c.engine = "llamacpp";
  c.file_type = "Q4_1";
  c.batch_size = 8;
  c.requests_per_pass = 100;
  c.n_attempted = 5;
  c.n_used = 5;
  c.state = ValidityState::valid;
  c.headline_scope = "cpu_package+dram";
  c.gross_j_per_output_token = a_value(0.4123, 0.0061);
  c.gross_j_per_output_token->u_systematic = 0.03 * 0.4123;
  c.net_j_per_output_token = a_value(0.2661, 0.0072);
  c.gross_j_per_request = a_value(52.77, 0.8);
  c.mean_power_w = a_value(88.23, 0.4);
  c.idle_power_w = a_value(31.2, 0.1);
  c.output_tokens_per_s = a_value(214.2, 3.1);
  c.requests_per_s = a_value(1.672, 0.02);
  c.service_ttft_median_s = a_value(0.31);
  c.service_ttft_p95_s = a_value(0.48);
  c.itl_median_s = a_value(0.0362);
  c.itl_p95_s = a_value(0.0411);
  c.flops_per_s = a_value(94.2e9);
  c.mbu_ratio = a_value(0.14);
  return c;
}

Summary one(ConfigurationResult c) {
  Summary summary;
  summary.configurations.push_back(std::move(c));
  return summary;
}

TEST(Text, of_one_configuration_reads_as_the_manual_shows) {
  EXPECT_EQ(
      summary_text(one(a_result()), {}),
      "SmolLM2-135M-Instruct · llamacpp · Q4_1 · batch 8 · 100 requests · 5 trials"
      "                    valid\n"
      "  energy        0.412 ± 0.006 J/output token   (gross, CPU package + DRAM; systematic "
      "±6 %)\n"
      "                0.266 ± 0.007 J/output token   (net of idle 31.2 W)\n"
      "                52.8 ± 0.8 J/request           (mean power 88.2 W)\n"
      "  throughput    214 ± 3 output tokens/s        100 ± 1 requests/min\n"
      "  latency       service TTFT 310 ms p50 · 480 ms p95    ITL 36.2 ms p50 · 41.1 ms p95\n"
      "  compute       94.2 GFLOP/s · MBU 0.140\n"
      "  flags         none\n");
}

TEST(Text, tells_of_the_time_with_a_full_batch) {
  auto c = a_result();
  c.steady_output_tokens_per_s = a_value(231.4, 1.2);
  EXPECT_NE(summary_text(one(c), {}).find("  batch full    231 ± 1 output tokens/s\n"),
            std::string::npos)
      << summary_text(one(c), {});
  c.steady_gross_j_per_output_token = a_value(0.3712, 0.0041);
  EXPECT_NE(summary_text(one(c), {})
                .find("  batch full    0.371 ± 0.004 J/output token   231 ± 1 output tokens/s\n"),
            std::string::npos)
      << summary_text(one(c), {});
}

TEST(Text, of_an_estimate_carries_the_tilde_and_the_word) {
  auto c = a_result();
  c.headline_scope = "host_estimate";
  c.state = ValidityState::flagged;
  c.codes = {"estimated_energy"};
  for (auto* a : {&c.gross_j_per_output_token, &c.net_j_per_output_token, &c.gross_j_per_request,
                  &c.mean_power_w, &c.idle_power_w}) {
    (*a)->source = Provenance::estimated;
  }
  c.gross_j_per_output_token->u_systematic = 0.25 * 0.4123;
  const std::string text = summary_text(one(c), {});
  EXPECT_NE(text.find("  energy        ~0.412 ± 0.006 J/output token\n"
                      "                (estimated, gross, whole machine from CPU load; systematic "
                      "±50 %)\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("~0.266 ± 0.007 J/output token  (estimated, net of idle ~31.2 W)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("  flags         estimated_energy: no energy sensor"), std::string::npos);
}

TEST(Text, of_fewer_than_three_cycles_says_why_there_is_no_interval) {
  auto c = a_result();
  c.n_attempted = 1;
  c.n_used = 1;
  c.gross_j_per_output_token->interval.reset();
  const std::string text = summary_text(one(c), {});
  EXPECT_NE(text.find("  energy        0.412 J/output token "), std::string::npos) << text;
  EXPECT_NE(text.find("· 1 trial  "), std::string::npos) << text;
  EXPECT_NE(text.find("no intervals: they need three cycles, 1 measured"), std::string::npos);
}

domain::VarianceComponents a_spread(double launches, double runs) {
  domain::VarianceComponents v;
  v.metric = "gross_j_per_output_token";
  v.n_launches = 5;
  v.n_runs = 15;
  v.mean = 0.5;
  v.launch_variance = launches;
  v.launch_interval = domain::IntervalValue{-1e-6, 1e-4, 0.95, "williams", 5};
  v.run_variance = runs;
  v.run_interval = domain::IntervalValue{0.25e-4, 2.25e-4, 0.95, "chi_squared", 15};
  v.method = "anova";
  return v;
}

// sqrt(0.25e-4)/0.5 is 1 %, sqrt(1e-4)/0.5 is 2 %.
TEST(Text, of_several_windows_tells_launches_from_runs) {
  auto c = a_result();
  c.variance = {a_spread(0.25e-4, 1e-4)};
  const std::string text = summary_text(one(c), {.width = 100});
  EXPECT_NE(
      text.find("  spread        J/output token: launches 1.0 % (0 to 2.0), runs 2.0 % (1.0 to "
                "3.0); 5 launches"),
      std::string::npos)
      << text;
  c.variance = {a_spread(-0.25e-4, 1e-4)};
  EXPECT_NE(summary_text(one(c), {}).find("launches 0 % (0 to"), std::string::npos);
}

TEST(Text, of_single_windows_claims_no_levels) {
  auto c = a_result();
  domain::VarianceComponents v;
  v.metric = "gross_j_per_output_token";
  v.mean = 0.5;
  v.launch_and_run_variance = 1e-4;
  v.method = "launches_only";
  c.variance = {v};
  EXPECT_EQ(summary_text(one(c), {}).find("spread"), std::string::npos);
}

TEST(Text, of_an_outlier_names_its_cause_and_the_middles) {
  auto c = a_result();
  c.outliers = {{3, 4, "gross_j_per_output_token", 0.511, 0.412, 7.31, {"contention"}},
                {4, 5, "output_tokens_per_s", 150, 214, 9.0, {}}};
  c.gross_j_per_output_token->median = 0.412;
  c.gross_j_per_output_token->hodges_lehmann = 0.4131;
  const std::string text = summary_text(one(c), {.width = 100});
  EXPECT_NE(
      text.find("  outlier       cycle 4: 0.511 J/output token, 7.3 deviations from the median "
                "0.412: contention\n"),
      std::string::npos)
      << text;
  EXPECT_NE(text.find("the median 214: no cause recorded"), std::string::npos) << text;
  EXPECT_NE(
      text.find("median 0.412, Hodges-Lehmann 0.413 J/output token; nothing is left out of 0.412"),
      std::string::npos)
      << text;
  auto two = one(c);
  two.configurations.push_back(a_result());
  EXPECT_NE(summary_text(two, {.width = 100}).find("\n  outliers\n"), std::string::npos);
}

TEST(Text, of_a_failure_shows_no_number_but_what_happened) {
  auto c = a_result();
  c.n_used = 0;
  c.n_failed = 1;
  c.n_attempted = 1;
  c.state = ValidityState::invalid;
  c.codes = {"engine_died"};
  auto summary = one(c);
  summary.trials = {a_row(0, 1, 1, "aa", "invalid", {"engine_died"}, "engine_died: signal 9")};
  const std::string text = summary_text(summary, {});
  EXPECT_EQ(text.find("J/output token"), std::string::npos);
  EXPECT_NE(text.find("  flags         engine_died: the worker process ended before its time; "
                      "look at worker.log\n"
                      "  failed        cycle 1: engine_died: signal 9\n"),
            std::string::npos)
      << text;
}

TEST(Text, without_energy_says_not_measured_and_never_zero) {
  auto c = a_result();
  c.gross_j_per_output_token.reset();
  const std::string text = summary_text(one(c), {});
  EXPECT_NE(text.find("  energy        not measured\n"), std::string::npos);
}

Summary a_study() {
  Summary summary;
  summary.study_name = "batch";
  auto small = a_result();
  small.config_hash = "bb";
  small.label = "batch 1";
  small.gross_j_per_output_token = a_value(1.44, 0.02, {1.43, 1.44, 1.45});
  auto large = a_result();
  large.label = "batch 8";
  large.gross_j_per_output_token = a_value(0.4123, 0.0061, {0.41, 0.4123, 0.4146});
  auto broken = a_result();
  broken.config_hash = "cc";
  broken.label = "batch 512";
  broken.state = ValidityState::invalid;
  broken.codes = {"out_of_memory"};
  broken.gross_j_per_output_token.reset();
  broken.output_tokens_per_s.reset();
  broken.service_ttft_median_s.reset();
  broken.itl_median_s.reset();
  broken.headline_scope.clear();
  broken.n_used = 0;
  broken.n_failed = 1;
  summary.configurations = {broken, small, large};
  summary.trials = {
      a_row(2, 1, 1, "cc", "invalid", {"out_of_memory"}, "out_of_memory: needs 9 GiB")};
  return summary;
}

// ln(1.43/0.41), ln(1.44/0.4123), ln(1.45/0.4146) = 1.24927, 1.25064, 1.25201: mean 1.25064, s
// 0.00137, t(2) 4.303: half-width 0.0034, so 3.49 within 3.48 and 3.50.
TEST(Text, of_a_study_is_a_table_sorted_by_energy_with_failures_below) {
  EXPECT_EQ(summary_text(a_study(), {}),
            "batch · 3 configurations · 1 trial\n"
            "\n"
            "  configuration   J/output token   output tokens/s   TTFT p50   ITL p50   state\n"
            "  batch 8         0.412 ± 0.006    214 ± 3           310 ms     36.2 ms   valid\n"
            "  batch 1         1.44 ± 0.02      214 ± 3           310 ms     36.2 ms   valid\n"
            "  batch 512       -                -                 -          -         invalid\n"
            "\n"
            "  best   batch 8: 0.412 ± 0.006 J/output token\n"
            "  worst  batch 1: 1.44 ± 0.02 J/output token, 3.49 times the best (3.48 to 3.50)\n"
            "\n"
            "  energy is gross, CPU package + DRAM; ± is the 95 % interval over cycles\n"
            "\n"
            "  failed\n"
            "    batch 512, cycle 1: out_of_memory: needs 9 GiB\n"
            "\n"
            "  flags\n"
            "    out_of_memory: memory did not suffice; lower batch_size, context_length or the KV "
            "cache type\n"
            "      [batch 512]\n");
}

TEST(Text, does_not_rank_energies_of_different_scopes) {
  auto summary = a_study();
  summary.configurations[1].headline_scope = "host_estimate";
  summary.configurations[1].gross_j_per_output_token->source = Provenance::estimated;
  const std::string text = summary_text(summary, {});
  EXPECT_EQ(text.find("best"), std::string::npos);
  EXPECT_NE(text.find("no ranking: the energies are of different scopes"), std::string::npos);
  EXPECT_NE(text.find("~1.44 ± 0.02"), std::string::npos);
  EXPECT_NE(text.find("~ is estimated"), std::string::npos);
}

TEST(Text, never_cuts_names_to_where_they_are_alike) {
  auto summary = a_study();
  summary.configurations[0].label = "batch_size 16, threads 2, dtype f16";
  summary.configurations[1].label = "batch_size 16, threads 2, dtype q8_0";
  const std::string text = summary_text(summary, {.width = 80, .colour = false});
  EXPECT_NE(text.find("\n  batch_size 16, threads 2, dtype f16\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\n  batch_size 16, threads 2, dtype q8_0\n"), std::string::npos) << text;
  EXPECT_NE(text.find("invalid\n"), std::string::npos) << "the state stays in sight";
}

TEST(Text, says_what_is_missing_skipped_stopped_and_drifting) {
  auto summary = a_study();
  EXPECT_EQ(summary_text(summary, {}).find("missing"), std::string::npos);
  summary.n_planned = 12;
  summary.n_missing = 5;
  summary.stopped = "10 trials in a row failed, the last with engine_died";
  summary.skipped = {{"batch_size 8192", "`batch_size` is 4096 or less"}};
  summary.drift = {{"aa", 4, "gross_j_per_output_token", 0.012,
                    domain::IntervalValue{0.002, 0.022, 0.95, "least squares, t(n-2)", 4}, 0.03}};
  const std::string text = summary_text(summary, {});
  EXPECT_NE(text.find("  stopped       10 trials in a row failed"), std::string::npos) << text;
  EXPECT_NE(text.find("  missing       5 of 12 trials have no result"), std::string::npos) << text;
  EXPECT_NE(text.find("                batch_size 8192: `batch_size` is 4096 or less"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("changed by +1.20 % an hour (+0.20"), std::string::npos) << text;
}

TEST(Text, says_whether_the_precision_was_reached_and_how_well_each_is_known) {
  auto summary = a_study();
  domain::PrecisionSummary& precision = summary.precision.emplace();
  precision.target_ratio = 0.015;
  precision.min_cycles = 5;
  precision.max_cycles = 40;
  precision.verdict = domain::BlockVerdict::reached;
  precision.blocks = 7;
  precision.configurations = {
      {"cc", 0, {}, false}, {"bb", 7, 0.0139, true}, {"aa", 7, 0.0148, true}};
  const auto notes = [&] {
    const std::string text = summary_text(summary, {});
    return text.substr(text.find("  precision"));
  };
  EXPECT_EQ(
      notes(),
      "  precision     reached after 7 cycles by 2 of 3 configurations; asked for: ±1.5 % of\n"
      "                gross_j_per_output_token, 5 to 40 cycles\n"
      "                batch 512: no value\n"
      "                batch 8: ±1.48 % over 7 cycles\n"
      "                batch 1: ±1.39 % over 7 cycles\n");
  precision.verdict = domain::BlockVerdict::budget_used;
  precision.budget_s = 3600;
  precision.configurations = {{"aa", 7, 0.016, false}, {"bb", 2, {}, false}};
  EXPECT_NE(notes().find("NOT reached: "), std::string::npos) << notes();
  EXPECT_NE(notes().find("are used up after 7 cycles"), std::string::npos) << notes();
  EXPECT_NE(notes().find("batch 8: ±1.60 % over 7 cycles, short of it\n"), std::string::npos)
      << notes();
  EXPECT_NE(notes().find("batch 1: no interval over 2 cycles\n"), std::string::npos) << notes();
  precision.verdict = domain::BlockVerdict::maximum_used;
  precision.configurations.assign(12, {"aa", 7, 0.016, false});
  EXPECT_NE(notes().find("NOT reached after 7 cycles, the most allowed"), std::string::npos);
  EXPECT_NE(notes().find("and 2 that are known better, in summary.json\n"), std::string::npos);
  precision.verdict = domain::BlockVerdict::go_on;
  EXPECT_NE(notes().find("not decided after 7 cycles"), std::string::npos) << notes();
}

TEST(Text, stays_within_a_hundred_columns) {
  auto c = a_result();
  c.model = std::string(150, 'm');
  c.codes = {"window_short", "effective_config_differs", "token_times_estimated", "contention"};
  auto summary = one(c);
  summary.trials = {
      a_row(0, 1, 2, "aa", "invalid", {}, std::string(90, 'x') + " " + std::string(300, 'y'))};
  auto study = a_study();
  study.configurations[0].label = std::string(150, 'l');
  for (const auto& text : {summary_text(summary, {}), summary_text(study, {})}) {
    for (const auto line : base::split(text, '\n')) {
      EXPECT_LE(display_width(line), 100U) << line;
    }
  }
}

TEST(Number, prints_as_many_digits_as_the_interval_needs) {
  EXPECT_EQ(number(a_value(0.41234, 0.0002)), "0.4123 ± 0.0002");
  EXPECT_EQ(number(a_value(1234.4, 15)), "1234 ± 15");
  EXPECT_EQ(number(a_value(0.000123)), "0.000123");
  EXPECT_EQ(number(a_value(-0.00106, 0.00294)), "-0.0011 ± 0.0029");
  EXPECT_EQ(number(a_value(-0.26, 0.01)), "-0.260 ± 0.010");
  EXPECT_EQ(number(a_value(-4.2e-17, 2.9e-17)), "-4e-17 ± 3e-17") << "never a negative zero";
}

TEST(Number, shows_the_limits_of_an_interval_that_is_not_symmetric) {
  auto a = a_value(36.602);
  a.interval = domain::IntervalValue{28.618, 50.764, 0.95, "fieller", 3};
  EXPECT_EQ(number(a), "36.6 (28.6 to 50.8)");
  a.source = Provenance::estimated;
  EXPECT_EQ(number(a), "~36.6 (28.6 to 50.8)");
  a.interval = domain::IntervalValue{36.4, 36.81, 0.95, "fieller", 3};
  EXPECT_EQ(number(a), "~36.6 ± 0.2");
}

TEST(Text, of_a_net_smaller_than_its_systematic_uncertainty_says_so) {
  auto c = a_result();
  c.net_j_per_output_token = a_value(-0.00106, 0.00294);
  c.net_j_per_output_token->u_systematic = 0.067;
  EXPECT_NE(summary_text(one(c), {}).find("(net of idle 31.2 W; systematic ±0.13)"),
            std::string::npos)
      << summary_text(one(c), {});
}

TEST(Format, keeps_widths_in_characters) {
  EXPECT_EQ(display_width("a ± µ"), 5U);
  EXPECT_EQ(shortened("añb±c", 4), "añb…");
  EXPECT_EQ(padded("µ", 3), "µ  ");
  EXPECT_EQ(wrapped("one two three", 7), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(flop_rate(2.5e15), "2.50 PFLOP/s");
  EXPECT_EQ(duration(1.2345), "1.23 s");
  EXPECT_EQ(duration(35e-6), "35.0 µs");
}

}  // namespace
}  // namespace llem::report
