#include "analysis/parts.hpp"
#include "analysis/scope_energy.hpp"

namespace llem::analysis {

namespace {

constexpr double kJoulesPerKwh = 3.6e6;

}  // namespace

std::optional<domain::Cost> cost(const domain::Energy& energy, const Window& window,
                                 const domain::UserFactors& factors) {
  if (!energy.headline_gross_j || (!factors.g_per_kwh && !factors.price_per_kwh)) {
    return std::nullopt;
  }
  const domain::Value& gross = *energy.headline_gross_j;
  domain::Cost cost;
  cost.scope = energy.headline_scope;
  cost.energy_kwh = gross.value / kJoulesPerKwh;
  cost.pue_ratio = factors.pue_ratio.value_or(1);
  // Of the machine, where the facility uses one kilowatt-hour.
  const double joules = kJoulesPerKwh / cost.pue_ratio;
  const double millions = 1e-6 * static_cast<double>(window.output_tokens);
  const auto per_million = [&](const domain::Value& value) {
    return millions > 0 ? std::optional(per(value, millions)) : std::nullopt;
  };
  if (factors.g_per_kwh) {
    cost.g_per_kwh = factors.g_per_kwh;
    cost.g_per_kwh_source = factors.source;
    cost.emissions_g = per(gross, joules / *factors.g_per_kwh);
    cost.emissions_g_per_million_output_tokens = per_million(*cost.emissions_g);
  }
  if (factors.price_per_kwh) {
    cost.price_per_kwh = factors.price_per_kwh;
    cost.currency = factors.currency;
    cost.price = per(gross, joules / *factors.price_per_kwh);
    cost.price_per_million_output_tokens = per_million(*cost.price);
  }
  return cost;
}

}  // namespace llem::analysis
