#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/batcher.hpp"
#include "support/interrupt.hpp"
#include "support/serve_passes.hpp"

namespace llem::worker {
namespace {

using domain::Batching;
using domain::Finish;

protocol::ScheduledRequest a_request(std::size_t prompt, std::int64_t output) {
  protocol::ScheduledRequest request;
  request.id = "x";
  request.prompt_tokens.resize(prompt);
  std::iota(request.prompt_tokens.begin(), request.prompt_tokens.end(), 100);
  request.max_tokens = output;
  return request;
}

protocol::SchedulePass a_pass(std::vector<std::pair<std::size_t, std::int64_t>> lengths) {
  protocol::SchedulePass pass;
  for (const auto& [prompt, output] : lengths) {
    pass.requests.push_back(a_request(prompt, output));
  }
  return pass;
}

/// Serves a pass with an engine that counts: the token after position p of sequence s is p + 1, and
/// it insists that positions of a sequence come in order and that the tokens are those of the
/// request.
struct Harness {
  Limits limits;
  std::vector<Step> steps;
  std::map<int, std::int32_t> next_position;
  std::int64_t now = 1000;

  std::vector<RequestState> serve(const protocol::SchedulePass& pass) {
    Batcher batcher(limits);
    batcher.begin(pass, now);
    while (!batcher.finished()) {
      const Step& step = batcher.plan(now);
      EXPECT_FALSE(step.rows.empty());
      EXPECT_LE(static_cast<std::int64_t>(step.rows.size()), limits.rows);
      steps.push_back(step);
      std::vector<Sampled> chosen;
      std::set<int> sequences;
      for (const Row& row : step.rows) {
        EXPECT_EQ(row.position, next_position[row.sequence]++);
        const auto prompt =
            static_cast<std::int32_t>(pass.requests[row.request].prompt_tokens.size());
        EXPECT_EQ(row.token, row.position < prompt ? 100 + row.position : row.position);
        sequences.insert(row.sequence);
        if (row.sampled) {
          chosen.push_back({row.position + 1, false});
        }
      }
      EXPECT_EQ(static_cast<std::int64_t>(sequences.size()), step.sequences);
      EXPECT_EQ(static_cast<std::int64_t>(step.rows.size()),
                step.prefill_tokens + step.decode_tokens);
      now += 10;
      for (const int sequence : batcher.complete(chosen, now - 10, now)) {
        next_position[sequence] = 0;
      }
    }
    return batcher.states();
  }
};

TEST(Batcher, in_static_mode_serves_whole_batches) {
  Harness harness{{Batching::static_batches, 2, 8}, {}, {}};
  const auto states = harness.serve(a_pass({{5, 3}, {4, 1}, {2, 2}}));
  // 9 prompt tokens in steps of 8; then the longer of the two decodes alone; then the third.
  ASSERT_EQ(harness.steps.size(), 6u);
  EXPECT_EQ(harness.steps[0].prefill_tokens, 8);
  EXPECT_EQ(harness.steps[0].decode_tokens, 0);
  EXPECT_EQ(harness.steps[1].prefill_tokens, 1);
  EXPECT_EQ(harness.steps[1].decode_tokens, 0) << "nobody decodes while a prompt is left";
  EXPECT_EQ(harness.steps[2].decode_tokens, 1);
  EXPECT_EQ(harness.steps[3].decode_tokens, 1);
  EXPECT_EQ(harness.steps[4].prefill_tokens, 2);
  EXPECT_EQ(states[0].output.size(), 3u);
  EXPECT_EQ(states[1].output.size(), 1u);
  EXPECT_EQ(states[2].started_ns, 1040);
  EXPECT_EQ(states[2].submitted_ns, 1000);
}

TEST(Batcher, in_continuous_mode_lets_requests_join_and_leave) {
  Harness harness{{Batching::continuous, 2, 6}, {}, {}};
  const auto states = harness.serve(a_pass({{3, 2}, {3, 4}, {7, 2}}));
  EXPECT_EQ(harness.steps[0].prefill_tokens, 6);
  EXPECT_EQ(harness.steps[1].decode_tokens, 2);
  // The first has left: the third's prompt shares a step with the second's token.
  EXPECT_EQ(harness.steps[2].decode_tokens, 1);
  EXPECT_EQ(harness.steps[2].prefill_tokens, 5);
  EXPECT_EQ(harness.steps[3].decode_tokens, 1);
  EXPECT_EQ(harness.steps[3].prefill_tokens, 2);
  for (const RequestState& state : states) {
    EXPECT_EQ(state.finish, Finish::length);
    EXPECT_EQ(state.output.size(), state.token_ns.size());
  }
}

TEST(Batcher, counts_the_context_that_a_step_attends_to) {
  Harness harness{{Batching::continuous, 2, 64}, {}, {}};
  harness.serve(a_pass({{3, 2}, {5, 2}}));
  ASSERT_EQ(harness.steps.size(), 2u);
  EXPECT_EQ(harness.steps[0].context_tokens, 8);
  EXPECT_EQ(harness.steps[1].context_tokens, 4 + 6);
}

TEST(Batcher, samples_only_after_the_last_token_of_a_prompt) {
  Harness harness{{Batching::continuous, 1, 4}, {}, {}};
  harness.serve(a_pass({{10, 1}}));
  ASSERT_EQ(harness.steps.size(), 3u);
  std::int64_t sampled = 0;
  for (const Step& step : harness.steps) {
    for (const Row& row : step.rows) {
      sampled += row.sampled ? 1 : 0;
    }
  }
  EXPECT_EQ(sampled, 1);
  EXPECT_TRUE(harness.steps.back().rows.back().sampled);
}

TEST(Batcher, ends_at_end_of_sequence_only_when_asked_and_allowed) {
  for (const bool stop : {false, true}) {
    protocol::SchedulePass pass = a_pass({{1, 5}});
    pass.requests[0].stop_at_eos = stop;
    pass.requests[0].min_tokens = 2;
    Batcher batcher({Batching::continuous, 1, 1});
    batcher.begin(pass, 0);
    std::vector<bool> may_stop;
    while (!batcher.finished()) {
      may_stop.push_back(batcher.plan(0).rows[0].may_stop);
      batcher.complete(std::vector<Sampled>{{7, true}}, 1, 2);
    }
    EXPECT_EQ(batcher.states()[0].output.size(), stop ? 3u : 5u);
    EXPECT_EQ(batcher.states()[0].finish, stop ? Finish::eos : Finish::length);
    EXPECT_FALSE(may_stop[1]);
    EXPECT_TRUE(may_stop[2]);
  }
}

TEST(Batcher, waits_for_requests_that_have_not_arrived) {
  protocol::SchedulePass pass = a_pass({{1, 1}, {1, 1}});
  pass.requests[1].at_s = 1e-6;
  Batcher batcher({Batching::continuous, 2, 8});
  batcher.begin(pass, 5000);
  EXPECT_EQ(batcher.plan(5000).rows.size(), 1u);
  batcher.complete(std::vector<Sampled>{{1, false}}, 5000, 5100);
  EXPECT_TRUE(batcher.plan(5100).rows.empty());
  EXPECT_EQ(batcher.next_arrival_ns(), 6000);
  EXPECT_EQ(batcher.plan(6050).rows.size(), 1u);
  EXPECT_EQ(batcher.states()[1].intended_ns, 6000);
  EXPECT_EQ(batcher.states()[1].submitted_ns, 6050);
}

/// A cache of `cells` tokens for all sequences together.
struct SmallCache {
  std::size_t cells = 0;
  std::map<int, std::vector<Token>> held;

