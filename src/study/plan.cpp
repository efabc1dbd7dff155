#include "study/plan.hpp"

#include <algorithm>
#include <set>
#include <tuple>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "base/hash.hpp"
#include "base/text.hpp"
#include "stats/design.hpp"
#include "workload/bounds.hpp"

namespace llem::study {

namespace {

constexpr std::size_t kDifferencesNamed = 10;

domain::Configuration configuration_of(config::Point&& point, const PointAssets& assets) {
  domain::Configuration configuration;
  configuration.label = std::move(point.label);
  configuration.levels = std::move(point.levels);
  configuration.model = std::move(point.config.model);
  configuration.model_sha256 = assets.model->sha256;
  configuration.model_path = assets.model->path.string();
  configuration.dataset_sha256 = assets.dataset->sha256;
  configuration.dataset_path = assets.dataset->path.string();
  configuration.workload = std::move(point.config.workload);
  configuration.deploy = std::move(point.config.deploy);
  configuration.measure = std::move(point.config.measure);
  configuration.hash = config::content_hash(configuration);
  return configuration;
}

/// The same configurations get the same order on every machine.
std::int64_t seed_of(const std::vector<domain::Configuration>& configurations) {
  base::Sha256 hash;
  for (const domain::Configuration& configuration : configurations) {
    hash.update(configuration.hash.data(), configuration.hash.size());
  }
  // Nine decimal digits can be typed again.
  constexpr std::uint64_t kSeeds = 1'000'000'000;
  return static_cast<std::int64_t>(std::stoull(hash.hex_digest().substr(0, 15), nullptr, 16) %
                                   kSeeds);
}

Expected<std::vector<stats::Run>> ordered(const domain::Study& study, std::int64_t configurations) {
  const auto seed = static_cast<std::uint64_t>(*study.seed);
  switch (study.order) {
    case domain::TrialOrder::sequential:
      return stats::sequential_order(configurations, study.cycles);
    case domain::TrialOrder::interleaved:
      return stats::interleaved_order(configurations, study.cycles);
    case domain::TrialOrder::shuffled:
      return stats::shuffled_order(configurations, study.cycles, seed);
    case domain::TrialOrder::latin_square:
      return stats::williams_order(configurations, study.cycles, seed);
    case domain::TrialOrder::blocks:
      break;
  }
  return stats::randomised_blocks(configurations, study.cycles, seed);
}

/// With a sentinel before the first trial, after every so many, and after the last.
std::vector<domain::Trial> trials_of(const std::vector<stats::Run>& runs,
                                     const std::optional<domain::Sentinel>& sentinel) {
  std::vector<domain::Trial> trials;
  trials.reserve(runs.size());
  std::int64_t sentinels = 0;
  const auto add = [&trials](std::int64_t configuration, std::int64_t cycle,
                             domain::TrialRole role) {
    trials.push_back({static_cast<std::int64_t>(trials.size()), configuration, cycle, role});
  };
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (sentinel && static_cast<std::int64_t>(i) % sentinel->every == 0) {
      add(0, ++sentinels, domain::TrialRole::sentinel);
    }
    add(runs[i].treatment, runs[i].cycle, domain::TrialRole::measured);
  }
  if (sentinel) {
    add(0, ++sentinels, domain::TrialRole::sentinel);
  }
  return trials;
}

/// The limits that suffice for every point.
domain::Study study_of(const config::Space& space) {
  domain::Study study = space.points.front().config.study;
  const auto raise = [](std::optional<double>& limit, const std::optional<double>& other) {
    limit = std::max(limit.value_or(0), other.value_or(0));
  };
  for (const config::Point& point : space.points) {
    raise(study.timeout_s, point.config.study.timeout_s);
    raise(study.timeouts.load_s, point.config.study.timeouts.load_s);
    raise(study.timeouts.warmup_s, point.config.study.timeouts.warmup_s);
    raise(study.timeouts.window_s, point.config.study.timeouts.window_s);
    if (const auto& other = point.config.study.precision; other && study.precision) {
      study.precision->min_cycles = std::max(study.precision->min_cycles, other->min_cycles);
    }
  }
  return study;
}

using TrialKey = std::tuple<std::string, std::int64_t, domain::TrialRole>;

TrialKey key_of(const domain::Plan& plan, const domain::Trial& trial) {
  return {plan.configurations[static_cast<std::size_t>(trial.configuration)].hash, trial.cycle,
          trial.role};
}

std::string name_of(const domain::Configuration& configuration) {
  return configuration.label.empty()
             ? configuration.hash
             : fmt::format("{} ({})", configuration.label, configuration.hash.substr(0, 8));
}

/// "deploy.batch_size 4 → 8" for the fields in which two JSON objects differ.
void changed_fields(const base::Json& before, const base::Json& after, const std::string& path,
                    std::vector<std::string>& out) {
  if (!before.is_object() || !after.is_object()) {
    if (!(before == after)) {
      out.push_back(
          fmt::format("{} {} -> {}", path, base::write_json(before), base::write_json(after)));
    }
    return;
  }
  for (const auto& [key, value] : before.members()) {
    const base::Json* other = after.find(key);
    const std::string inner = path.empty() ? key : path + "." + key;
    if (other == nullptr) {
      out.push_back(fmt::format("{} {} -> nothing", inner, base::write_json(value)));
    } else {
      changed_fields(value, *other, inner, out);
    }
  }
  for (const auto& [key, value] : after.members()) {
    if (before.find(key) == nullptr) {
      out.push_back(fmt::format("{} nothing -> {}", path.empty() ? key : path + "." + key,
                                base::write_json(value)));
    }
  }
}

base::Json content_of(const domain::Configuration& configuration) {
  base::Json json = base::write_struct(configuration);
  base::Json content = base::Json::object();
  for (const char* key : {"model_sha256", "dataset_sha256", "workload", "deploy", "measure"}) {
    if (const base::Json* value = json.find(key)) {
      content[key] = *value;
    }
  }
  return content;
}

void name_configurations(const domain::Plan& plan, const std::set<std::string>& others,
                         const char* what, std::vector<std::string>& out) {
  for (const domain::Configuration& configuration : plan.configurations) {
    if (!others.contains(configuration.hash)) {
      out.push_back(fmt::format("{}: {}", what, name_of(configuration)));
    }
  }
}

std::set<std::string> hashes_of(const domain::Plan& plan) {
  std::set<std::string> hashes;
  for (const domain::Configuration& configuration : plan.configurations) {
    hashes.insert(configuration.hash);
  }
  return hashes;
}

/// What the content hash leaves out must not be what two points differ in: they would be measured
/// as one.
Expected<void> check_mergeable(const domain::Configuration& first,
                               const domain::Configuration& other) {
  std::vector<std::string> changes;
  changed_fields(base::write_struct(first.measure), base::write_struct(other.measure), "measure",
                 changes);
  if (first.deploy.devices != other.deploy.devices) {
    changes.emplace_back("deploy.devices");
  }
  if (changes.empty()) {
    return {};
  }
  return failure(ErrorKind::config,
                 fmt::format("`{}` and `{}` differ only in what is no part of a configuration: {}",
                             first.label, other.label, base::join(changes, ", ")),
                 "measure them in studies of their own");
}

}  // namespace

