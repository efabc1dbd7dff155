#include "domain/self_test.hpp"

#include <array>
#include <string_view>

namespace llem::domain {

using base::field;

const base::Table& Noise::table() {
  static constexpr std::array fields{
      field<&Noise::metric>("metric", "What was compared", {.required = true}),
      field<&Noise::source>("source", "Whether a sensor gave it"),
      field<&Noise::pairs>("pairs", "Pairs of trials that followed each other"),
      field<&Noise::mean>("mean", "Of the trials"),
      field<&Noise::variation_ratio>("variation_ratio", "Standard deviation of the trials / mean",
                                     {.unit = "1"}),
      field<&Noise::a_to_b_ratio>("a_to_b_ratio", "One of each pair over the other; the truth is 1",
                                  {.unit = "1"}),
      field<&Noise::interval>("interval", "Of that ratio"),
      field<&Noise::false_positive_ratio>(
          "false_positive_ratio",
          "Share of the ways to exchange the two of a pair in which the interval leaves out 1; "
          "0.05 is right",
          {.unit = "1"}),
      field<&Noise::detectable_5_ratio>("detectable_5_ratio",
                                        "Smallest difference that 5 pairs show with a power of 0.8",
                                        {.unit = "1"}),
      field<&Noise::detectable_10_ratio>(
          "detectable_10_ratio", "Smallest difference that 10 pairs show with a power of 0.8",
          {.unit = "1"}),
      field<&Noise::drift>("drift", "Over the time of day")};
  static constexpr base::Table table{"noise", "Spread of one metric", fields};
  return table;
}

const base::Table& SelfTest::table() {
  static constexpr std::array<std::string_view, 1> kSchema{"self_test"};
  static constexpr std::array fields{
      field<&SelfTest::schema>("schema", "Name of this document's schema",
                               {.required = true, .allowed = kSchema}),
      field<&SelfTest::schema_version>("schema_version", "Version of that schema",
                                       {.required = true}),
      field<&SelfTest::tool_version>("tool_version", "Version of the program"),
      field<&SelfTest::directory>("directory", "Of the run that was evaluated"),
      field<&SelfTest::config_hash>("config_hash", "Content hash of the configuration"),
      field<&SelfTest::trials>("trials", "Trials with a result"),
      field<&SelfTest::unusable>("unusable", "Of them invalid"),
      field<&SelfTest::metrics>("metrics", "Spread of each metric", {.required = true})};
  static constexpr base::Table table{"self_test", "How noisy this machine is", fields};
  return table;
}

}  // namespace llem::domain
