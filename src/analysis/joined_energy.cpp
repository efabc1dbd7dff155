#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "analysis/figure.hpp"
#include "analysis/joined.hpp"
#include "analysis/scope_energy.hpp"

namespace llem::analysis {

namespace {

using domain::ScopeEnergy;
using domain::Value;

/// A scope as each window has it, and how long each window is.
struct Parts {
  std::vector<const ScopeEnergy*> scopes;
  std::vector<double> seconds;
};

using Joules = std::optional<double> domain::UncertaintyComponents::*;

/// Of errors that are drawn anew in each window.
std::optional<double> in_quadrature(const Parts& parts, Joules part) {
  std::optional<double> square;
  for (const ScopeEnergy* scope : parts.scopes) {
    if (const auto joules = scope->components.*part) {
      square = square.value_or(0) + *joules * *joules;
    }
  }
  return square ? std::optional(std::sqrt(*square)) : std::nullopt;
}

/// Of errors that are the same in each window.
std::optional<double> linearly(const Parts& parts, Joules part) {
  std::optional<double> sum;
  for (const ScopeEnergy* scope : parts.scopes) {
    if (const auto joules = scope->components.*part) {
      sum = sum.value_or(0) + *joules;
    }
  }
  return sum;
}

/// "a", or "a+b" where windows differ.
void add_method(std::string& methods, const std::string& method) {
  if (methods.empty()) {
    methods = method;
  } else if (("+" + methods + "+").find("+" + method + "+") == std::string::npos) {
    methods += "+" + method;
  }
}

std::optional<double> sum(const std::optional<double>& a, const std::optional<double>& b) {
  return a && b ? std::optional(*a + *b) : std::nullopt;
}

/// The sum of a value over the windows; absent where one of them has none.
template <class Pick>
std::optional<Value> sum_of(const std::vector<WindowBlocks>& blocks, Pick&& pick) {
  std::optional<Value> total;
  std::string methods;
  for (const WindowBlocks& block : blocks) {
    const std::optional<Value>& value = pick(block);
    if (!value) {
      return std::nullopt;
    }
    if (value->method) {
      add_method(methods, *value->method);
    }
    total = total ? plus(total, value) : value;
  }
  if (total && !methods.empty()) {
    total->method = methods;
  }
  return total;
}

/// Random uncertainty of a net: that of the joined gross, and the error of idle power, which is one
/// measurement for all windows, times their whole time.
std::optional<double> net_uncertainty(const Value& joined_gross,
                                      const std::vector<std::pair<Value, Value>>& gross_and_net) {
  double idle = 0;
  for (const auto& [gross, net] : gross_and_net) {
    if (!net.u_random) {
      return std::nullopt;
    }
    const double of_gross = gross.u_random.value_or(0);
    idle += std::sqrt(std::max(0.0, *net.u_random * *net.u_random - of_gross * of_gross));
  }
  return std::hypot(joined_gross.u_random.value_or(0), idle);
}

/// The idle power subtracted, of all kinds that windows took; they may have been measured by
/// different sensors.
std::optional<domain::IdlePower> joined_idle(const Parts& parts, double seconds) {
  std::optional<domain::IdlePower> idle = parts.scopes.front()->idle;
  double joules = 0;
  for (std::size_t i = 0; i < parts.scopes.size(); ++i) {
    const auto& own = parts.scopes[i]->idle;
    if (!idle || !own) {
      return std::nullopt;
    }
    add_method(idle->kind, own->kind);
    joules += own->power_w * parts.seconds[i];
  }
  idle->power_w = joules / seconds;
  return idle;
}

void join_net(ScopeEnergy& scope, const Parts& parts, double seconds) {
  scope.net.reset();
  scope.idle = joined_idle(parts, seconds);
  if (!scope.idle) {
    return;
  }
  std::vector<std::pair<Value, Value>> gross_and_net;
  std::optional<double> systematic = 0;
  for (const ScopeEnergy* part : parts.scopes) {
    if (!part->net) {
      return;
    }
    gross_and_net.emplace_back(part->gross, *part->net);
    systematic = sum(systematic, part->net->u_systematic);
  }
  scope.net = scope.gross;
  scope.net->value = scope.gross.value - scope.idle->power_w * seconds;
  scope.net->u_random = net_uncertainty(scope.gross, gross_and_net);
  scope.net->u_systematic = systematic;
}

int badness(const std::string& status) {
  return status == "ok" ? 0 : status == "warn" ? 1 : 2;
}

void join_crosscheck(ScopeEnergy& scope, const Parts& parts) {
  for (const ScopeEnergy* part : parts.scopes) {
    if (part == parts.scopes.front()) {
      continue;
    }
    if (!scope.crosscheck || !part->crosscheck) {
      scope.crosscheck.reset();
      return;
    }
    add_method(scope.crosscheck->method, part->crosscheck->method);
    scope.crosscheck->energy_j += part->crosscheck->energy_j;
    if (badness(part->crosscheck->status) > badness(scope.crosscheck->status)) {
      scope.crosscheck->status = part->crosscheck->status;
    }
  }
  if (scope.crosscheck) {
    scope.crosscheck->ratio = scope.gross.value / scope.crosscheck->energy_j;
  }
}

using Share = std::optional<double> domain::ThrottleShares::*;

void join_throttle(ScopeEnergy& scope, const Parts& parts) {
  if (!scope.throttle) {
    return;
  }
  for (const Share share :
       {&domain::ThrottleShares::power_ratio, &domain::ThrottleShares::sw_thermal_ratio,
        &domain::ThrottleShares::hw_thermal_ratio, &domain::ThrottleShares::brake_ratio}) {
    TimedMean mean;
    for (std::size_t i = 0; i < parts.scopes.size(); ++i) {
      const auto& own = parts.scopes[i]->throttle;
      mean.add(own ? (*own).*share : std::nullopt, parts.seconds[i]);
    }
    (*scope.throttle).*share = mean.get();
  }
}

/// Idle states before the windows are the same in each; the pad is that of the first window.
ScopeEnergy joined_scope(const Parts& parts, double seconds) {
  using Components = domain::UncertaintyComponents;
  ScopeEnergy scope = *parts.scopes.front();
  scope.method.clear();
  scope.gross.value = 0;
  scope.sensor.polls = scope.sensor.distinct_readings = 0;
  scope.gross.u_systematic = 0;
  for (const ScopeEnergy* part : parts.scopes) {
    add_method(scope.method, part->method);
    scope.gross.value += part->gross.value;
    scope.gross.u_systematic = sum(scope.gross.u_systematic, part->gross.u_systematic);
    scope.sensor.polls += part->sensor.polls;
    scope.sensor.distinct_readings += part->sensor.distinct_readings;
    if (part->peak_power_w) {
      scope.peak_power_w = std::max(scope.peak_power_w.value_or(0), *part->peak_power_w);
    }
  }
  // Pads show the power beside each edge, and what is left is chance. Without them the steps of
  // power at the edges, and a sensor's lag, err to the same side in every window.
  const bool padded = std::ranges::all_of(
      parts.scopes, [](const ScopeEnergy* part) { return part->method == "counter_padded"; });
  scope.components.edge_j =
      padded ? in_quadrature(parts, &Components::edge_j) : linearly(parts, &Components::edge_j);
  for (const Joules part :
       {&Components::alias_j, &Components::gap_j, &Components::time_j, &Components::quantum_j}) {
    scope.components.*part = in_quadrature(parts, part);
  }
  for (const Joules part : {&Components::gain_j, &Components::offset_j, &Components::estimate_j}) {
    scope.components.*part = linearly(parts, part);
  }
  if (scope.gross.u_random) {
    scope.gross.method = scope.method;
    scope.gross.u_random = random_uncertainty(scope.components);
  }
  scope.mean_power_w = scope.gross.value / seconds;
  join_net(scope, parts, seconds);
  join_crosscheck(scope, parts);
  join_throttle(scope, parts);
  return scope;
}

const ScopeEnergy* find_scope(const domain::Energy& energy, const ScopeEnergy& like) {
  const auto it = std::ranges::find_if(energy.scopes, [&](const ScopeEnergy& scope) {
    return scope.scope == like.scope && scope.kind == like.kind;
  });
  return it == energy.scopes.end() ? nullptr : &*it;
}

void join_headline(const domain::Recording& recording, domain::Energy& energy,
                   const std::vector<WindowBlocks>& blocks, const Window& all) {
  energy.headline_scope = blocks.front().energy->headline_scope;
  energy.headline_gross_j =
      sum_of(blocks, [](const WindowBlocks& b) -> const std::optional<Value>& {
        return b.energy->headline_gross_j;
      });
  const auto parts = headline_parts(recording, energy);
  if (energy.headline_gross_j && energy.headline_gross_j->u_random && !parts.empty()) {
    double square = 0;
    for (const ScopeEnergy* part : parts) {
      square += std::pow(part->gross.u_random.value_or(0), 2);
    }
    energy.headline_gross_j->u_random = std::sqrt(square);
  }
  energy.headline_net_j = sum_of(blocks, [](const WindowBlocks& b) -> const std::optional<Value>& {
    return b.energy->headline_net_j;
  });
  if (!energy.headline_gross_j || !energy.headline_net_j) {
    return;
  }
  double idle_j = 0;
  std::vector<std::pair<Value, Value>> gross_and_net;
  for (const WindowBlocks& block : blocks) {
    gross_and_net.emplace_back(*block.energy->headline_gross_j, *block.energy->headline_net_j);
    idle_j += *block.energy->headline_idle_w * block.window->duration_s;
  }
  energy.headline_idle_w = idle_j / all.duration_s;
  energy.headline_net_j->value =
      energy.headline_gross_j->value - *energy.headline_idle_w * all.duration_s;
  energy.headline_net_j->u_random = net_uncertainty(*energy.headline_gross_j, gross_and_net);
}

}  // namespace

std::optional<domain::Energy> joined_energy(const domain::Recording& recording,
                                            const std::vector<WindowBlocks>& blocks,
                                            const Window& all, Findings& findings) {
  if (blocks.size() == 1) {
    return blocks.front().energy;
  }
  const bool everywhere = std::ranges::all_of(
      blocks, [](const WindowBlocks& block) { return block.energy.has_value(); });
  if (!everywhere) {
    return std::nullopt;
  }
  domain::Energy energy;
  for (const ScopeEnergy& first : blocks.front().energy->scopes) {
    Parts parts;
    for (const WindowBlocks& block : blocks) {
      if (const ScopeEnergy* own = find_scope(*block.energy, first)) {
        parts.scopes.push_back(own);
        parts.seconds.push_back(block.window->duration_s);
      }
    }
    if (parts.scopes.size() == blocks.size()) {
      energy.scopes.push_back(joined_scope(parts, all.duration_s));
    }
  }
  energy.measured_total_j =
      sum_of(blocks, [](const WindowBlocks& b) -> const std::optional<Value>& {
        return b.energy->measured_total_j;
      });
  energy.estimated_total_j =
      sum_of(blocks, [](const WindowBlocks& b) -> const std::optional<Value>& {
        return b.energy->estimated_total_j;
      });
  const std::string& scope = blocks.front().energy->headline_scope;
  const bool one_scope = std::ranges::all_of(
      blocks, [&](const WindowBlocks& block) { return block.energy->headline_scope == scope; });
  if (!one_scope) {
    findings.add("no_energy", "the windows differ in what their energy covers");
  } else if (!scope.empty()) {
    join_headline(recording, energy, blocks, all);
  }
  return energy.scopes.empty() ? std::nullopt : std::optional(std::move(energy));
}

}  // namespace llem::analysis
