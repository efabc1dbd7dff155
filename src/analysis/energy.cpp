#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "analysis/parts.hpp"
#include "analysis/scope_energy.hpp"

namespace llem::analysis {

namespace {

using Scopes = std::vector<const domain::ScopeEnergy*>;

const domain::Value& gross_of(const domain::ScopeEnergy& scope) {
  return scope.gross;
}

const domain::Value& net_value_of(const domain::ScopeEnergy& scope) {
  return *scope.net;
}

/// Random parts in quadrature; systematic parts add within one kind of sensor, whose gains are
/// alike.
template <class Pick>
domain::Value sum(const Scopes& scopes, Pick&& pick) {
  domain::Value total;
  double random = 0;
  std::array<double, 16> systematic{};
  bool any_systematic = false;
  for (const auto* scope : scopes) {
    const domain::Value& value = pick(*scope);
    total.value += value.value;
    random += value.u_random.value_or(0) * value.u_random.value_or(0);
    systematic.at(static_cast<std::size_t>(scope->kind)) += value.u_systematic.value_or(0);
    any_systematic = any_systematic || value.u_systematic.has_value();
  }
  const domain::ScopeEnergy& first = *scopes.front();
  total.source = first.source;
  total.method = first.method;
  if (first.source != domain::Provenance::estimated) {
    total.u_random = std::sqrt(random);
  }
  if (any_systematic) {
    double square = 0;
    for (const double part : systematic) {
      square += part * part;
    }
    total.u_systematic = std::sqrt(square);
  }
  return total;
}

std::vector<std::string> used_gpus(const domain::Recording& recording) {
  std::vector<std::string> ids;
  for (const auto& device : recording.devices) {
    if (device.used_gpu()) {
      ids.push_back(device.id);
    }
  }
  return ids;
}

bool is_unused(const domain::Recording& recording, std::string_view device) {
  return std::any_of(recording.devices.begin(), recording.devices.end(),
                     [&](const auto& d) { return d.id == device && !d.used; });
}

Scopes of_kind(const domain::Recording& recording, const domain::Energy& energy,
               domain::Scope kind) {
  Scopes found;
  for (const auto& scope : energy.scopes) {
    if (scope.kind == kind && !is_unused(recording, scope.scope)) {
      found.push_back(&scope);
    }
  }
  return found;
}

std::size_t channels_of_kind(const domain::Recording& recording, domain::Scope kind) {
  const auto scopes = scopes_of(recording);
  return static_cast<std::size_t>(std::count_if(
      scopes.begin(), scopes.end(), [&](const ScopeChannels& s) { return s.kind == kind; }));
}

struct Headline {
  std::string scope;
  Scopes parts;
};

/// Every GPU the deployment uses, or nothing: a sum over some of them would be too small.
Headline gpu_headline(const domain::Energy& energy, const std::vector<std::string>& gpus,
                      Findings& findings) {
  Headline headline;
  for (const auto& id : gpus) {
    const auto it = std::find_if(energy.scopes.begin(), energy.scopes.end(), [&](const auto& s) {
      return s.scope == id && (s.kind == domain::Scope::gpu || s.kind == domain::Scope::module);
    });
    if (it == energy.scopes.end()) {
      findings.add("no_energy", fmt::format("{} has no energy reading", id));
      return {};
    }
    headline.scope = it->kind == domain::Scope::module ? "module" : "gpu";
    headline.parts.push_back(&*it);
  }
  return headline;
}

Headline cpu_headline(const domain::Recording& recording, const domain::Energy& energy) {
  Headline headline;
  headline.parts = of_kind(recording, energy, domain::Scope::package);
  if (headline.parts.empty() ||
      headline.parts.size() < channels_of_kind(recording, domain::Scope::package)) {
    return {};
  }
  headline.scope = "cpu_package";
  const auto dram = of_kind(recording, energy, domain::Scope::dram);
  if (!dram.empty() && dram.size() == channels_of_kind(recording, domain::Scope::dram)) {
    headline.scope = "cpu_package+dram";
    headline.parts.insert(headline.parts.end(), dram.begin(), dram.end());
  }
  return headline;
}

void estimate_host(const domain::Recording& recording, const Window& window, domain::Energy& energy,
                   Findings& findings) {
  auto estimate = host_estimate(recording, window);
  if (!estimate) {
    findings.add("no_energy", "no energy sensor and no CPU load were recorded");
    return;
  }
  findings.add("estimated_energy",
               fmt::format("mean power ~{:.1f} W from CPU load, ±50 %", *estimate->mean_power_w));
  energy.scopes.push_back(std::move(*estimate));
  energy.estimated_total_j = energy.scopes.back().gross;
}

void set_headline(domain::Energy& energy, const Headline& headline, const Window& window) {
  if (headline.parts.empty()) {
    return;
  }
  energy.headline_scope = headline.scope;
  energy.headline_gross_j = sum(headline.parts, gross_of);
  const bool all_idle = std::all_of(headline.parts.begin(), headline.parts.end(),
                                    [](const auto* s) { return s->idle && s->net; });
  if (!all_idle) {
    return;
  }
  double idle_w = 0;
  for (const auto* scope : headline.parts) {
    idle_w += scope->idle->power_w;
  }
  energy.headline_idle_w = idle_w;
  energy.headline_net_j = sum(headline.parts, net_value_of);
  // From the sums, so that net = gross − idle × time holds to the last digits here too.
  energy.headline_net_j->value = energy.headline_gross_j->value - idle_w * window.duration_s;
}

/// Disjoint scopes only: core and uncore lie within package, psys and node contain it, a module
/// contains its CPU and its GPU.
void set_measured_total(const domain::Recording& recording, domain::Energy& energy,
                        Findings& findings) {
  using enum domain::Scope;
  Scopes parts = of_kind(recording, energy, module);
  if (parts.empty()) {
    for (const auto kind : {package, dram}) {
      const auto more = of_kind(recording, energy, kind);
      parts.insert(parts.end(), more.begin(), more.end());
    }
  }
  for (const auto* scope : of_kind(recording, energy, gpu)) {
    const bool within_module = std::any_of(parts.begin(), parts.end(), [&](const auto* part) {
      return part->kind == module && part->scope == scope->scope;
    });
    if (!within_module) {
      parts.push_back(scope);
    }
  }
  if (parts.empty()) {
    return;
  }
  energy.measured_total_j = sum(parts, gross_of);
  energy.measured_total_j->source = domain::Provenance::derived;
  const bool of_modules = parts.front()->kind == module;
  for (const auto& channels : scopes_of(recording)) {
    const bool summed =
        channels.kind == gpu ||
        (of_modules ? channels.kind == module : channels.kind == package || channels.kind == dram);
    const bool found =
        std::any_of(energy.scopes.begin(), energy.scopes.end(), [&](const auto& scope) {
          return scope.scope == channels.device &&
                 (scope.kind == channels.kind || scope.kind == module);
        });
    if (summed && !found && !is_unused(recording, channels.device)) {
      findings.add("total_incomplete",
                   fmt::format("the measured total leaves out {}", channels.device));
    }
  }
}

}  // namespace

domain::Value per(const domain::Value& energy, double count) {
  domain::Value value = energy;
  value.value = energy.value / count;
  if (value.u_random) {
    value.u_random = *value.u_random / count;
  }
  if (value.u_systematic) {
    value.u_systematic = *value.u_systematic / count;
  }
  if (value.source == domain::Provenance::measured) {
    value.source = domain::Provenance::derived;
  }
  return value;
}

std::optional<domain::Value> per_count(const std::optional<domain::Value>& energy,
                                       std::int64_t count) {
  if (!energy || count <= 0) {
    return std::nullopt;
  }
  return per(*energy, static_cast<double>(count));
}

std::vector<const domain::ScopeEnergy*> headline_parts(const domain::Recording& recording,
                                                       const domain::Energy& energy) {
  Findings said_before;
  const auto gpus = used_gpus(recording);
  return gpus.empty() ? cpu_headline(recording, energy).parts
                      : gpu_headline(energy, gpus, said_before).parts;
}

std::optional<domain::Energy> energy(const domain::Recording& recording, const Window& window,
                                     Findings& findings) {
  domain::Energy energy;
  Findings of_no_interest;  // troubles of devices the deployment does not use
  for (const auto& channels : scopes_of(recording)) {
    Findings& told = is_unused(recording, channels.device) ? of_no_interest : findings;
    if (auto scope = scope_energy(recording, channels, window, told)) {
      energy.scopes.push_back(std::move(*scope));
    }
  }
  set_measured_total(recording, energy, findings);
  const auto gpus = used_gpus(recording);
  Headline headline =
      gpus.empty() ? cpu_headline(recording, energy) : gpu_headline(energy, gpus, findings);
  if (gpus.empty() && headline.parts.empty()) {
    estimate_host(recording, window, energy, findings);
    if (energy.estimated_total_j) {
      headline = {"host_estimate", {&energy.scopes.back()}};
    }
  }
  set_headline(energy, headline, window);
  return energy.scopes.empty() ? std::nullopt : std::optional(std::move(energy));
}

std::optional<domain::Efficiency> efficiency(const domain::Energy& energy, const Window& window) {
  if (!energy.headline_gross_j) {
    return std::nullopt;
  }
  const domain::Value& gross = *energy.headline_gross_j;
  domain::Efficiency e;
  e.scope = energy.headline_scope;
  e.gross_j_per_output_token = per_count(gross, window.output_tokens);
  e.net_j_per_output_token = per_count(energy.headline_net_j, window.output_tokens);
  e.gross_j_per_request = per_count(gross, window.requests);
  e.gross_j_per_output_byte = per_count(gross, window.output_bytes);
  e.gross_j_per_total_token = per_count(gross, window.output_tokens + window.input_tokens);
  e.mean_power_w = gross.value / window.duration_s;
  e.energy_delay_product_js = gross.value * window.duration_s;
  if (gross.value > 0) {
    e.output_tokens_per_j = static_cast<double>(window.output_tokens) / gross.value;
  }
  if (window.requests > 0) {
    const double per_request_j = gross.value / static_cast<double>(window.requests);
    e.wh_per_1000_requests = 1000 * per_request_j / 3600;
  }
  return e;
}

}  // namespace llem::analysis
