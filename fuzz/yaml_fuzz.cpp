// Any bytes as a study file: an error or a study, and a tree that survives being written and read
// again.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/error.hpp"
#include "base/json.hpp"
#include "config/config.hpp"
#include "config/yaml_text.hpp"

using namespace llem;  // NOLINT(google-build-using-namespace)

namespace {

/// A file over itself, over one that is always the same.
Expected<config::BaseFile> read_base(const std::string& name, const std::string& from) {
  if (from == "fuzz.yaml") {
    return config::BaseFile{"base: last\nmodel: x\ndeploy: {threads: 1, env: {A: b}}\n", name};
  }
  return config::BaseFile{"workload: {output_tokens: {max: 8}}\nsweep: {measure.strict: true}\n",
                          "last.yaml"};
}

void check_resolved(const domain::StudyConfig& resolved) {
  const auto twice = config::resolve(resolved, {.usable_cpus = 64});
  LLEM_ASSERT(twice, "what is resolved has no conflict");
  domain::Configuration first;
  first.workload = resolved.workload;
  first.deploy = resolved.deploy;
  first.measure = resolved.measure;
  domain::Configuration second = first;
  second.workload = twice->workload;
  second.deploy = twice->deploy;
  second.measure = twice->measure;
  LLEM_ASSERT(config::content_hash(first) == config::content_hash(second),
              "resolving twice changes nothing");
}

void check_space(const config::LoadedStudy& study) {
  constexpr std::int64_t kMost = 1000;
  const auto space = config::expand(
      study, {.usable_cpus = 2}, [](const domain::Deploy&) -> Expected<void> { return {}; }, kMost);
  if (!space) {
    LLEM_ASSERT(space.error().kind == ErrorKind::config, "a broken study is the user's to repair");
    LLEM_ASSERT(!space.error().message.empty(), "an error says what is wrong");
    return;
  }
  const std::size_t count = space->points.size() + space->skipped.size();
  LLEM_ASSERT(!space->points.empty() && count <= kMost, "some points, and no more than allowed");
  for (const config::Point& point : space->points) {
    LLEM_ASSERT(point.levels.size() == space->factors.size(), "one level a factor");
    for (std::size_t i = 0; i < point.levels.size(); ++i) {
      LLEM_ASSERT(point.levels[i] >= -1 &&
                      point.levels[i] < static_cast<std::int64_t>(space->factors[i].levels.size()),
                  "a level of the factor, or none");
    }
    check_resolved(point.config);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto tree = config::parse_yaml(text, "fuzz.yaml");
  if (!tree) {
    LLEM_ASSERT(tree.error().kind == ErrorKind::config, "a broken file is the user's to repair");
    LLEM_ASSERT(tree.error().context.size() > 0, "an error says where");
    return 0;
  }
  const std::string written = config::write_yaml(*tree);
  const auto again = config::parse_yaml(written, "written.yaml");
  LLEM_ASSERT(again, "what was read can be written");
  LLEM_ASSERT(base::json_from_tree(*again) == base::json_from_tree(*tree),
              "writing changes no value");

  const auto study =
      config::load_study(text, "fuzz.yaml", {{"deploy.threads", "2", "--set"}}, read_base);
  if (study) {
    check_space(*study);
  }
  return 0;
}
