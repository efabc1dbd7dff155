#include <gtest/gtest.h>

#include "analysis/analyse.hpp"
#include "analysis/parts.hpp"
#include "unit/analysis/recording_builder.hpp"

namespace llem::analysis {
namespace {

using domain::Recording;
using domain::Scope;
using test::a_recording;
using test::RecordingBuilder;

Recording a_measured_recording() {
  return a_recording()
      .counter("package-0", Scope::package, RecordingBuilder::plain_wave(), 0.1)
      .build();
}

/// As if prefill had taken 100 J and decode 1200 J of 1500 J.
domain::RequestEnergy divided(const Recording& recording) {
  domain::Energy energy;
  energy.headline_scope = "cpu_package";
  energy.headline_gross_j = domain::Value{1500, 1, {}, {}, {}};
  domain::Phases phases;
  phases.prefill_j = domain::Value{100, 1, {}, {}, {}};
  phases.decode_j = domain::Value{1200, 1, {}, {}, {}};
  return *request_energy(find_windows(recording).at(0), energy, phases);
}

TEST(RequestEnergy, by_window_average_is_that_of_the_window_by_output_tokens) {
  // Twenty requests of 16 tokens; the first one delivers four and all others share its rest.
  auto recording = a_measured_recording();
  recording.serves[0].requests[0].output_tokens = 4;
  const auto result = analyse(recording);
  ASSERT_TRUE(result.request_energy);
  const auto& r = result.request_energy->definitions.at(0);
  const double gross = result.energy->headline_gross_j->value;
  EXPECT_EQ(r.definition, "window_average");
  EXPECT_EQ(r.n, 20);
  EXPECT_NEAR(r.mean_j, gross / 20, 1e-9 * gross);
  EXPECT_NEAR(r.median_j, gross * 16 / 308, 1e-9 * gross);
  EXPECT_NEAR(r.unattributed_j, 0, 1e-9 * gross);
}

TEST(RequestEnergy, by_token_time_follows_prompts_and_the_steps_a_request_decodes_in) {
  // Ten batches of two alike: 100/20 J of prefill and 1200/20 J of decode each.
  const auto alike = divided(a_measured_recording());
  ASSERT_EQ(alike.definitions.size(), 2U);
  const auto& even = alike.definitions[1];
  EXPECT_EQ(even.definition, "token_time_share");
  EXPECT_NEAR(even.mean_j, 65, 1e-9);
  EXPECT_NEAR(even.median_j, 65, 1e-9);
  EXPECT_NEAR(even.unattributed_j, 200, 1e-9);
  // A prompt three times as long takes three of 22 parts of the prefill instead of one of 20.
  auto recording = a_measured_recording();
  recording.serves[0].requests[0].prompt_tokens = 24;
  const auto longer = divided(recording);
  EXPECT_NEAR(longer.definitions[1].median_j, 60 + 100.0 / 22, 1e-9);
  EXPECT_NEAR(longer.definitions[1].sum_j, 1300, 1e-9);
}

TEST(RequestEnergy, leaves_what_failed_requests_took_unattributed) {
  auto recording = a_measured_recording();
  recording.serves[0].requests[0].finish = domain::Finish::error;
  const auto told = divided(recording);
  EXPECT_EQ(told.definitions[0].n, 19);
  EXPECT_NEAR(told.definitions[0].unattributed_j, 0, 1e-9);  // the others bear it
  EXPECT_EQ(told.definitions[1].n, 19);
  EXPECT_NEAR(told.definitions[1].unattributed_j, 265, 1e-9);
}

TEST(RequestEnergy, adds_up_to_the_window) {
  auto recording = a_measured_recording();
  recording.serves[0].requests[3].prompt_tokens = 77;
  for (const auto& r : divided(recording).definitions) {
    EXPECT_NEAR(r.sum_j + r.unattributed_j, 1500, 1500e-9) << r.definition;
    EXPECT_NEAR(r.mean_j * static_cast<double>(r.n), r.sum_j, 1500e-9) << r.definition;
  }
  const auto result = analyse(recording);
  const double gross = result.energy->headline_gross_j->value;
  for (const auto& r : result.request_energy->definitions) {
    EXPECT_NEAR(r.sum_j + r.unattributed_j, gross, 1e-9 * gross) << r.definition;
  }
}

TEST(RequestEnergy, by_token_time_needs_the_time_of_every_token) {
  auto recording = a_measured_recording();
  recording.serves[0].token_time = domain::TokenTime::per_chunk;
  const auto told = divided(recording);
  EXPECT_EQ(told.definitions.size(), 1U);
  EXPECT_EQ(told.token_time_share_refused, "token times are not measured for every token");
}

TEST(RequestEnergy, is_absent_without_energy) {
  EXPECT_FALSE(analyse(a_recording().build()).request_energy);
}

}  // namespace
}  // namespace llem::analysis
