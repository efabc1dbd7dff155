#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <llem/machine.hpp>

#include "api/schemas.hpp"
#include "api/state.hpp"
#include "assets/assets.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "config/config.hpp"
#include "engines/catalogue.hpp"
#include "meters/meter.hpp"
#include "sys/host.hpp"

namespace llem {

namespace {

Check host_check() {
  const sys::HostFacts host = sys::read_host_facts(sys::system_root());
  Check check{"machine", "ok", {}, {}, {}, false};
  check.detail = fmt::format(
      "{}, {} of {} CPUs, {} memory, Linux {}", host.cpu_model, host.logical_cpus,
      host.machine_cpus, base::format_bytes(static_cast<double>(sys::usable_memory_bytes(host))),
      host.kernel);
  if (host.hypervisor) {
    check.state = "degraded";
    const bool known = *host.hypervisor != sys::kUnknownHypervisor;
    check.detail +=
        fmt::format(", virtual machine ({})", known ? *host.hypervisor : "kind unknown");
    check.accuracy = "other tenants of the host can take CPU time; steal is recorded and flagged";
    check.fix = "use a machine of its own for numbers to publish";
  } else if (host.governor && *host.governor != "performance") {
    check.state = "degraded";
    check.detail += fmt::format(", governor {}", *host.governor);
    check.accuracy = "clock changes widen the spread between cycles";
    check.fix = "sudo cpupower frequency-set -g performance";
  }
  return check;
}

std::vector<Check> engine_checks() {
  std::vector<Check> checks;
  for (const engines::EngineInfo& info : engines::engines()) {
    if (info.hidden) {
      continue;
    }
    Check check{fmt::format("engine {}", info.name), "ok", std::string(info.summary), {}, {}, true};
    if (const auto worker = engines::find_worker(info.kind)) {
      check.detail += fmt::format(" ({})", worker->string());
    } else {
      check.state = "missing";
      check.detail = worker.error().message;
      check.fix = worker.error().hint;
    }
    checks.push_back(std::move(check));
  }
  return checks;
}

std::vector<Check> meter_checks() {
  std::vector<Check> checks;
  for (const meters::MeterFinding& finding : meters::find_meters({})) {
    checks.push_back({fmt::format("meter {}", finding.meter), finding.state, finding.detail,
                      finding.accuracy, finding.fix, false});
  }
  return checks;
}

std::vector<Check> asset_checks() {
  std::vector<Check> checks;
  for (const assets::CatalogueEntry& entry : assets::catalogue()) {
    checks.push_back({fmt::format("{} {}", entry.kind, entry.alias),
                      entry.cached ? "ok" : "degraded",
                      fmt::format("{}, {}, {}", entry.title,
                                  base::format_bytes(static_cast<double>(entry.bytes)),
                                  entry.cached ? "on this machine" : "fetched at first use"),
                      {},
                      entry.cached ? "" : "needs the network once",
                      false});
  }
  return checks;
}

}  // namespace

std::vector<Check> doctor() {
  std::vector<Check> checks{host_check()};
  for (auto part : {engine_checks(), meter_checks(), asset_checks()}) {
    checks.insert(checks.end(), part.begin(), part.end());
  }
  return checks;
}

Expected<std::vector<ConfigValue>> user_configuration() {
  LLEM_ASSIGN(const config::UserConfig user, api::user_config());
  const std::string file = api::user_config_path();
  std::vector<ConfigValue> values;
  const auto add = [&](std::string key, const std::optional<std::string>& in_file,
                       const char* variable, std::string fallback) {
    const auto named = variable == nullptr ? std::nullopt : sys::environment(variable);
    if (named) {
      values.push_back({std::move(key), *named, variable});
    } else if (in_file) {
      values.push_back({std::move(key), *in_file, file});
    } else {
      values.push_back({std::move(key), std::move(fallback), "default"});
    }
  };
  add("results_dir", user.results_dir, "LLEM_RESULTS_DIR", "runs");
  add("log", user.log, "LLEM_LOG", "warning");
  add("model_dirs",
      user.model_dirs.empty() ? std::nullopt : std::optional(base::join(user.model_dirs, ", ")),
      nullptr, "");
  const auto shown = [](const std::optional<double>& value) {
    return value ? std::optional(base::shortest(*value)) : std::nullopt;
  };
  add("carbon.g_per_kwh", user.carbon ? shown(user.carbon->g_per_kwh) : std::nullopt, nullptr, "");
  add("carbon.source", user.carbon ? user.carbon->source : std::nullopt, nullptr, "");
  add("pue", shown(user.pue), nullptr, "1");
  add("price_per_kwh", shown(user.price_per_kwh), nullptr, "");
  add("currency", user.currency, nullptr, "");
  add("cache", std::nullopt, "XDG_CACHE_HOME", sys::cache_directory().string());
  add("hub offline", std::nullopt, "HF_HUB_OFFLINE", "0");
  return values;
}

std::string user_configuration_path() {
  return api::user_config_path();
}

std::vector<CatalogueItem> catalogue() {
  std::vector<CatalogueItem> items;
  for (const assets::CatalogueEntry& entry : assets::catalogue()) {
    items.push_back({entry.alias, entry.kind, entry.title, entry.licence,
                     static_cast<double>(entry.bytes), entry.cached});
  }
  return items;
}

std::string initial_study(const std::string& model, const std::string& engine) {
  return config::initial_study(model, engine);
}

std::vector<std::string> schema_names() {
  return api::schema_names();
}

Expected<std::string> schema(const std::string& name) {
  return api::schema_text(name);
}

namespace {

base::Json checks_array(const std::vector<Check>& checks) {
  base::Json array = base::Json::array();
  for (const Check& check : checks) {
    array.push_back(base::Json::object({{"subject", check.subject},
                                        {"state", check.state},
                                        {"detail", check.detail},
                                        {"accuracy", check.accuracy},
                                        {"fix", check.fix},
                                        {"required", check.required}}));
  }
  return array;
}

}  // namespace

std::string checks_json(const std::vector<Check>& checks) {
  return base::write_json(
      base::Json::object(
          {{"schema", "doctor"}, {"schema_version", "1.0.0"}, {"checks", checks_array(checks)}}),
      base::JsonStyle::indented);
}

std::string configuration_json(const std::vector<ConfigValue>& values,
                               const std::vector<Check>& checks) {
  base::Json array = base::Json::array();
  for (const ConfigValue& value : values) {
    array.push_back(
        base::Json::object({{"key", value.key}, {"value", value.value}, {"origin", value.origin}}));
  }
  return base::write_json(base::Json::object({{"schema", "config"},
                                              {"schema_version", "1.0.0"},
                                              {"values", std::move(array)},
                                              {"machine", checks_array(checks)}}),
                          base::JsonStyle::indented);
}

std::string schema_names_json() {
  base::Json names = base::Json::array();
  for (const std::string& name : schema_names()) {
    names.push_back(name);
  }
  return base::write_json(
      base::Json::object(
          {{"schema", "schema_names"}, {"schema_version", "1.0.0"}, {"names", std::move(names)}}),
      base::JsonStyle::indented);
}

std::string text_json(const std::string& name, const std::string& text) {
  const bool line = !text.empty() && text.back() == '\n';
  base::Json json = base::Json::object({{"schema", "config_" + name}, {"schema_version", "1.0.0"}});
  json[name] = text.substr(0, text.size() - (line ? 1 : 0));
  return base::write_json(json, base::JsonStyle::indented);
}

std::string describe_error(const Error& error) {
  return base::describe(error);
}

std::string error_json(const Error& error) {
  base::Json places = base::Json::array();
  for (const std::string& place : error.context) {
    places.push_back(place);
  }
  base::Json body = base::Json::object({{"kind", base::to_string(error.kind)},
                                        {"message", error.message},
                                        {"context", std::move(places)}});
  if (!error.hint.empty()) {
    body["hint"] = error.hint;
  }
  if (!error.code.empty()) {
    body["code"] = error.code;
  }
  return base::write_json(base::Json::object({{"error", std::move(body)}}),
                          base::JsonStyle::indented);
}

void set_log(const std::string& threshold, void (*sink)(const char* level, const char* line)) {
  static constexpr std::array<const char*, 4> kWords{"error", "warning", "info", "debug"};
  auto level = base::LogLevel::warning;
  for (std::size_t i = 0; i < kWords.size(); ++i) {
    if (threshold == kWords[i]) {
      level = static_cast<base::LogLevel>(i);
    }
  }
  base::set_log_sink(
      [sink](base::LogLevel at, std::string_view line) {
        sink(kWords[static_cast<std::size_t>(at)], std::string(line).c_str());
      },
      level);
}

}  // namespace llem
