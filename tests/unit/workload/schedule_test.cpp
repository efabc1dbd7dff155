#include "workload/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "base/random.hpp"
#include "workload/bounds.hpp"

namespace llem::workload {
namespace {

using Numbers = std::vector<std::int64_t>;

domain::Workload a_workload(std::int64_t requests) {
  domain::Workload workload;
  workload.dataset.name = "letters";
  workload.requests = requests;
  workload.input_tokens.max = 512;
  workload.output_tokens.exact = 16;
  return workload;
}

domain::Deploy a_deploy(domain::Batching batching, std::int64_t batch_size) {
  domain::Deploy deploy;
  deploy.batching = batching;
  deploy.batch_size = batch_size;
  return deploy;
}

domain::LengthRule exact(std::int64_t tokens) {
  domain::LengthRule rule;
  rule.exact = tokens;
  return rule;
}

domain::LengthRule at_most(std::int64_t tokens) {
  domain::LengthRule rule;
  rule.max = tokens;
  return rule;
}

domain::LengthRule uniform(std::int64_t low, std::int64_t high) {
  domain::LengthRule rule;
  rule.uniform = {low, high};
  return rule;
}

domain::LengthRule lognormal(double mean, double cv, std::optional<std::int64_t> max = {}) {
  domain::LengthRule rule;
  rule.lognormal = domain::LogNormal{mean, cv, max};
  return rule;
}

const domain::Deploy kContinuous2 = a_deploy(domain::Batching::continuous, 2);

std::vector<std::string> prompts_of_lengths(const std::vector<std::size_t>& lengths) {
  std::vector<std::string> prompts;
  for (const std::size_t length : lengths) {
    prompts.emplace_back(length, 'x');
  }
  return prompts;
}

std::vector<std::string> alike(std::size_t count) {
  return std::vector<std::string>(count, "a prompt");
}

/// Prompt i is i, i, … of the given length, so that requests show where they came from.
std::vector<Numbers> tokens_of_lengths(const std::vector<std::size_t>& lengths) {
  std::vector<Numbers> tokens;
  for (const std::size_t length : lengths) {
    tokens.emplace_back(length, static_cast<std::int64_t>(tokens.size()));
  }
  return tokens;
}

std::vector<Numbers> tokens_of(std::size_t count) {
  return tokens_of_lengths(std::vector<std::size_t>(count, 10));
}

Numbers sources(const Pass& pass) {
  Numbers found;
  for (const PlannedRequest& request : pass) {
    found.push_back(request.prompt_tokens.front());
  }
  return found;
}

Numbers part(const Numbers& numbers, std::size_t begin, std::size_t count) {
  const auto first = numbers.begin() + static_cast<std::ptrdiff_t>(begin);
  return {first, first + static_cast<std::ptrdiff_t>(count)};
}

template <class T>
std::string error_text(const Expected<T>& outcome) {
  return outcome ? "no error" : base::describe(outcome.error());
}

Numbers chosen(const domain::Workload& workload, const domain::Deploy& deploy,
               const std::vector<std::string>& prompts, std::uint64_t block,
               std::int64_t max_passes) {
  const auto choice = choose_prompts(workload, deploy, prompts, block, max_passes);
  EXPECT_TRUE(choice) << error_text(choice);
  return choice ? choice->indices : Numbers();
}

// --- choosing ---

// The literals of this test and of the one on lengths come from a second implementation, in Python.
TEST(ChoosePrompts, draws_the_same_sample_on_every_machine) {
  EXPECT_EQ(chosen(a_workload(3), kContinuous2, alike(12), 0, 2),
            (Numbers{1, 9, 11, 0, 3, 4, 6, 10}));
  EXPECT_EQ(chosen(a_workload(3), kContinuous2, alike(12), 1, 2),
            (Numbers{1, 7, 9, 2, 4, 8, 0, 3}));
}

TEST(ChoosePrompts, takes_disjoint_prompts_for_every_pass_and_the_warmup) {
  const Numbers indices = chosen(a_workload(10), kContinuous2, alike(100), 3, 100);
  EXPECT_EQ(indices.size(), 92u);  // nine passes of ten, and two to warm up
  EXPECT_EQ(std::set(indices.begin(), indices.end()).size(), 92u);
}

TEST(ChoosePrompts, takes_no_more_passes_than_asked_for) {
  EXPECT_EQ(chosen(a_workload(10), kContinuous2, alike(100), 3, 2).size(), 22u);
}

TEST(ChoosePrompts, gives_the_window_the_same_prompts_whatever_the_batch) {
  const domain::Workload workload = a_workload(10);
  const Numbers one = chosen(workload, a_deploy(domain::Batching::continuous, 1), alike(100), 0, 2);
  const Numbers many =
      chosen(workload, a_deploy(domain::Batching::continuous, 32), alike(100), 0, 2);
  EXPECT_EQ(part(one, 0, 20), part(many, 0, 20));
}

TEST(ChoosePrompts, gives_the_warmup_the_same_prompts_whatever_the_passes) {
  const domain::Workload workload = a_workload(10);
  const Numbers few = chosen(workload, kContinuous2, alike(100), 0, 1);
  const Numbers more = chosen(workload, kContinuous2, alike(100), 0, 5);
  EXPECT_EQ(part(few, 10, 2), part(more, 50, 2));
}

TEST(ChoosePrompts, draws_another_sample_for_another_block_or_seed) {
  domain::Workload workload = a_workload(10);
  const Numbers first = chosen(workload, kContinuous2, alike(100), 0, 1);
  EXPECT_EQ(chosen(workload, kContinuous2, alike(100), 0, 1), first);
  EXPECT_NE(chosen(workload, kContinuous2, alike(100), 1, 1), first);
  workload.seed = 43;
  EXPECT_NE(chosen(workload, kContinuous2, alike(100), 0, 1), first);
}

TEST(ChoosePrompts, puts_each_pass_in_the_declared_order) {
  domain::Workload workload = a_workload(4);
  const std::vector<std::string> prompts =
      prompts_of_lengths({5, 3, 9, 1, 7, 2, 8, 4, 6, 10, 12, 11});
  const auto drawn = [&](domain::PromptOrder order) {
    workload.order = order;
    return chosen(workload, kContinuous2, prompts, 0, 2);
  };
  const Numbers shuffled = drawn(domain::PromptOrder::shuffled);
  const Numbers file = drawn(domain::PromptOrder::file);
  const Numbers length = drawn(domain::PromptOrder::length);
  for (const std::size_t begin : {0u, 4u}) {
    Numbers expected = part(shuffled, begin, 4);
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(part(file, begin, 4), expected);
    std::sort(expected.begin(), expected.end(), [&](std::int64_t a, std::int64_t b) {
      return prompts[static_cast<std::size_t>(a)].size() <
             prompts[static_cast<std::size_t>(b)].size();
    });
    EXPECT_EQ(part(length, begin, 4), expected);
  }
}

TEST(ChoosePrompts, rounds_static_passes_up_to_whole_batches) {
  EXPECT_EQ(chosen(a_workload(10), a_deploy(domain::Batching::static_batches, 8), alike(100), 0, 1)
                .size(),
            16u + 8u);
}

TEST(ChoosePrompts, shares_prompts_with_the_warmup_only_where_there_are_too_few) {
  EXPECT_EQ(chosen(a_workload(10), kContinuous2, alike(11), 0, 5).size(), 11u);
  EXPECT_EQ(chosen(a_workload(10), kContinuous2, alike(10), 0, 5),
            (Numbers{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(ChoosePrompts, refuses_a_data_set_smaller_than_a_pass) {
  domain::Workload workload = a_workload(20);
  EXPECT_EQ(error_text(choose_prompts(workload, kContinuous2, alike(7), 0, 1)),
            "error: the data set `letters` has 7 prompts, fewer than one pass of 20\n"
            "  at workload.requests\n"
            "  hint: set workload.requests to 7 or fewer, take a larger data set, or set "
            "workload.dataset.repeat to true\n");
  EXPECT_EQ(error_text(choose_prompts(workload, a_deploy(domain::Batching::static_batches, 8),
                                      alike(20), 0, 1)),
            "error: the data set `letters` has 20 prompts, fewer than one pass of 24 (20 requests "
            "rounded up to whole batches of 8)\n"
            "  at workload.requests\n"
            "  hint: set workload.requests to 16 or fewer, take a larger data set, or set "
            "workload.dataset.repeat to true\n");
  workload.dataset.repeat = true;
  EXPECT_EQ(chosen(workload, kContinuous2, alike(3), 0, 1), (Numbers{0, 1, 2}));
}

TEST(ChoosePrompts, refuses_a_data_set_without_prompts) {
  const std::string hint =
      "  at workload.dataset\n  hint: check workload.dataset, and its `field` for a .jsonl file\n";
  EXPECT_EQ(error_text(choose_prompts(a_workload(1), kContinuous2, {}, 0, 1)),
            "error: the data set `letters` holds no prompts\n" + hint);
  EXPECT_EQ(error_text(choose_prompts(a_workload(1), kContinuous2, {"", " \n"}, 0, 1)),
            "error: every one of the 2 prompts of the data set `letters` is empty\n" + hint);
}

TEST(ChoosePrompts, leaves_out_and_counts_empty_prompts) {
  const auto choice = choose_prompts(a_workload(2), kContinuous2, {"a", "", "b", " "}, 0, 1);
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->indices, (Numbers{0, 2}));
  EXPECT_EQ(choice->dataset_prompts, 4);
  EXPECT_EQ(choice->empty_prompts, 2);
}

TEST(ChoosePrompts, chooses_all_prompts_where_only_tokens_tell_which_are_long_enough) {
  domain::Workload workload = a_workload(2);
  workload.input_tokens = exact(8);
  EXPECT_EQ(chosen(workload, kContinuous2, alike(50), 0, 1).size(), 50u);
}

// --- schedules ---

TEST(MakeSchedules, serves_the_first_prompts_and_warms_up_with_the_last) {
  const auto made = make_schedules(a_workload(3), kContinuous2, tokens_of(9), 2048, 0);
  ASSERT_TRUE(made) << error_text(made);
  ASSERT_EQ(made->window.size(), 2u);
  EXPECT_EQ(sources(made->window[0]), (Numbers{0, 1, 2}));
  EXPECT_EQ(sources(made->window[1]), (Numbers{3, 4, 5}));
  ASSERT_EQ(made->warmup.size(), 1u);
  EXPECT_EQ(sources(made->warmup[0]), (Numbers{7, 8}));
  EXPECT_EQ(made->window[1][2].id, "p1r2");
  EXPECT_EQ(made->warmup[0][1].id, "w0r1");
  EXPECT_EQ(made->max_request_tokens, 26);
}

TEST(MakeSchedules, records_how_the_schedule_came_about) {
  const auto made = make_schedules(a_workload(10), a_deploy(domain::Batching::static_batches, 4),
                                   tokens_of(28), 2048, 0);
  ASSERT_TRUE(made) << error_text(made);
  EXPECT_EQ(made->record.mode, "static");
  EXPECT_EQ(made->record.batch_size, 4);
  EXPECT_EQ(made->record.requests_per_pass, 12);
  EXPECT_EQ(made->record.distinct_passes, 2);
  EXPECT_EQ(made->record.seed, 42);
  EXPECT_EQ(made->record.dataset, "letters");
  EXPECT_EQ(made->record.dataset_prompts, 28);
  EXPECT_EQ(made->record.skipped_prompts, 0);
  EXPECT_FALSE(made->record.prompts_repeat);
  EXPECT_FALSE(made->record.stop_at_eos);
  EXPECT_EQ(made->window[0].size(), 12u);
}

TEST(MakeSchedules, cuts_long_prompts_and_keeps_their_beginning) {
  domain::Workload workload = a_workload(1);
  workload.input_tokens = at_most(3);
  const auto made = make_schedules(workload, kContinuous2, {{1, 2, 3, 4, 5}, {6}}, 2048, 0);
  ASSERT_TRUE(made) << error_text(made);
  EXPECT_EQ(made->window[0][0].prompt_tokens, (Numbers{1, 2, 3}));
  EXPECT_EQ(made->warmup[0][1].prompt_tokens, (Numbers{6}));
}

TEST(MakeSchedules, skips_and_counts_prompts_shorter_than_an_exact_length) {
  domain::Workload workload = a_workload(2);
  workload.input_tokens = exact(8);
  const auto made =
      make_schedules(workload, kContinuous2, tokens_of_lengths({8, 7, 9, 1, 20, 8, 8}), 2048, 0);
  ASSERT_TRUE(made) << error_text(made);
  EXPECT_EQ(sources(made->window[0]), (Numbers{0, 2}));
  EXPECT_EQ(sources(made->warmup[0]), (Numbers{5, 6}));
  EXPECT_EQ(made->window[0][1].prompt_tokens.size(), 8u);
  EXPECT_EQ(made->record.skipped_prompts, 2);
  EXPECT_EQ(error_text(make_schedules(workload, kContinuous2, tokens_of_lengths({8, 7, 2}), 0, 0)),
            "error: 1 of 3 prompts have 8 tokens or more, fewer than one pass of 2\n"
            "  at workload.input_tokens.exact\n"
            "  hint: lower workload.input_tokens.exact, or write {max: 8} to take shorter ones\n");
}

TEST(MakeSchedules, ignores_the_end_of_sequence_for_exact_outputs_only) {
  domain::Workload workload = a_workload(1);
  auto made = make_schedules(workload, kContinuous2, tokens_of(3), 2048, 0);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->window[0][0].max_tokens, 16);
  EXPECT_EQ(made->window[0][0].min_tokens, 16);
  EXPECT_FALSE(made->window[0][0].stop_at_eos);
  workload.output_tokens = at_most(16);
  made = make_schedules(workload, kContinuous2, tokens_of(3), 2048, 0);
  ASSERT_TRUE(made);
  EXPECT_EQ(made->window[0][0].max_tokens, 16);
  EXPECT_EQ(made->window[0][0].min_tokens, 0);
  EXPECT_TRUE(made->window[0][0].stop_at_eos);
  EXPECT_TRUE(made->record.stop_at_eos);
}

TEST(MakeSchedules, repeats_prompts_only_when_told_to_and_says_so) {
  domain::Workload workload = a_workload(5);
  EXPECT_FALSE(make_schedules(workload, kContinuous2, tokens_of(3), 2048, 0));
  workload.dataset.repeat = true;
  const auto made = make_schedules(workload, kContinuous2, tokens_of(3), 2048, 0);
  ASSERT_TRUE(made) << error_text(made);
  EXPECT_EQ(sources(made->window[0]), (Numbers{0, 1, 2, 0, 1}));
  EXPECT_TRUE(made->record.prompts_repeat);
  EXPECT_EQ(made->record.distinct_passes, 0);
}

TEST(MakeSchedules, refuses_prompts_that_are_all_empty) {
  const auto made = make_schedules(a_workload(1), kContinuous2, {{}, {}}, 2048, 0);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, "no_prompts");
  EXPECT_EQ(made.error().message, "every one of the 2 prompts is empty");
}

TEST(MakeSchedules, refuses_a_request_the_model_cannot_hold) {
  const auto made =
      make_schedules(a_workload(2), kContinuous2, tokens_of_lengths({10, 50, 10, 10}), 64, 0);
  EXPECT_EQ(error_text(made),
            "error: request p0r1 has 50 prompt tokens and 16 to generate, more than the model's "
            "context of 64\n"
            "  at workload.input_tokens\n"
            "  hint: set workload.input_tokens to {max: 48} or less, or take a model with a longer "
            "context\n");
  EXPECT_EQ(made.error().code, "prompt_too_long");
  domain::Deploy deploy = kContinuous2;
  deploy.context_length = 12;
  EXPECT_EQ(error_text(make_schedules(a_workload(2), deploy, tokens_of(4), 64, 0)),
            "error: request p0r0 has 10 prompt tokens and 16 to generate, more than "
            "deploy.context_length of 12\n"
            "  at workload.input_tokens\n"
            "  hint: ask for shorter outputs in workload.output_tokens, or raise "
            "deploy.context_length\n");
  EXPECT_TRUE(make_schedules(a_workload(2), kContinuous2, tokens_of(4), 26, 0));
  EXPECT_TRUE(make_schedules(a_workload(2), kContinuous2, tokens_of(4), 0, 0));
}

// --- lengths ---

Numbers output_lengths(const domain::LengthRule& rule, std::uint64_t block, std::size_t requests) {
  domain::Workload workload = a_workload(static_cast<std::int64_t>(requests));
  workload.output_tokens = rule;
  const auto made = make_schedules(workload, kContinuous2, tokens_of(requests), 0, block);
  EXPECT_TRUE(made) << error_text(made);
  Numbers lengths;
  for (const PlannedRequest& request : made->window[0]) {
    EXPECT_EQ(request.min_tokens, request.max_tokens);
    lengths.push_back(request.max_tokens);
  }
  return lengths;
}

TEST(Lengths, are_the_same_on_every_machine) {
  EXPECT_EQ(output_lengths(uniform(10, 20), 0, 8), (Numbers{19, 13, 15, 10, 14, 14, 10, 12}));
  EXPECT_EQ(output_lengths(lognormal(100, 0.5), 0, 8), (Numbers{139, 71, 91, 64, 38, 52, 79, 82}));
}

TEST(Lengths, cover_a_uniform_range) {
  const Numbers lengths = output_lengths(uniform(3, 7), 1, 1000);
  const std::set<std::int64_t> seen(lengths.begin(), lengths.end());
  EXPECT_EQ(seen, (std::set<std::int64_t>{3, 4, 5, 6, 7}));
}

TEST(Lengths, have_the_mean_and_spread_of_a_lognormal) {
  const Numbers lengths = output_lengths(lognormal(200, 0.5), 1, 20000);
  double sum = 0;
  double squares = 0;
  for (const std::int64_t length : lengths) {
    sum += static_cast<double>(length);
    squares += static_cast<double>(length * length);
  }
  const double mean = sum / 20000;
  // Standard error of the mean: 100 / sqrt(20000) = 0.7; the cut at 800 tokens takes less than 1.
  EXPECT_NEAR(mean, 200, 3);
  EXPECT_NEAR(std::sqrt(squares / 20000 - mean * mean), 100, 4);
}

TEST(Lengths, stay_within_a_lognormal_maximum) {
  const domain::LengthRule rule = lognormal(100, 1, 120);
  const Numbers lengths = output_lengths(rule, 1, 1000);
  EXPECT_EQ(*std::max_element(lengths.begin(), lengths.end()), 120);
  EXPECT_GE(*std::min_element(lengths.begin(), lengths.end()), 1);
  EXPECT_EQ(longest_length(rule), 120);
}

TEST(Lengths, of_synthetic_prompts_follow_the_rule) {
  domain::Workload workload = a_workload(3);
  workload.dataset.name = "synthetic";
  const auto lengths = [&](std::uint64_t block, std::int64_t batch = 2, std::int64_t passes = 2) {
    const auto drawn =
        synthetic_lengths(workload, a_deploy(domain::Batching::continuous, batch), block, passes);
    EXPECT_TRUE(drawn) << error_text(drawn);
    return drawn.value_or(Numbers());
  };
  workload.input_tokens = exact(7);
  EXPECT_EQ(lengths(0), Numbers(8, 7));
  workload.input_tokens = uniform(5, 9);
  const Numbers drawn = lengths(0);
  EXPECT_EQ(drawn.size(), 8u);
  for (const std::int64_t length : drawn) {
    EXPECT_GE(length, 5);
    EXPECT_LE(length, 9);
  }
  EXPECT_EQ(lengths(0), drawn);
  EXPECT_NE(lengths(1), drawn);
  // More passes or another batch size leave the first passes alone.
  EXPECT_EQ(part(lengths(0, 64, 5), 0, 6), part(drawn, 0, 6));
}

TEST(Lengths, of_outputs_do_not_depend_on_the_batch_size) {
  domain::Workload workload = a_workload(4);
  workload.output_tokens = uniform(1, 1000);
  const auto lengths = [&](std::int64_t batch_size) {
    const auto made = make_schedules(workload, a_deploy(domain::Batching::continuous, batch_size),
                                     tokens_of(40), 0, 0);
    Numbers found;
    for (const Pass& pass : {made->window[0], made->window[1]}) {
      for (const PlannedRequest& request : pass) {
        found.push_back(request.max_tokens);
      }
    }
    return found;
  };
  EXPECT_EQ(lengths(1), lengths(32));
}

TEST(SamplingSeed, is_documented_and_changes_with_the_block) {
  const domain::Workload workload = a_workload(1);
  EXPECT_EQ(sampling_seed(workload, 0), base::derive_seed(42, "sampling", 0));
  EXPECT_NE(sampling_seed(workload, 0), sampling_seed(workload, 1));
}

std::vector<Pass> numbered_passes(std::int64_t count) {
  std::vector<Pass> passes;
  for (std::int64_t p = 0; p < count; ++p) {
    passes.push_back({PlannedRequest{"p" + std::to_string(p) + "r0", {p}, 1, 1, false}});
  }
  return passes;
}

std::vector<std::int64_t> prompts_of(const std::vector<Pass>& passes) {
  std::vector<std::int64_t> prompts;
  for (const Pass& pass : passes) {
    prompts.push_back(pass.front().prompt_tokens.front());
  }
  return prompts;
}

TEST(WindowShare, gives_each_window_passes_of_its_own) {
  const auto passes = numbered_passes(7);
  EXPECT_EQ(prompts_of(window_share(passes, 0, 3)), (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(prompts_of(window_share(passes, 1, 3)), (std::vector<std::int64_t>{2, 3}));
  EXPECT_EQ(prompts_of(window_share(passes, 2, 3)), (std::vector<std::int64_t>{4, 5, 6}));
  EXPECT_EQ(prompts_of(window_share(passes, 0, 1)),
            (std::vector<std::int64_t>{0, 1, 2, 3, 4, 5, 6}));
}

TEST(WindowShare, lets_too_few_passes_take_turns) {
  const auto passes = numbered_passes(2);
  EXPECT_EQ(prompts_of(window_share(passes, 2, 3)), (std::vector<std::int64_t>{0}));
}

TEST(WindowShare, counts_the_passes_of_the_window_in_the_ids) {
  const auto share = window_share(numbered_passes(4), 1, 2);
  EXPECT_EQ(share[0].front().id, "p0r0");
  EXPECT_EQ(share[1].front().id, "p1r0");
}

}  // namespace
}  // namespace llem::workload