Expected<domain::Plan> make_plan(std::string_view name, config::Space space,
                                 std::span<const PointAssets> assets,
                                 std::string_view tool_version) {
  LLEM_ASSERT(!space.points.empty() && assets.size() == space.points.size(),
              "every point has its assets");
  domain::Plan plan;
  plan.tool_version = std::string(tool_version);
  plan.study_name = std::string(name);
  plan.study = study_of(space);
  plan.factors = std::move(space.factors);
  plan.skipped = std::move(space.skipped);
  std::unordered_map<std::string, std::size_t> known;
  for (std::size_t i = 0; i < space.points.size(); ++i) {
    domain::Configuration configuration = configuration_of(std::move(space.points[i]), assets[i]);
    const auto [at, is_new] = known.emplace(configuration.hash, plan.configurations.size());
    if (is_new) {
      plan.configurations.push_back(std::move(configuration));
      continue;
    }
    domain::Configuration& first = plan.configurations[at->second];
    LLEM_TRY(check_mergeable(first, configuration));
    first.same_as.push_back(std::move(configuration.label));
  }
  if (!plan.study.seed) {
    plan.study.seed = seed_of(plan.configurations);
  }
  LLEM_ASSIGN(const std::vector<stats::Run> runs,
              ordered(plan.study, static_cast<std::int64_t>(plan.configurations.size())));
  plan.trials = trials_of(runs, plan.study.sentinel);
  return plan;
}

