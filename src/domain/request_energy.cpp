#include "domain/request_energy.hpp"

#include <array>

namespace llem::domain {

using base::field;

const base::Table& RequestEnergyDefinition::table() {
  static constexpr std::array fields{
      field<&RequestEnergyDefinition::definition>(
          "definition",
          "window_average: by output tokens; token_time_share: prefill by prompt tokens, decode "
          "by the time of a request's steps over the sequences that decode in them"),
      field<&RequestEnergyDefinition::n>("n", "Requests"),
      field<&RequestEnergyDefinition::mean_j>("mean_j", "Mean over requests", {.unit = "J"}),
      field<&RequestEnergyDefinition::median_j>("median_j", "Median over requests", {.unit = "J"}),
      field<&RequestEnergyDefinition::p95_j>("p95_j", "95th percentile over requests",
                                             {.unit = "J"}),
      field<&RequestEnergyDefinition::sum_j>("sum_j", "Sum over requests", {.unit = "J"}),
      field<&RequestEnergyDefinition::unattributed_j>(
          "unattributed_j", "Gross energy of the window less the sum", {.unit = "J"})};
  static constexpr base::Table table{"request_energy_definition",
                                     "Energy of requests by one definition", fields};
  return table;
}

const base::Table& RequestEnergy::table() {
  static constexpr std::array fields{
      field<&RequestEnergy::scope>("scope", "What the energy covers"),
      field<&RequestEnergy::definitions>("definitions", "Each divides the same energy"),
      field<&RequestEnergy::token_time_share_refused>("token_time_share_refused",
                                                      "Why that definition is missing")};
  static constexpr base::Table table{"request_energy", "Energy of single requests, by definition",
                                     fields};
  return table;
}

}  // namespace llem::domain
