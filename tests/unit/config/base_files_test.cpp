#include <map>

#include <gtest/gtest.h>

#include "base/field_io.hpp"
#include "unit/config/spaces.hpp"

namespace llem::config {
namespace {

using Files = std::map<std::string, std::string>;

ReadBase reading(Files files) {
  return [files = std::move(files)](const std::string& name,
                                    const std::string& from) -> Expected<BaseFile> {
    const std::string path = from.substr(0, from.find_last_of('/') + 1) + name;
    if (const auto found = files.find(path); found != files.end()) {
      return BaseFile{found->second, path};
    }
    return failure(ErrorKind::io, "cannot read `" + path + "`");
  };
}

Expected<LoadedStudy> load(std::string_view text, Files files,
                           const std::vector<Override>& overrides = {}) {
  return load_study(text, "study.yaml", overrides, reading(std::move(files)));
}

TEST(BaseFiles, lie_beneath_the_file_that_names_them) {
  const auto study = load(
      "base: lib/middle.yaml\nmodel: {file: f.gguf}\nmeasure:\nworkload: {output_tokens: 9}\n"
      "deploy: {env: {B: top}, devices: ['2']}\nsweep: {deploy.threads: [4]}\n",
      {{"lib/middle.yaml", "base: low.yaml\ndeploy: {env: {A: a, B: b}, batch_size: 4}\n"},
       {"lib/low.yaml",
        "model: x\nworkload: {output_tokens: {max: 5}, requests: 7}\nmeasure: {strict: true}\n"
        "deploy: {devices: ['0', '1'], batch_size: 2}\n"
        "sweep: {deploy.threads: [1, 2], workload.seed: 3}\n"}},
      {{"workload.seed", "1", "--set"}});
  EXPECT_EQ(error_text(study),
            "error: --set cannot set `workload.seed`: the study varies `workload.seed`\n"
            "  at --set workload.seed\n  at lib/low.yaml:5:33 sweep.workload.seed\n"
            "  hint: change the levels, or leave out --set\n");
}

TEST(BaseFiles, are_merged_by_section_and_name) {
  const auto study = load(
      "base: lib/middle.yaml\nmodel: {file: f.gguf}\nmeasure:\nworkload: {output_tokens: 9}\n"
      "deploy: {env: {B: top}, devices: ['2']}\nsweep: {deploy.threads: [4]}\n",
      {{"lib/middle.yaml", "base: low.yaml\ndeploy: {env: {A: a, B: b}, batch_size: 4}\n"},
       {"lib/low.yaml",
        "model: x\nworkload: {output_tokens: {max: 5}, requests: 7}\nmeasure: {strict: true}\n"
        "deploy: {devices: ['0', '1'], batch_size: 2}\n"
        "sweep: {deploy.threads: [1, 2], workload.seed: 3}\n"}});
  ASSERT_TRUE(study) << error_text(study);
  const domain::StudyConfig& config = study->config;
  EXPECT_EQ(config.model.name, "x");
  EXPECT_EQ(config.model.file, "f.gguf");
  EXPECT_EQ(config.workload.output_tokens.exact, 9);
  EXPECT_FALSE(config.workload.output_tokens.max);
  EXPECT_EQ(config.workload.requests, 7);
  EXPECT_TRUE(config.measure.strict);
  EXPECT_EQ(config.deploy.env, (std::map<std::string, std::string>{{"A", "a"}, {"B", "top"}}));
  EXPECT_EQ(config.deploy.devices, std::vector<std::string>{"2"});
  EXPECT_EQ(config.deploy.batch_size, 4);
  EXPECT_EQ(base::write_json(config.sweep.at("deploy.threads")), "[4]");
  EXPECT_EQ(study->origins.at("deploy.batch_size"), "lib/middle.yaml:2:41");
  EXPECT_EQ(study->origins.at("workload.requests"), "lib/low.yaml:2:47");
  EXPECT_EQ(study->origins.at("model.file"), "study.yaml:2:15");
  EXPECT_EQ(study->files,
            (std::vector<std::string>{"study.yaml", "lib/middle.yaml", "lib/low.yaml"}));
  EXPECT_EQ(config.base, "lib/middle.yaml");
}

TEST(BaseFiles, are_named_in_errors_about_them) {
  EXPECT_EQ(
      error_text(load("base: b.yaml\nmodel: x\n", {{"b.yaml", "\ndeploy:\n  threads: many\n"}})),
      "error: `threads` must be an integer, 1 to 4096, got `many`\n"
      "  at b.yaml:3:12 deploy.threads\n");
  EXPECT_EQ(error_text(load("base: b.yaml\nmodel: x\n", {{"b.yaml", "deplyo: {}\n"}})),
            "error: unknown key `deplyo`\n  at b.yaml:1:1 deplyo\n"
            "  hint: did you mean `deploy`?\n");
  const auto study =
      load("base: b.yaml\nmodel: x\n", {{"b.yaml", "sweep: {deploy.threads: [q]}\n"}});
  ASSERT_TRUE(study) << error_text(study);
  EXPECT_EQ(error_text(expand(*study, {}, anything)),
            "error: `threads` must be an integer, 1 to 4096, got `q`\n"
            "  at b.yaml:1:26 sweep.deploy.threads[0]\n");
}

TEST(BaseFiles, may_not_lead_back) {
  EXPECT_EQ(error_text(load("base: a.yaml\nmodel: x\n", {{"a.yaml", "base: b.yaml\n"},
                                                         {"b.yaml", "model: x\nbase: a.yaml\n"}})),
            "error: `base` leads back to where it began: a.yaml -> b.yaml -> a.yaml\n"
            "  at b.yaml:2:7 base\n  hint: take `base` out of one of these files\n");
  EXPECT_EQ(error_text(load("base: study.yaml\nmodel: x\n", {{"study.yaml", ""}})),
            "error: `base` leads back to where it began: study.yaml -> study.yaml\n"
            "  at study.yaml:1:7 base\n  hint: take `base` out of one of these files\n");
}

TEST(BaseFiles, must_be_there_and_be_maps) {
  EXPECT_EQ(error_text(load("base: gone.yaml\nmodel: x\n", {})),
            "error: cannot read `gone.yaml`\n  at study.yaml:1:7 base\n");
  EXPECT_EQ(error_text(load("base: [a]\nmodel: x\n", {})),
            "error: `base` must be the path of one study file\n  at study.yaml:1:7 base\n");
  EXPECT_EQ(error_text(load("base: a.yaml\nmodel: x\n", {{"a.yaml", "[a]\n"}})),
            "error: a study file is a map of its sections\n  at a.yaml:1:1\n");
  EXPECT_EQ(error_text(load("model: x\n", {}, {{"base", "a.yaml", "--set"}})),
            "error: `base` cannot be set from outside\n  at --set base\n"
            "  hint: write it in the file that lies over it\n");
  EXPECT_EQ(error_text(load_study("base: a.yaml\nmodel: x\n", "study.yaml", {}, {})),
            "error: `a.yaml` cannot be read: no file lies beneath this one\n"
            "  at study.yaml:1:7 base\n");
}

TEST(BaseFiles, may_be_empty) {
  EXPECT_TRUE(load("base: a.yaml\nmodel: x\n", {{"a.yaml", "# nothing yet\n"}}));
  EXPECT_TRUE(load("base:\nmodel: x\n", {}));
}

}  // namespace
}  // namespace llem::config
