#include <gtest/gtest.h>

#include "base/text.hpp"
#include "unit/config/spaces.hpp"

namespace llem::config {
namespace {

TEST(Expand, makes_one_point_of_a_study_that_varies_nothing) {
  const auto space = space_of("model: x\nexclude: []\nexperiments: []\nsweep: {}\n");
  ASSERT_TRUE(space) << error_text(space);
  ASSERT_EQ(space->points.size(), 1);
  EXPECT_EQ(space->points[0].label, "");
  EXPECT_TRUE(space->points[0].levels.empty());
  EXPECT_TRUE(space->factors.empty());
  EXPECT_EQ(space->points[0].config.deploy.threads, 4);  // resolved
}

TEST(Expand, turns_the_last_axis_fastest) {
  const auto space =
      space_of("model: x\nsweep:\n  deploy.threads: [4, 2]\n  deploy.batch_size: [1, 8]\n");
  EXPECT_EQ(labels_of(space), (Labels{"threads 4, batch_size 1", "threads 4, batch_size 8",
                                      "threads 2, batch_size 1", "threads 2, batch_size 8"}));
  EXPECT_EQ(space->factors[0].name, "deploy.threads");
  EXPECT_EQ(space->factors[0].levels, (Labels{"4", "2"}));
  EXPECT_EQ(space->points[2].levels, (Indices{1, 0}));
  EXPECT_EQ(space->points[2].config.deploy.threads, 2);
  EXPECT_EQ(space->points[2].config.deploy.batch_size, 1);
  EXPECT_TRUE(space->points[2].config.sweep.empty());
}

TEST(Expand, takes_one_value_for_one_level) {
  const auto space = space_of("model: x\nsweep: {deploy.threads: 2, deploy.batch_size: [1, 8]}\n");
  EXPECT_EQ(labels_of(space), (Labels{"batch_size 1", "batch_size 8"}));
  EXPECT_EQ(space->points[0].config.deploy.threads, 2);
  EXPECT_EQ(space->points[0].levels, (Indices{0, 0}));
}

TEST(Expand, reaches_every_block_and_the_names_of_maps) {
  const auto space = space_of(
      "model: x\ndeploy: {env: {A: a}, llamacpp: {n_batch: 64}}\n"
      "sweep:\n  deploy.env.X: ['1', '2']\n  deploy.llamacpp.n_ctx: 64\n"
      "  workload.requests: 5\n  measure.window.min_s: 3\n  model: org/y\n");
  ASSERT_TRUE(space) << error_text(space);
  const domain::StudyConfig& config = space->points[1].config;
  EXPECT_EQ(config.deploy.env, (std::map<std::string, std::string>{{"A", "a"}, {"X", "2"}}));
  EXPECT_EQ(config.deploy.llamacpp.at("n_ctx"), base::Json(64));
  EXPECT_EQ(config.deploy.llamacpp.at("n_batch"), base::Json(64));
  EXPECT_EQ(config.workload.requests, 5);
  EXPECT_EQ(config.measure.window.min_s, 3);
  EXPECT_EQ(config.model.name, "org/y");
  EXPECT_EQ(space->points[1].label, "X 2");
}

TEST(Expand, replaces_what_the_constants_say) {
  const auto space = space_of(
      "model: {name: a, file: f.gguf}\nworkload: {input_tokens: {max: 512}}\n"
      "sweep:\n  workload.input_tokens: [{exact: 16}, 32, {max: 8}]\n  model: [x, y]\n");
  ASSERT_TRUE(space) << error_text(space);
  EXPECT_EQ(space->points[0].label, "input_tokens {exact: 16}, model x");
  EXPECT_EQ(space->points[0].config.workload.input_tokens.exact, 16);
  EXPECT_FALSE(space->points[0].config.workload.input_tokens.max);
  EXPECT_EQ(space->points[2].config.workload.input_tokens.exact, 32);
  EXPECT_EQ(space->points[5].config.workload.input_tokens.max, 8);
  EXPECT_EQ(space->points[5].config.model.name, "y");
  EXPECT_FALSE(space->points[5].config.model.file);
}

TEST(Expand, needs_no_model_in_the_constants_where_levels_name_it) {
  EXPECT_EQ(labels_of(space_of("sweep: {model: [x, org/y]}\n")),
            (Labels{"model x", "model org/y"}));
  const auto some = space_of("experiments: [{model: x}, {deploy: {threads: 2}}]\n");
  ASSERT_TRUE(some) << error_text(some);
  EXPECT_EQ(labels_of(some), Labels{"model x"});
  EXPECT_EQ(some->skipped.at(0).label, "threads 2");
  EXPECT_EQ(some->skipped.at(0).reason, "`model` is missing");
}

TEST(Expand, writes_ranges_out) {
  const auto levels = [](const std::string& axis) {
    const auto space = space_of("model: x\nsweep: {" + axis + "}\n");
    return space ? base::join(space->factors[0].levels, " ") : error_text(space);
  };
  EXPECT_EQ(levels("deploy.batch_size: {from: 1, to: 64, times: 2}"), "1 2 4 8 16 32 64");
  EXPECT_EQ(levels("deploy.batch_size: {from: 1, to: 63, times: 2}"), "1 2 4 8 16 32");
  EXPECT_EQ(levels("measure.window.pad_s: {from: 0, to: 1, step: 0.25}"), "0 0.25 0.5 0.75 1");
  EXPECT_EQ(levels("measure.window.pad_s: {from: 0.1, to: 0.7, step: 0.2}"), "0.1 0.3 0.5 0.7");
  EXPECT_EQ(levels("workload.requests: {from: 1, to: 1000, points: 4, scale: log}"),
            "1 10 100 1000");
  EXPECT_EQ(levels("workload.requests: {from: 1, to: 3, points: 5}"), "1 2 3");
  EXPECT_EQ(levels("deploy.threads: {from: 1, to: 100, points: 4, scale: log}"), "1 5 22 100");
  EXPECT_EQ(levels("measure.sample_hz: {from: 1, to: 2, points: 3}"), "1 1.5 2");
  EXPECT_EQ(levels("deploy.llamacpp.x: {from: 0.5, to: 1, points: 2}"), "0.5 1");
  EXPECT_EQ(levels("deploy.threads: [~, 4]"), "default 4");
  EXPECT_EQ(levels("measure.meters: [[host], [host, rapl]]"), "[host] [host, rapl]");
}

TEST(Expand, advances_the_lists_of_a_zip_together) {
  const auto space = space_of(
      "model: x\nzip:\n  - {deploy.batch_size: [1, 8], deploy.threads: {from: 2, to: 4, step: 2}}\n"
      "sweep: {deploy.attention: [flash, standard]}\n");
  EXPECT_EQ(labels_of(space), (Labels{"batch_size 1, threads 2, attention flash",
                                      "batch_size 1, threads 2, attention standard",
                                      "batch_size 8, threads 4, attention flash",
                                      "batch_size 8, threads 4, attention standard"}));
  EXPECT_EQ(space->factors[0].name, "deploy.batch_size + deploy.threads");
  EXPECT_EQ(space->factors[0].levels, (Labels{"1 + 2", "8 + 4"}));
  EXPECT_EQ(space->points[3].levels, (Indices{1, 1}));
}

TEST(Expand, names_points_after_their_variants) {
  const auto space = space_of(
      "model: x\nsweep: {deploy.batch_size: [1, 8]}\n"
      "variants:\n  precision:\n    plain: {}\n"
      "    small: {deploy.kv_cache.dtype: q8_0, model: y}\n");
  EXPECT_EQ(labels_of(space), (Labels{"batch_size 1, plain", "batch_size 1, small",
                                      "batch_size 8, plain", "batch_size 8, small"}));
  EXPECT_EQ(space->factors[1].name, "precision");
  EXPECT_EQ(space->factors[1].levels, (Labels{"plain", "small"}));
  EXPECT_EQ(space->points[1].config.deploy.kv_cache.dtype, "q8_0");
  EXPECT_EQ(space->points[1].config.model.name, "y");
  EXPECT_EQ(space->points[2].config.model.name, "x");
}

TEST(Expand, tells_variants_of_one_name_apart) {
  EXPECT_EQ(labels("variants:\n  a: {on: {deploy.threads: 1}, off: {}}\n"
                   "  b: {on: {deploy.batch_size: 2}, no: {}}\n"),
            (Labels{"a on, b on", "a on, no", "off, b on", "off, no"}));
}

TEST(Expand, calls_an_axis_by_its_whole_path_where_two_end_alike) {
  EXPECT_EQ(labels("sweep: {measure.warmup.min_s: [1, 2], measure.window.min_s: [3, 4]}\n")[0],
            "measure.warmup.min_s 1, measure.window.min_s 3");
}

TEST(Expand, merges_each_experiment_over_the_constants) {
  const auto space = space_of(
      "model: x\ndeploy: {threads: 2, env: {A: a}}\nworkload: {output_tokens: {max: 9}}\n"
      "experiments:\n  - deploy: {batch_size: 8, env: {B: b}}\n"
      "  - {name: long, workload: {output_tokens: {exact: 99}}}\n  - deploy.threads: 1\n");
  EXPECT_EQ(labels_of(space), (Labels{"batch_size 8, B b", "long", "threads 1"}));
  EXPECT_EQ(space->factors[0].name, "experiments");
  EXPECT_EQ(space->factors[0].levels, (Labels{"batch_size 8, B b", "long", "threads 1"}));
  const domain::Deploy& first = space->points[0].config.deploy;
  EXPECT_EQ(first.threads, 2);
  EXPECT_EQ(first.env.size(), 2);
  EXPECT_EQ(space->points[1].config.workload.output_tokens.exact, 99);
  EXPECT_FALSE(space->points[1].config.workload.output_tokens.max);
  EXPECT_EQ(space->points[2].config.deploy.threads, 1);
}

TEST(Expand, crosses_experiments_with_the_sweep) {
  EXPECT_EQ(labels("sweep: {deploy.batch_size: [1, 8]}\n"
                   "experiments: [{deploy: {threads: 1}}, {deploy: {threads: 2}}]\n"),
            (Labels{"batch_size 1, threads 1", "batch_size 1, threads 2", "batch_size 8, threads 1",
                    "batch_size 8, threads 2"}));
}

TEST(Expand, leaves_out_what_is_excluded) {
  EXPECT_EQ(
      labels("sweep: {deploy.threads: [1, 2], deploy.batch_size: [1, 4, 8]}\n"
             "exclude:\n  - {deploy.threads: 1, deploy.batch_size: [4, 8]}\n"
             "  - {deploy.batch_size: {from: 4, to: 4, step: 1}}\n"),
      (Labels{"threads 1, batch_size 1", "threads 2, batch_size 1", "threads 2, batch_size 8"}));
  EXPECT_EQ(
      labels(
          "variants: {p: {a: {deploy.threads: 1}, b: {deploy.threads: 2}}}\n"
          "sweep: {deploy.batch_size: [1, 8]}\n"
          "exclude: [{p: a, deploy.batch_size: 8}, {deploy.threads: 2, deploy.batch_size: 1}]\n"),
      (Labels{"a, batch_size 1", "b, batch_size 8"}));
  EXPECT_EQ(labels("experiments: [{name: a, deploy: {threads: 1}}, {name: b}]\n"
                   "exclude: [{experiments: a}]\n"),
            Labels{"b"});
}

TEST(Expand, adds_further_points_that_multiply_nothing) {
  const auto space = space_of(
      "model: x\nsweep: {deploy.batch_size: [1, 8], deploy.threads: [2, 4]}\n"
      "variants: {p: {a: {}, b: {deploy.attention: flash}}}\n"
      "exclude: [{p: b}]\n"
      "include:\n  - {deploy.batch_size: 64, p: b}\n  - {deploy.batch_size: 8, deploy.threads: "
      "2}\n");
  ASSERT_TRUE(space) << error_text(space);
  ASSERT_EQ(space->points.size(), 6);
  const Point& first = space->points[4];
  EXPECT_EQ(first.label, "b, batch_size 64");
  EXPECT_EQ(first.config.deploy.batch_size, 64);
  EXPECT_EQ(first.config.deploy.attention, domain::Attention::flash);
  EXPECT_EQ(first.levels, (Indices{2, 2, 1}));
  EXPECT_EQ(space->factors[0].levels, (Labels{"1", "8", "64"}));
  EXPECT_EQ(space->factors[1].levels, (Labels{"2", "4", "default"}));
  EXPECT_EQ(space->points[5].label, "batch_size 8, threads 2");
  EXPECT_EQ(space->points[5].levels, (Indices{1, 0, -1}));
}

TEST(Expand, adds_further_points_to_the_constants) {
  EXPECT_EQ(labels("include: [{deploy.batch_size: 8}]\n"), (Labels{"", "batch_size 8"}));
}

TEST(Expand, varies_arguments_of_an_engine_under_that_engine_alone) {
  const auto space = space_of(
      "model: x\ndeploy: {llamacpp: {n_ctx: 512}}\n"
      "sweep:\n  deploy.llamacpp.n_batch: [64, 128]\n  deploy.engine: [llamacpp, scripted]\n"
      "  deploy.scripted.seconds: [1, 2, 3]\n  deploy.batch_size: [1, 2]\n");
  ASSERT_TRUE(space) << error_text(space);
  EXPECT_EQ(space->points.size(), 2 * 2 + 3 * 2);
  EXPECT_EQ(space->points[0].levels, (Indices{0, 0, -1, 0}));
  EXPECT_EQ(space->points[0].label, "n_batch 64, engine llamacpp, batch_size 1");
  EXPECT_EQ(space->points[2].levels, (Indices{-1, 1, 0, 0}));
  EXPECT_EQ(space->points[2].label, "engine scripted, seconds 1, batch_size 1");
  EXPECT_EQ(space->points[8].levels, (Indices{1, 0, -1, 0}));
  EXPECT_TRUE(space->points[2].config.deploy.llamacpp.empty());
  EXPECT_EQ(space->points[8].config.deploy.llamacpp.at("n_ctx"), base::Json(512));
  EXPECT_TRUE(space->skipped.empty());
}

TEST(Expand, lets_overrides_lie_beneath_the_levels) {
  const auto space =
      space_of("model: x\nsweep: {deploy.batch_size: [1, 8]}\ndeploy: {threads: 1}\n",
               {{"deploy.threads", "3", "--set"}});
  ASSERT_TRUE(space) << error_text(space);
  EXPECT_EQ(space->points[1].config.deploy.threads, 3);
  EXPECT_EQ(labels_of(space_of("model: x\n", {{"sweep.deploy.threads", "[1, 2]", "--set"}})),
            (Labels{"threads 1", "threads 2"}));
  EXPECT_EQ(labels_of(space_of("model: x\nsweep: {deploy.threads: [1, 2]}\n",
                               {{"sweep.deploy.threads", "[3, 4]", "--set"}})),
            (Labels{"threads 3", "threads 4"}));
}

TEST(Expand, skips_points_that_cannot_be_and_says_why) {
  const auto check = [](const domain::Deploy& deploy) -> Expected<void> {
    return deploy.batch_size > 1 ? Expected<void>(failure(ErrorKind::config, "too large"))
                                 : Expected<void>();
  };
  const auto space =
      space_of("model: x\nsweep: {deploy.batch_size: {from: 1, to: 1001, step: 1}}\n", {}, check);
  ASSERT_TRUE(space) << error_text(space);
  ASSERT_EQ(space->points.size(), 1);
  EXPECT_EQ(space->points[0].label, "batch_size 1");
  ASSERT_EQ(space->skipped.size(), 1000);
  EXPECT_EQ(space->skipped[999].label, "batch_size 1001");
  EXPECT_EQ(space->skipped[999].reason, "too large");
}

TEST(Expand, keeps_points_of_equal_content_apart) {
  EXPECT_EQ(labels("sweep: {deploy.threads: [1, 1]}\n"), (Labels{"threads 1", "threads 1"}));
}

TEST(Expand, has_as_many_points_as_the_levels_make) {
  std::string text = "model: x\nsweep:\n";
  std::size_t count = 1;
  const std::vector<std::string> paths{"deploy.threads", "deploy.batch_size", "workload.requests",
                                       "workload.seed"};
  for (std::size_t i = 0; i < paths.size(); ++i) {
    text += "  " + paths[i] + ": {from: 1, to: " + std::to_string(i + 2) + ", step: 1}\n";
    count *= i + 2;
    const auto space = space_of(text + "exclude: [{deploy.threads: 2}]\n");
    ASSERT_TRUE(space) << error_text(space);
    EXPECT_EQ(space->points.size(), count / 2);
    Indices odometer(i + 1, 0);
    for (const Point& point : space->points) {
      EXPECT_EQ(point.levels, odometer);
      std::size_t wheel = i + 1;
      while (wheel > 0 && ++odometer[wheel - 1] == static_cast<std::int64_t>(wheel + 1)) {
        odometer[--wheel] = 0;
      }
    }
  }
}

}  // namespace
}  // namespace llem::config
