#include <gtest/gtest.h>

#include "analysis/analyse.hpp"
#include "unit/analysis/recording_builder.hpp"

namespace llem::analysis {
namespace {

using test::a_recording;
using test::RecordingBuilder;

domain::Recording measured() {
  return a_recording()
      .counter("package-0", domain::Scope::package, RecordingBuilder::plain_wave(), 0.01)
      .build();
}

TEST(Cost, is_absent_without_the_user_s_factors) {
  EXPECT_FALSE(analyse(measured()).cost);
  domain::UserFactors only_pue;
  only_pue.pue_ratio = 1.2;
  EXPECT_FALSE(analyse(measured(), only_pue).cost);
}

TEST(Cost, is_gross_energy_times_the_facility_s_overhead_times_the_factor) {
  domain::UserFactors factors;
  factors.g_per_kwh = 51.5;
  factors.source = "grid operator 2025";
  factors.pue_ratio = 1.2;
  factors.price_per_kwh = 0.25;
  factors.currency = "EUR";
  const domain::TrialResult result = analyse(measured(), factors);
  ASSERT_TRUE(result.cost);
  const domain::Value& gross = *result.energy->headline_gross_j;
  const double kwh = gross.value / 3.6e6;
  EXPECT_DOUBLE_EQ(result.cost->energy_kwh, kwh);
  EXPECT_DOUBLE_EQ(result.cost->emissions_g->value, kwh * 1.2 * 51.5);
  EXPECT_DOUBLE_EQ(*result.cost->emissions_g->u_random / result.cost->emissions_g->value,
                   *gross.u_random / gross.value);
  EXPECT_DOUBLE_EQ(result.cost->price->value, kwh * 1.2 * 0.25);
  const auto tokens = static_cast<double>(result.throughput->output_tokens);
  EXPECT_DOUBLE_EQ(result.cost->price_per_million_output_tokens->value,
                   result.cost->price->value / tokens * 1e6);
  EXPECT_EQ(result.cost->g_per_kwh_source, "grid operator 2025");
  EXPECT_EQ(result.cost->emissions_g->source, domain::Provenance::derived);
}

TEST(Cost, counts_the_machine_alone_where_no_overhead_is_given) {
  domain::UserFactors factors;
  factors.price_per_kwh = 0.25;
  const domain::TrialResult result = analyse(measured(), factors);
  ASSERT_TRUE(result.cost);
  EXPECT_EQ(result.cost->pue_ratio, 1);
  EXPECT_FALSE(result.cost->emissions_g);
  EXPECT_DOUBLE_EQ(result.cost->price->value, result.cost->energy_kwh * 0.25);
}

TEST(Cost, of_a_configuration_is_a_ratio_of_sums_with_an_interval) {
  domain::UserFactors factors;
  factors.g_per_kwh = 100;
  const std::vector<domain::TrialResult> trials(3, analyse(measured(), factors));
  const auto summed = aggregate(measured().configuration, trials);
  ASSERT_TRUE(summed.emissions_g_per_million_output_tokens);
  EXPECT_NEAR(summed.emissions_g_per_million_output_tokens->value,
              summed.gross_j_per_output_token->value / 3.6e6 * 100 * 1e6, 1e-9);
  EXPECT_TRUE(summed.emissions_g_per_million_output_tokens->interval);
  EXPECT_FALSE(summed.price_per_million_output_tokens);
}

TEST(Cost, of_a_configuration_is_absent_where_its_cycles_have_other_factors) {
  domain::UserFactors factors;
  factors.price_per_kwh = 0.25;
  factors.currency = "EUR";
  const domain::TrialResult priced = analyse(measured(), factors);
  factors.currency = "USD";
  const domain::TrialResult elsewhere = analyse(measured(), factors);
  for (const auto& first : {analyse(measured()), elsewhere}) {
    const auto summed = aggregate(measured().configuration, std::vector{first, priced, priced});
    EXPECT_FALSE(summed.price_per_million_output_tokens);
    EXPECT_FALSE(summed.currency);
  }
}

}  // namespace
}  // namespace llem::analysis
