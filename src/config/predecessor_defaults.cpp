#include "config/predecessor_defaults.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/levels.hpp"

namespace llem::config::predecessor {
namespace {

using base::Tree;

constexpr std::array<std::string_view, 11> kNestedKeys{
    "task",    "serving_mode",    "engine",     "measurement", "sampling_preset", "transformers",
    "offline", "study_execution", "study_name", "output",      "images"};

constexpr std::string_view kInputs = "workload.input_tokens";
constexpr std::string_view kOutputs = "workload.output_tokens";
constexpr std::string_view kSampling = "workload.sampling";

Tree limit(base::Mark mark, std::string tokens) {
  Tree map;
  map.kind = Tree::Kind::map;
  map.mark = mark;
  map.entries.push_back({"max", mark, scalar_at(mark, std::move(tokens))});
  return map;
}

bool says_nested(const Tree& map) {
  return std::any_of(kNestedKeys.begin(), kNestedKeys.end(),
                     [&](std::string_view key) { return map.find(key) != nullptr; });
}

bool is_greedy(const std::vector<Given>& constants) {
  const Given* temperature = find_given(constants, fmt::format("{}.temperature", kSampling));
  const Given* preset = find_given(constants, fmt::format("{}.preset", kSampling));
  if (temperature != nullptr) {
    const auto value = base::parse_number(temperature->value.scalar);
    return temperature->value.scalar == "0" || (value && *value == 0);
  }
  return preset != nullptr && preset->value.scalar == "greedy";
}

class Defaults {
 public:
  Defaults(base::Mark mark, std::vector<Given>& constants, KeyReader& reader)
      : mark_(mark), constants_(constants), reader_(reader) {}

  ~Defaults() {
    if (!added_.empty()) {
      reader_.note(
          fmt::format("the predecessor's defaults are written out where others hold here: "
                      "{}",
                      fmt::join(added_, ", ")));
    }
  }

  Defaults(const Defaults&) = delete;
  Defaults& operator=(const Defaults&) = delete;

  void add(std::string path, Tree value) {
    if (find_given(constants_, path) == nullptr) {
      added_.push_back(fmt::format("{} {}", path, shown(value)));
      constants_.push_back({std::move(path), std::move(value), "a default of the predecessor"});
    }
  }

  void add(std::string path, std::string value) {
    add(std::move(path), scalar_at(mark_, std::move(value)));
  }

 private:
  base::Mark mark_;
  std::vector<Given>& constants_;
  KeyReader& reader_;
  std::vector<std::string> added_;
};

}  // namespace

bool is_nested(const Tree& tree) {
  const Tree* experiments = tree.find("experiments");
  return says_nested(tree) ||
         (experiments != nullptr &&
          std::any_of(experiments->items.begin(), experiments->items.end(), says_nested));
}

void add_engine_defaults(std::string_view engine, Form form, base::Mark mark, Reading& constants,
                         KeyReader& reader) {
  std::vector<Given>& own = constants.of_engine[std::string(engine)];
  if (engine == "transformers") {
    own.push_back({"deploy.batching", scalar_at(mark, "static"), "a default of the predecessor"});
    reader.note("`transformers` serves whole batches: `deploy.batching` is static");
  }
  const bool sampled =
      find_given(own, fmt::format("{}.temperature", kSampling)) != nullptr ||
      find_given(constants.general, fmt::format("{}.temperature", kSampling)) != nullptr ||
      find_given(constants.general, fmt::format("{}.preset", kSampling)) != nullptr;
  if (engine == "vllm" && form == Form::nested && !sampled) {
    Defaults(mark, own, reader).add(fmt::format("{}.temperature", kSampling), "1");
  }
}

void note_batch_default(std::string_view engine, KeyReader& reader) {
  const std::string_view most = engine == "vllm" ? "256" : engine == "tensorrt_llm" ? "8" : "";
  if (!most.empty()) {
    reader.note(
        fmt::format("how many requests `{}` serves together by itself, {}, is not taken "
                    "over: set `deploy.batch_size`",
                    engine, most));
  }
}

void add_defaults(Form form, base::Mark mark, std::vector<Given>& constants, KeyReader& reader) {
  Defaults defaults(mark, constants, reader);
  const Given* dataset = find_given(constants, "workload.dataset.name");
  if (dataset != nullptr && dataset->value.scalar == "synthetic") {
    defaults.add(std::string(kInputs), "512");
  }
  if (form == Form::nested) {
    defaults.add(std::string(kInputs), limit(mark, "256"));
  }
  const std::string most = form == Form::nested ? "256" : "128";
  defaults.add(std::string(kOutputs),
               reader.ignores_end() ? scalar_at(mark, most) : limit(mark, most));
  if (form == Form::nested) {
    return;
  }
  if (is_greedy(constants)) {
    return;
  }
  if (find_given(constants, fmt::format("{}.preset", kSampling)) == nullptr) {
    defaults.add(fmt::format("{}.temperature", kSampling), "1");
  }
  defaults.add(fmt::format("{}.top_k", kSampling), "50");
}

void add_defaults_notes(const Tree& tree, KeyReader& reader) {
  const auto says = [&](std::string_view known) {
    for (const Tree::Entry& entry : tree.entries) {
      if (table_path(entry.key) != "execution") {
        continue;
      }
      for (const Tree::Entry& inner : entry.value.entries) {
        if (table_path("execution." + inner.key) == known) {
          return true;
        }
      }
    }
    return false;
  };
  const domain::Study ours;
  if (!says("execution.n_cycles")) {
    reader.note(
        fmt::format("nothing says how many cycles: `study.cycles` is {} by default; the "
                    "predecessor measured once, and studies three times",
                    ours.cycles));
  }
  if (!says("execution.cycle_order")) {
    reader.note(
        "nothing says in which order: `study.order` is blocks by default, each cycle in a "
        "new random order");
  }
  reader.note(
      "where the file is silent, baseline, warm-up and window are llem's own: see "
      "docs/methodology");
}

}  // namespace llem::config::predecessor
