#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "config/config.hpp"
#include "unit/config/errors.hpp"

namespace llem::config {
namespace {

std::string content_of(const std::filesystem::path& path) {
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

Expected<domain::StudyConfig> resolved(const std::filesystem::path& path) {
  LLEM_ASSIGN(const LoadedStudy study,
              load_study(content_of(path), path.filename().string(), {}, {}));
  return resolve(study.config, {.usable_cpus = 2});
}

const std::filesystem::path kExamples = std::filesystem::path(LLEM_SOURCE_DIR) / "examples";

TEST(Examples, load_and_resolve) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kExamples)) {
    if (entry.path().extension() == ".yaml") {
      const auto config = resolved(entry.path());
      EXPECT_TRUE(config) << error_text(config);
      ++count;
    }
  }
  EXPECT_GE(count, 4);
}

TEST(Examples, quickstart_measures_for_a_minute_and_a_half_at_most) {
  const auto config = resolved(kExamples / "quickstart.yaml");
  ASSERT_TRUE(config) << error_text(config);
  const domain::Measure& measure = config->measure;
  const double cycle = *measure.baseline.bare_s + *measure.baseline.loaded_s +
                       *measure.warmup.max_s + 2 * *measure.window.pad_s + *measure.window.min_s +
                       *measure.cooldown_s;
  EXPECT_LE(static_cast<double>(config->study.cycles) * cycle,
            75);  // loading and the last pass come on top
}

TEST(Examples, batching_examples_differ_in_batching_alone) {
  const auto a = resolved(kExamples / "static-batches.yaml");
  const auto b = resolved(kExamples / "continuous-batching.yaml");
  ASSERT_TRUE(a) << error_text(a);
  ASSERT_TRUE(b) << error_text(b);
  domain::Configuration left;
  left.workload = a->workload;
  left.deploy = a->deploy;
  left.measure = a->measure;
  domain::Configuration right;
  right.workload = b->workload;
  right.deploy = b->deploy;
  right.measure = b->measure;
  EXPECT_NE(content_hash(left), content_hash(right));
  left.deploy.batching = domain::Batching::continuous;
  EXPECT_EQ(content_hash(left), content_hash(right));
}

}  // namespace
}  // namespace llem::config
