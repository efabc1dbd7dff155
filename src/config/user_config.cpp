#include <array>
#include <string_view>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "config/config.hpp"
#include "config/yaml_text.hpp"

namespace llem::config {
namespace {

constexpr std::array<std::string_view, 4> kLogLevels{"error", "warning", "info", "debug"};

std::string as_scalar(std::string_view text) {
  base::Tree scalar;
  scalar.kind = base::Tree::Kind::scalar;
  scalar.scalar = text;
  std::string line = write_yaml(scalar);
  line.pop_back();
  return line;
}

constexpr std::string_view kInitialStudy =
    R"(# A study for llem. `llem run THIS_FILE --dry-run` prints what it would do, `llem run THIS_FILE` does it.
# Every line but `model` may be left out: the values shown in comments are the defaults.

# What is deployed: an alias, the path of a GGUF file, or a hub repository (see `llem config`).
model: {model}

# What is asked of it. Held constant while deployments are compared.
workload:
  dataset: aienergyscore     # or: bundled, synthetic, a .jsonl or .txt file
  requests: 100              # prompts in one pass
  input_tokens: {{max: 512}}   # longer prompts are cut; {{exact: 256}} makes all alike
  output_tokens: 128         # exactly so many; {{max: 128}} stops at the end of an answer
  # sampling: greedy         # or: standard, creative, factual, or temperature, top_p, top_k ...
  # seed: 42

# How it is deployed: what you are here to vary.
deploy:
  engine: {engine}
  batching: continuous       # sequences join and leave; static: whole batches one after another
  batch_size: 8              # sequences decoded together (1 when left out)
  # threads: 4               # the CPUs this process may use
  # attention: auto          # flash, standard
  # kv_cache: {{dtype: auto}}  # f16, q8_0 ...
  # llamacpp: {{}}             # any argument of llama.cpp by its own name

# How it is measured.
measure:
  profile: full              # quick: seconds instead of minutes, and every result says so
  # meters: [nvml, rapl, host]   # every one that works

# How often: each cycle is a fresh process with fresh prompts, so that the interval means something.
study:
  cycles: 5
)";

}  // namespace

const base::Table& Carbon::table() {
  static constexpr std::array fields{
      base::field<&Carbon::g_per_kwh>("g_per_kwh", "CO2 equivalent of a kilowatt-hour",
                                      {.unit = "g/kWh", .min = 0, .required = true}),
      base::field<&Carbon::source>(
          "source",
          "Where the number is from: publisher, year, average or marginal, location- or "
          "market-based",
          {.min = 1})};
  static constexpr base::Table table{"carbon", "What electricity emits here", fields};
  return table;
}

const base::Table& UserConfig::table() {
  static constexpr std::array fields{
      base::field<&UserConfig::results_dir>(
          "results_dir", "Where run directories are made (default: runs)", {.min = 1}),
      base::field<&UserConfig::model_dirs>("model_dirs",
                                           "Folders in which models are looked for by file name"),
      base::field<&UserConfig::log>("log", "How much is told on standard error",
                                    {.allowed = kLogLevels}),
      base::field<&UserConfig::carbon>("carbon",
                                       "What electricity emits here; without it results "
                                       "tell no emissions"),
      base::field<&UserConfig::pue>(
          "pue", "Energy of the facility over that of its machines (default: 1, the machine alone)",
          {.unit = "1", .min = 1}),
      base::field<&UserConfig::price_per_kwh>(
          "price_per_kwh", "Price of a kilowatt-hour; without it results tell no price",
          {.min = 0}),
      base::field<&UserConfig::currency>("currency", "Of that price", {.min = 1}),
      base::field<&UserConfig::peaks>(
          "peaks", "What devices can do at most, before the rates this program knows")};
  static constexpr base::Table table{"user_config", "Settings of one user on one machine", fields};
  return table;
}

Expected<UserConfig> load_user_config(std::string_view text, std::string_view file) {
  LLEM_ASSIGN(const base::Tree tree, parse_yaml(text, file));
  return base::read_struct<UserConfig>(tree, file);
}

std::string initial_study(std::string_view model, std::string_view engine) {
  return fmt::format(fmt::runtime(kInitialStudy), fmt::arg("model", as_scalar(model)),
                     fmt::arg("engine", as_scalar(engine)));
}

}  // namespace llem::config
