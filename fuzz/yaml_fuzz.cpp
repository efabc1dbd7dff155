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

  const auto study = config::load_study(text, "fuzz.yaml", {{"deploy.threads", "2", "--set"}});
  if (!study) {
    return 0;
  }
  const auto resolved = config::resolve(study->config, {.usable_cpus = 2});
  if (resolved) {
    const auto twice = config::resolve(*resolved, {.usable_cpus = 64});
    LLEM_ASSERT(twice, "what is resolved has no conflict");
    domain::Configuration first;
    first.workload = resolved->workload;
    first.deploy = resolved->deploy;
    first.measure = resolved->measure;
    domain::Configuration second = first;
    second.workload = twice->workload;
    second.deploy = twice->deploy;
    second.measure = twice->measure;
    LLEM_ASSERT(config::content_hash(first) == config::content_hash(second),
                "resolving twice changes nothing");
  }
  return 0;
}