domain::Plan replan(const domain::Plan& before, domain::Plan after, std::int64_t unused) {
  std::map<TrialKey, std::int64_t> numbers;
  std::int64_t next = unused;
  for (const domain::Trial& trial : before.trials) {
    numbers.emplace(key_of(before, trial), trial.index);
    next = std::max(next, trial.index + 1);
  }
  for (domain::Trial& trial : after.trials) {
    const auto known = numbers.find(key_of(after, trial));
    trial.index = known == numbers.end() ? -1 : known->second;
  }
  std::ranges::stable_sort(after.trials, [](const domain::Trial& a, const domain::Trial& b) {
    return a.index >= 0 && (b.index < 0 || a.index < b.index);
  });
  for (domain::Trial& trial : after.trials) {
    if (trial.index < 0) {
      trial.index = next++;
    }
  }
  return after;
}

domain::Plan without_rests(domain::Plan plan) {
  plan.study.gap = plan.study.cycle_gap =
      domain::Gap{.seconds = 0, .temperature_within_c = {}, .max_s = {}};
  return plan;
}

std::vector<std::string> differences(const domain::Plan& before, const domain::Plan& after) {
  std::vector<std::string> out;
  const std::set<std::string> old_hashes = hashes_of(before);
  const std::set<std::string> new_hashes = hashes_of(after);
  const bool one_each = before.configurations.size() == 1 && after.configurations.size() == 1;
  if (one_each && old_hashes != new_hashes) {
    changed_fields(content_of(before.configurations.front()),
                   content_of(after.configurations.front()), "", out);
  } else {
    name_configurations(before, new_hashes, "no longer planned", out);
    name_configurations(after, old_hashes, "new", out);
  }
  // What the content hash leaves out, of configurations that both plan.
  std::unordered_map<std::string_view, const domain::Configuration*> known;
  for (const domain::Configuration& then : before.configurations) {
    known.emplace(then.hash, &then);
  }
  for (const domain::Configuration& now : after.configurations) {
    if (const auto found = known.find(now.hash); found != known.end()) {
      const domain::Configuration& then = *found->second;
      changed_fields(base::write_struct(then.measure), base::write_struct(now.measure),
                     now.label.empty() ? "measure" : name_of(now) + ": measure", out);
      if (then.deploy.devices != now.deploy.devices) {
        out.push_back(now.label.empty() ? "deploy.devices" : name_of(now) + ": deploy.devices");
      }
    }
  }
  changed_fields(base::write_struct(before.study), base::write_struct(after.study), "study", out);
  if (out.size() > kDifferencesNamed) {
    const std::size_t more = out.size() - kDifferencesNamed;
    out.resize(kDifferencesNamed);
    out.push_back(fmt::format("and {} more", more));
  }
  return out;
}

PointPrediction predict_point(const domain::Configuration& configuration,
                              const domain::ModelFacts& facts, double available_bytes) {
  return {config::declared_time(configuration.measure),
          predict::memory_fit(facts, configuration.deploy,
                              configuration.deploy.context_length.value_or(
                                  workload::longest_request(configuration.workload)),
                              available_bytes)};
}

}  // namespace llem::study
