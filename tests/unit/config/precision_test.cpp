#include <gtest/gtest.h>

#include "base/field_io.hpp"
#include "config/config.hpp"
#include "unit/config/errors.hpp"

namespace llem::config {
namespace {

Expected<domain::StudyConfig> resolved(std::string_view text) {
  auto study = load_study(text, "study.yaml", {}, {});
  if (!study) {
    return tl::unexpected<Error>(std::move(study).error());
  }
  auto outcome = resolve(std::move(study->config), {.usable_cpus = 6});
  if (!outcome) {
    return tl::unexpected<Error>(with_origins(std::move(outcome).error(), study->origins));
  }
  return outcome;
}

std::string refusal(std::string_view rest) {
  return error_text(resolved("model: x\n" + std::string(rest)));
}

TEST(Precision, has_a_short_form_and_defaults_by_profile) {
  const auto full = resolved("model: x\nstudy: {precision: 0.01}\n");
  ASSERT_TRUE(full) << error_text(full);
  const domain::Precision& precision = *full->study.precision;
  EXPECT_EQ(precision.relative_half_width, 0.01);
  EXPECT_EQ(precision.metric, domain::PrecisionMetric::gross_j_per_output_token);
  EXPECT_EQ(precision.min_cycles, 10);
  EXPECT_EQ(precision.max_cycles, 40);
  EXPECT_FALSE(precision.budget_s);
  EXPECT_EQ(full->study.cycles, 40) << "the plan is made for the most";
  const auto quick = resolved("model: x\nmeasure: {profile: quick}\nstudy: {precision: 0.01}\n");
  EXPECT_EQ(quick->study.precision->min_cycles, 5);
  const auto many =
      resolved("model: x\nstudy: {precision: {relative_half_width: 0.01, min_cycles: 60}}\n");
  EXPECT_EQ(many->study.precision->max_cycles, 60);
  EXPECT_FALSE(resolved("model: x\n")->study.precision);
}

TEST(Precision, is_resolved_once) {
  const auto once = resolved(
      "model: x\nstudy: {precision: {relative_half_width: 0.02, metric: output_tokens_per_s, "
      "min_cycles: 4, max_cycles: 9, budget_s: 60}}\n");
  ASSERT_TRUE(once) << error_text(once);
  EXPECT_EQ(once->study.cycles, 9);
  const auto twice = resolve(*once, {.usable_cpus = 64});
  ASSERT_TRUE(twice) << error_text(twice);
  EXPECT_EQ(base::write_struct(*twice), base::write_struct(*once));
}

TEST(Precision, contradicts_a_number_of_cycles) {
  EXPECT_EQ(refusal("study:\n  cycles: 5\n  precision: 0.01\n"),
            "error: `study.cycles` and `study.precision` both say how many cycles there are\n"
            "  at study.yaml:3:11 study.cycles\n"
            "  at study.yaml:4:14 study.precision.relative_half_width\n"
            "  hint: keep one of them; precision has min_cycles and max_cycles\n");
  const auto flag = load_study("model: x\nstudy: {precision: 0.01}\n", "study.yaml",
                               {{"study.cycles", "7", "--cycles"}}, {});
  EXPECT_NE(error_text(flag).find("at --cycles study.cycles\n"), std::string::npos)
      << error_text(flag);
}

TEST(Precision, needs_an_order_of_whole_blocks) {
  EXPECT_EQ(refusal("study: {order: interleaved, precision: 0.01}\n"), "no error");
  for (const std::string order : {"sequential", "shuffled", "latin_square"}) {
    const std::string text = refusal("study: {order: " + order + ", precision: 0.01}\n");
    EXPECT_NE(text.find("the order " + order), std::string::npos) << text;
    EXPECT_NE(text.find("at study.yaml:2:16 study.order\n"), std::string::npos) << text;
  }
}

TEST(Precision, has_bounds_in_order) {
  EXPECT_EQ(
      refusal("study: {precision: {relative_half_width: 0.01, min_cycles: 9, max_cycles: 8}}\n"),
      "error: the fewest cycles, 9, are more than the most, 8\n"
      "  at study.yaml:2:60 study.precision.min_cycles\n"
      "  at study.yaml:2:75 study.precision.max_cycles\n");
  const std::string few =
      refusal("study: {precision: {relative_half_width: 0.01, max_cycles: 8}}\n");
  EXPECT_NE(few.find("at most 8 cycles are fewer than the 10 that the profile starts with"),
            std::string::npos)
      << few;
  EXPECT_NE(few.find("at study.yaml:2:60 study.precision.max_cycles"), std::string::npos) << few;
}

TEST(Precision, refuses_what_can_be_no_interval) {
  for (const std::string bad :
       {"0", "1", "0.6", "-0.01", "{min_cycles: 5}", "{relative_half_width: 0.01, min_cycles: 2}",
        "{relative_half_width: 0.01, budget_s: 0}",
        "{relative_half_width: 0.01, metric: joules}"}) {
    EXPECT_EQ(refusal("study: {precision: " + bad + "}\n").substr(0, 7), "error: ") << bad;
  }
}

TEST(Precision, is_refused_once_for_all_points) {
  const auto study = load_study(
      "model: x\nsweep: {deploy.batch_size: [1, 2]}\nstudy: {order: shuffled, precision: 0.01}\n",
      "study.yaml", {}, {});
  EXPECT_NE(error_text(study).find("the order shuffled"), std::string::npos) << error_text(study);
}

}  // namespace
}  // namespace llem::config