  bool take(const Step& step) {
    std::size_t used = step.rows.size();
    for (const auto& [sequence, tokens] : held) {
      used += tokens.size();
    }
    if (used > cells) {
      return false;
    }
    for (const Row& row : step.rows) {
      EXPECT_EQ(static_cast<std::size_t>(row.position), held[row.sequence].size());
      held[row.sequence].push_back(row.token);
    }
    return true;
  }
};

TEST(Batcher, evicts_the_youngest_when_the_cache_is_full_and_computes_it_again) {
  const protocol::SchedulePass pass = a_pass({{4, 8}, {4, 8}, {4, 8}});
  Batcher batcher({Batching::continuous, 3, 16});
  SmallCache cache{16, {}};
  batcher.begin(pass, 0);
  int evictions = 0;
  for (int rounds = 0; !batcher.finished(); ++rounds) {
    ASSERT_LT(rounds, 1000) << "no progress";
    const Step& step = batcher.plan(0);
    if (!cache.take(step)) {
      std::optional<int> evicted;
      ASSERT_TRUE(batcher.shrink(evicted));
      if (evicted) {
        cache.held.erase(*evicted);
        ++evictions;
      }
      continue;
    }
    std::vector<Sampled> chosen;
    for (const Row& row : step.rows) {
      if (row.sampled) {
        chosen.push_back({1000 + row.position, false});
      }
    }
    for (const int sequence : batcher.complete(chosen, 1, 2)) {
      cache.held.erase(sequence);
    }
  }
  EXPECT_GT(evictions, 0);
  for (const RequestState& state : batcher.states()) {
    ASSERT_EQ(state.output.size(), 8u);
    for (std::size_t i = 0; i < 8; ++i) {
      EXPECT_EQ(state.output[i], 1003 + static_cast<Token>(i)) << "outputs survive an eviction";
    }
  }
}

TEST(Batcher, gives_up_when_one_request_alone_does_not_fit) {
  const protocol::SchedulePass pass = a_pass({{4, 8}});
  Batcher batcher({Batching::continuous, 3, 16});
  batcher.begin(pass, 0);
  std::optional<int> evicted;
  int tries = 0;
  do {
    batcher.plan(0);
    ASSERT_LT(++tries, 10);
  } while (batcher.shrink(evicted));
}

class CountingStepper : public Stepper {
 public:
  void begin_pass(const protocol::SchedulePass&, std::span<const std::string> names) override {
    ids.assign(names.begin(), names.end());
    ++passes;
  }

