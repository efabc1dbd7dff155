#include <gtest/gtest.h>

#include "unit/config/spaces.hpp"

namespace llem::config {
namespace {

TEST(ExpandErrors, name_an_unknown_axis_and_the_nearest_path) {
  EXPECT_EQ(refusal_of("sweep:\n  deploy.batch_szie: [1, 8]\n"),
            "error: unknown key `batch_szie`\n"
            "  at study.yaml:3:3 sweep.deploy.batch_szie\n"
            "  hint: did you mean `deploy.batch_size`?\n");
  EXPECT_EQ(refusal_of("variants: {p: {a: {threads: 1}}}\n"),
            "error: unknown key `threads`\n"
            "  at study.yaml:2:20 variants.p.a.threads\n"
            "  hint: did you mean `deploy.threads`?\n");
  EXPECT_EQ(refusal_of("experiments:\n  - deploy: {thread: 1}\n"),
            "error: unknown key `thread`\n"
            "  at study.yaml:3:14 experiments[0].deploy.thread\n"
            "  hint: did you mean `deploy.threads`?\n");
  EXPECT_EQ(refusal_of("include: [{deploy.thread: 1}]\n"),
            "error: unknown key `thread`\n"
            "  at study.yaml:2:12 include[0].deploy.thread\n"
            "  hint: did you mean `deploy.threads`?\n");
}

TEST(ExpandErrors, name_the_level_of_a_wrong_type) {
  EXPECT_EQ(refusal_of("sweep:\n  deploy.batch_size: [1, many]\n"),
            "error: `batch_size` must be an integer, 1 to 4096, got `many`\n"
            "  at study.yaml:3:26 sweep.deploy.batch_size[1]\n");
  EXPECT_EQ(refusal_of("zip: [{deploy.threads: [1, 0]}]\n"),
            "error: `threads` must be an integer, 1 to 4096, got `0`\n"
            "  at study.yaml:2:28 zip[0].deploy.threads[1]\n");
  EXPECT_EQ(refusal_of("sweep: {deploy.threads: {from: 0, to: 1, step: 0.5}}\n"),
            "error: `threads` must be an integer, 1 to 4096, got `0`\n"
            "  at study.yaml:2:25 sweep.deploy.threads\n");
  EXPECT_EQ(refusal_of("", {{"sweep.deploy.threads", "[many]", "--set"}}),
            "error: `threads` must be an integer, 1 to 4096, got `many`\n"
            "  at --set sweep.deploy.threads[0]\n");
}

TEST(ExpandErrors, refuse_what_cannot_vary) {
  for (const std::string path : {"study.cycles", "name", "base", "sweep", "zip", "variants"}) {
    EXPECT_EQ(refusal_of("sweep: {" + path + ": [1]}\n"),
              "error: `" + path + "` cannot vary within a study\n  at study.yaml:2:9 sweep." +
                  path + "\n  hint: what may vary lies in model, workload, deploy and measure\n");
  }
  EXPECT_EQ(refusal_of("sweep: {deploy: {batch_size: [1, 8]}}\n"),
            "error: `deploy` is a section, no axis\n  at study.yaml:2:9 sweep.deploy\n"
            "  hint: write the whole path: deploy.batch_size\n");
  EXPECT_EQ(refusal_of("sweep: {deploy.threads: []}\n"),
            "error: an axis needs a level\n  at study.yaml:2:25 sweep.deploy.threads\n");
}

TEST(ExpandErrors, say_what_a_range_is) {
  const auto refused = [](const std::string& range) {
    return refusal_of("sweep: {deploy.threads: {" + range + "}}\n");
  };
  const std::string at = "\n  at study.yaml:2:25 sweep.deploy.threads\n";
  const std::string forms =
      "  hint: as in {from: 1, to: 64, times: 2}, {from: 0, to: 1, step: 0.25} or "
      "{from: 1, to: 1000, points: 4, scale: log}\n";
  EXPECT_EQ(refused("from: 1, to: 2"),
            "error: a range has one of `times`, `step` and `points`" + at + forms);
  EXPECT_EQ(refused("from: 1, to: 2, step: 1, times: 2"),
            "error: a range has one of `times`, `step` and `points`" + at + forms);
  EXPECT_EQ(refused("from: 2, to: 1, step: 1"),
            "error: a range goes upwards, got 2 to 1" + at +
                "  hint: write the levels as a list for another order\n");
  EXPECT_EQ(refused("from: 0, to: 1, times: 2"),
            "error: factors begin above 0, got 0" + at +
                "  hint: use `step`, or points on the linear scale\n");
  EXPECT_EQ(refused("from: 1, to: 2, step: 1, scale: log"),
            "error: `scale` says how `points` are spaced" + at + "  hint: leave it out\n");
  EXPECT_EQ(refused("from: 1, too: 2, step: 1"),
            "error: unknown key `too`\n  at study.yaml:2:35 sweep.deploy.threads.too\n"
            "  hint: did you mean `to`?\n");
  EXPECT_EQ(refused("from: 1, to: 2, times: 1"),
            "error: `times` must be a number, above 1, got `1`\n"
            "  at study.yaml:2:49 sweep.deploy.threads.times\n");
}

TEST(ExpandErrors, refuse_lists_of_a_zip_of_other_lengths) {
  EXPECT_EQ(refusal_of("zip:\n  - {deploy.batch_size: [1, 8, 9], deploy.threads: [1, 2]}\n"),
            "error: the lists of a zip are equally long: `deploy.batch_size` has 3, "
            "`deploy.threads` has 2\n  at study.yaml:3:52 zip[0].deploy.threads\n");
  EXPECT_EQ(refusal_of("zip: [{}]\n").substr(0, 41), "error: a zip is a map of paths to levels\n");
}

TEST(ExpandErrors, refuse_broken_variants_and_experiments) {
  EXPECT_EQ(refusal_of("variants: {model: {a: {}}}\n"),
            "error: a factor cannot be called `model`\n  at study.yaml:2:12 variants.model\n"
            "  hint: take a name that is no path, as in precision\n");
  EXPECT_EQ(refusal_of("variants: {p: [a]}\n"),
            "error: `p` must be a map of names to paths and values\n"
            "  at study.yaml:2:15 variants.p\n"
            "  hint: as in {small: {deploy.batch_size: 1}, large: {deploy.batch_size: 8}}\n");
  EXPECT_EQ(refusal_of("variants: {p: {a: 3}}\n"),
            "error: `a` must be a map of paths to values\n  at study.yaml:2:19 variants.p.a\n"
            "  hint: as in {deploy.batch_size: 8}\n");
  EXPECT_EQ(refusal_of("experiments: [3]\n"),
            "error: an experiment is a map of what it sets\n  at study.yaml:2:15 experiments[0]\n"
            "  hint: as in {deploy: {batch_size: 8}}\n");
  EXPECT_EQ(refusal_of("experiments: [{name: a}, {name: a}]\n"),
            "error: two experiments are called `a`\n  at study.yaml:2:26 experiments[1]\n");
}

TEST(ExpandErrors, refuse_a_path_that_varies_twice) {
  const std::string hint = "  hint: a path varies in one place: join them in `zip` or `variants`\n";
  EXPECT_EQ(refusal_of("sweep: {deploy.threads: [1]}\nzip: [{deploy.threads: [2]}]\n"),
            "error: `deploy.threads` is set in two places\n"
            "  at study.yaml:2:9 sweep.deploy.threads\n"
            "  at study.yaml:3:8 zip[0].deploy.threads\n" +
                hint);
  EXPECT_EQ(refusal_of("sweep: {deploy.kv_cache.dtype: [f16]}\n"
                       "variants: {p: {a: {deploy.kv_cache: {dtype: f32}}}}\n"),
            "error: `deploy.kv_cache` is set, and `deploy.kv_cache.dtype` within it too\n"
            "  at study.yaml:3:20 variants.p.a.deploy.kv_cache\n"
            "  at study.yaml:2:9 sweep.deploy.kv_cache.dtype\n" +
                hint);
}

TEST(ExpandErrors, refuse_exclusions_of_nothing) {
  const std::string axis = "sweep: {deploy.threads: [1, 2]}\n";
  EXPECT_EQ(refusal_of(axis + "exclude: [{deploy.thread: 1}]\n"),
            "error: `deploy.thread` does not vary, so nothing can be excluded by it\n"
            "  at study.yaml:3:12 exclude[0].deploy.thread\n"
            "  hint: did you mean `deploy.threads`?\n");
  EXPECT_EQ(refusal_of(axis + "exclude: [{deploy.threads: 3}]\n"),
            "error: no level of `deploy.threads` is `3`\n"
            "  at study.yaml:3:28 exclude[0].deploy.threads\n"
            "  hint: its levels: 1, 2\n");
  EXPECT_EQ(refusal_of("variants: {p: {a: {}, b: {}}}\nexclude: [{p: c}]\n"),
            "error: no level of `p` is `c`\n  at study.yaml:3:15 exclude[0].p\n"
            "  hint: its levels: a, b\n");
  EXPECT_EQ(refusal_of(axis + "exclude: [{}]\n").substr(0, 53),
            "error: an exclusion is a map of paths to levels\n  at ");
  EXPECT_EQ(refusal_of(axis + "exclude: [{deploy.threads: [1, 2]}]\n"),
            "error: every point is excluded\n  at study.yaml:3:1 exclude\n");
}

TEST(ExpandErrors, refuse_broken_further_points) {
  EXPECT_EQ(refusal_of("variants: {p: {a: {}, b: {}}}\ninclude: [{p: c}]\n"),
            "error: `p` has no variant `c`\n  at study.yaml:3:12 include[0].p\n"
            "  hint: its variants: a, b\n");
  EXPECT_EQ(refusal_of("include: [deploy]\n"),
            "error: a further point is a map of paths to values\n  at study.yaml:2:11 include[0]\n"
            "  hint: as in {deploy.batch_size: 64}\n");
}

TEST(ExpandErrors, refuse_an_axis_that_no_point_obeys) {
  EXPECT_EQ(refusal_of("sweep: {deploy.scripted.x: [1, 2]}\n"),
            "error: `deploy.scripted.x` has no effect: no point runs scripted\n"
            "  at study.yaml:2:9 sweep.deploy.scripted.x\n"
            "  hint: set or vary deploy.engine, or take out the axis\n");
}

TEST(ExpandErrors, refuse_a_flag_for_what_varies) {
  EXPECT_EQ(refusal_of("sweep:\n  deploy.batch_size: [1, 8]\n",
                       {{"deploy.batch_size", "4", "--batch-size"}}),
            "error: --batch-size cannot set `deploy.batch_size`: the study varies "
            "`deploy.batch_size`\n"
            "  at --batch-size deploy.batch_size\n"
            "  at study.yaml:3:3 sweep.deploy.batch_size\n"
            "  hint: change the levels, or leave out --batch-size\n");
  const auto refused = [](const std::string& text, const std::string& path) {
    return refusal_of(text, {{path, "4", "--set"}}).find("--set cannot set `" + path) !=
           std::string::npos;
  };
  EXPECT_TRUE(refused("sweep: {deploy.kv_cache.dtype: [f16]}\n", "deploy.kv_cache"));
  EXPECT_TRUE(refused("sweep: {workload.input_tokens: [{max: 8}]}\n", "workload.input_tokens.max"));
  EXPECT_TRUE(refused("zip: [{deploy.threads: [1]}]\n", "deploy.threads"));
  EXPECT_TRUE(refused("variants: {p: {a: {deploy.threads: 1}}}\n", "deploy.threads"));
  EXPECT_TRUE(refused("experiments: [{deploy: {threads: 1}}]\n", "deploy.threads"));
  EXPECT_FALSE(refused("experiments: [{deploy: {threads: 1}}]\n", "deploy.batch_size"));
  EXPECT_FALSE(refused("include: [{deploy.threads: 1}]\n", "deploy.threads"));
}

TEST(ExpandErrors, refuse_more_points_than_are_allowed) {
  const std::string many = "{from: 1, to: 4000, step: 1}";
  const std::string expected =
      "error: the study has more than 1000000 points\n  at study.yaml:2:1 sweep\n"
      "  hint: shorten an axis, or write the points out under experiments\n";
  EXPECT_EQ(refusal_of("sweep: {deploy.threads: " + many + ", deploy.batch_size: " + many + "}\n"),
            expected);
  EXPECT_EQ(refusal_of("sweep: {workload.seed: {from: 0, to: 1e300, step: 1e-300}}\n"), expected);
  EXPECT_EQ(refusal_of("sweep: {workload.seed: {from: 1, to: 1e9, points: 9000000000}}\n"),
            expected);
  const auto most = [](std::int64_t limit) {
    return error_text(
        space_of("model: x\nsweep: {deploy.threads: [1, 2], deploy.batch_size: [1, 2]}\n"
                 "include: [{deploy.threads: 3}]\n",
                 {}, anything, limit));
  };
  EXPECT_EQ(most(5), "no error");
  EXPECT_EQ(most(4).substr(0, 40), "error: the study has more than 4 points\n");
}

TEST(ExpandErrors, keep_the_place_of_what_one_point_alone_cannot_be) {
  EXPECT_EQ(refusal_of("workload: {input_tokens: {exact: 4, max: 5}}\n"),
            "error: `workload.input_tokens` takes one rule, got exact and max\n"
            "  at study.yaml:2:34 workload.input_tokens.exact\n"
            "  at study.yaml:2:42 workload.input_tokens.max\n"
            "  hint: keep one of them\n");
}

TEST(ExpandErrors, tell_why_no_point_is_left) {
  const auto none = [](const domain::Deploy& deploy) -> Expected<void> {
    return failure(ErrorKind::engine, "no " + std::to_string(deploy.batch_size), "another one");
  };
  EXPECT_EQ(error_text(space_of("model: x\nsweep: {deploy.batch_size: [1, 2, 3, 4]}\n", {}, none)),
            "error: none of the 4 points can be measured\n"
            "  at batch_size 1: no 1\n  at batch_size 2: no 2\n  at batch_size 3: no 3\n"
            "  hint: another one\n");
  const auto space = space_of("model: x\nsweep: {deploy.batch_size: [1, 2, 3, 4]}\n", {}, none);
  EXPECT_EQ(space.error().kind, ErrorKind::config);
}

}  // namespace
}  // namespace llem::config