  void empty_cache() override { ++cleared; }

  Expected<StepOutcome> run(const Step& step, std::vector<Sampled>& chosen, Interrupt&) override {
    for (const Row& row : step.rows) {
      if (row.sampled) {
        chosen.push_back({1, false});
      }
    }
    return StepOutcome::done;
  }

  void release(int) override {}

  std::int64_t text_bytes(std::span<const Token> output) override {
    return static_cast<std::int64_t>(output.size());
  }

  std::vector<std::string> ids;
  int passes = 0;
  int cleared = 0;
};

protocol::Schedule a_schedule(int passes) {
  protocol::Schedule schedule;
  schedule.mode = "continuous";
  schedule.batch_size = 2;
  for (int i = 0; i < passes; ++i) {
    schedule.passes.push_back(a_pass({{2, 2}, {2, 3}}));
    schedule.passes.back().requests[0].id = "p" + std::to_string(i) + "r0";
    schedule.passes.back().requests[1].id = "p" + std::to_string(i) + "r1";
  }
  return schedule;
}

TEST(ServePasses, goes_round_until_enough_requests_are_done_and_names_them_by_true_pass) {
  CountingStepper stepper;
  Interrupt interrupt([] { return false; });
  protocol::ServeCommand command;
  command.repeat.min_requests = 5;
  const auto record =
      serve_passes(a_schedule(2), command, {Batching::continuous, 2, 8}, stepper, interrupt);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->serve.passes, 3);
  EXPECT_EQ(record->serve.requests.size(), 6u);
  EXPECT_EQ(record->serve.requests[4].id, "p2r0");
  EXPECT_EQ(record->serve.requests[4].pass, 2);
  EXPECT_EQ(record->serve.token_ns.size(), 15u);
  EXPECT_EQ(record->serve.requests[5].token_offset, 12);
  EXPECT_EQ(record->serve.requests[5].output_bytes, 3);
  EXPECT_EQ(stepper.cleared, 3);
  EXPECT_FALSE(record->cancelled);
}

TEST(ServePasses, keeps_the_cache_when_told_and_obeys_the_most_passes) {
  CountingStepper stepper;
  Interrupt interrupt([] { return false; });
  protocol::ServeCommand command;
  command.reset_cache = false;
  command.repeat.min_s = 3600;
  command.repeat.max_passes = 2;
  const auto record =
      serve_passes(a_schedule(1), command, {Batching::continuous, 2, 8}, stepper, interrupt);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->serve.passes, 2);
  EXPECT_EQ(stepper.cleared, 0);
}

TEST(ServePasses, ends_at_once_when_the_host_interrupts) {
  CountingStepper stepper;
  Interrupt interrupt([] { return true; });
  const auto record =
      serve_passes(a_schedule(1), {}, {Batching::continuous, 2, 8}, stepper, interrupt);
  ASSERT_TRUE(record);
  EXPECT_TRUE(record->cancelled);
  EXPECT_EQ(record->serve.passes, 0);
  EXPECT_TRUE(record->serve.requests.empty()) << "nothing had begun";
}

TEST(ServePasses, aborts_what_runs_when_its_time_is_up) {
  class Slow : public CountingStepper {
    Expected<StepOutcome> run(const Step& step, std::vector<Sampled>& chosen,
                              Interrupt& interrupt) override {
      const std::int64_t end = now_ns() + 5'000'000;
      while (now_ns() < end) {
      }
      return CountingStepper::run(step, chosen, interrupt);
    }
  } stepper;

  Interrupt interrupt([] { return false; });
  protocol::Schedule schedule = a_schedule(1);
  schedule.passes[0].requests[1].max_tokens = 1000;
  protocol::ServeCommand command;
  command.repeat.max_s = 0.05;
  const auto record =
      serve_passes(schedule, command, {Batching::continuous, 2, 8}, stepper, interrupt);
  ASSERT_TRUE(record);
  EXPECT_FALSE(record->cancelled) << "an end that was planned";
  ASSERT_EQ(record->serve.requests.size(), 2u);
  EXPECT_EQ(record->serve.requests[0].finish, Finish::length);
  EXPECT_EQ(record->serve.requests[1].finish, Finish::abort);
  EXPECT_LT(record->serve.t_end_ns - record->serve.t_begin_ns, 500'000'000);
}

TEST(NameInPass, numbers_the_pass_or_marks_the_round) {
  EXPECT_EQ(name_in_pass("p0r3", 12, 2), "p12r3");
  EXPECT_EQ(name_in_pass("w7", 0, 2), "w7");
  EXPECT_EQ(name_in_pass("w7", 3, 2), "w7@3");
  EXPECT_EQ(name_in_pass("pr1", 3, 2), "pr1@3");
}

}  // namespace
}  // namespace llem::worker
