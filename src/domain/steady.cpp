#include "domain/steady.hpp"

#include <array>

namespace llem::domain {

using base::field;

const base::Table& SteadyCriterion::table() {
  static constexpr std::array fields{
      field<&SteadyCriterion::quantity>(
          "quantity",
          "throughput_drift and power_drift (slope times span over mean), throughput_variation "
          "(coefficient of variation), temperature_slope"),
      field<&SteadyCriterion::over>("over", "warmup (its last blocks) or window"),
      field<&SteadyCriterion::unit>("unit", "Of value, u and limit"),
      field<&SteadyCriterion::value>("value", "What was found"),
      field<&SteadyCriterion::u>(
          "u", "Standard error of a slope; of a temperature at least its last digit over the span"),
      field<&SteadyCriterion::limit>("limit", "Largest magnitude that counts as steady"),
      field<&SteadyCriterion::n>("n", "Blocks or readings judged"),
      field<&SteadyCriterion::device>("device", "Whose temperature"),
      field<&SteadyCriterion::verdict>(
          "verdict", "met, failed, or within_noise: beyond the limit, but not clearly a slope")};
  static constexpr base::Table table{"steady_criterion", "One thing that should stand still",
                                     fields};
  return table;
}

const base::Table& WindowTruncation::table() {
  static constexpr std::array fields{
      field<&WindowTruncation::blocks>("blocks",
                                       "What was averaged in fives: whole batches, or intervals of "
                                       "the time in which the batch is full"),
      field<&WindowTruncation::n>("n", "How many"),
      field<&WindowTruncation::begin_s>("begin_s", "Truncation point after the window's begin",
                                        {.unit = "s"}),
      field<&WindowTruncation::discarded_ratio>(
          "discarded_ratio", "Share of the blocks before it, at most 0.5", {.unit = "1"}),
      field<&WindowTruncation::effect_ratio>(
          "effect_ratio", "Mean throughput after it over that of all blocks, less one",
          {.unit = "1"}),
      field<&WindowTruncation::u_effect>("u_effect", "Standard error of effect_ratio",
                                         {.unit = "1"}),
      field<&WindowTruncation::verdict>("verdict", "met, within_noise or failed")};
  static constexpr base::Table table{
      "window_truncation", "Where MSER-5 would cut the beginning of the window off", fields};
  return table;
}

const base::Table& SteadyWindow::table() {
  static constexpr std::array fields{
      field<&SteadyWindow::full_batch>("full_batch", "Sequences in a step that count as full"),
      field<&SteadyWindow::stretches>("stretches", "Stretches of time, at most one a pass"),
      field<&SteadyWindow::begin_s>("begin_s", "Begin of the first after the window's begin",
                                    {.unit = "s"}),
      field<&SteadyWindow::end_s>("end_s", "End of the last after the window's begin",
                                  {.unit = "s"}),
      field<&SteadyWindow::duration_s>("duration_s", "Of all stretches", {.unit = "s"}),
      field<&SteadyWindow::share_ratio>("share_ratio", "Of the window's time", {.unit = "1"}),
      field<&SteadyWindow::mean_batch>("mean_batch", "Sequences in a step, weighted by its time"),
      field<&SteadyWindow::input_tokens>("input_tokens", "Input tokens prefilled in it",
                                         {.unit = "tokens"}),
      field<&SteadyWindow::output_tokens>("output_tokens", "Output tokens delivered in it",
                                          {.unit = "tokens"}),
      field<&SteadyWindow::output_tokens_per_s>(
          "output_tokens_per_s", "Output tokens per second in it", {.unit = "tokens/s"}),
      field<&SteadyWindow::gross_j>("gross_j", "Gross energy of the headline's scopes in it",
                                    {.unit = "J"}),
      field<&SteadyWindow::gross_j_per_output_token>(
          "gross_j_per_output_token", "Gross energy per output token delivered in it",
          {.unit = "J/token"}),
      field<&SteadyWindow::mean_power_w>("mean_power_w", "Gross energy over its time",
                                         {.unit = "W"}),
      field<&SteadyWindow::energy_refused>("energy_refused", "Why there is no energy"),
      field<&SteadyWindow::ramp_s>("ramp_s", "Left out: before the batch is full", {.unit = "s"}),
      field<&SteadyWindow::ramp_output_tokens>("ramp_output_tokens", "Output tokens of that time",
                                               {.unit = "tokens"}),
      field<&SteadyWindow::tail_s>("tail_s", "Left out: after the batch was full for the last time",
                                   {.unit = "s"}),
      field<&SteadyWindow::tail_output_tokens>("tail_output_tokens", "Output tokens of that time",
                                               {.unit = "tokens"})};
  static constexpr base::Table table{
      "steady_window", "The time in which a continuously filled batch is full", fields};
  return table;
}

const base::Table& Steady::table() {
  static constexpr std::array fields{
      field<&Steady::of_window>(
          "of_window",
          "Of several windows the one that is told of, counted from 1: the first in which a "
          "criterion failed, else the first"),
      field<&Steady::criteria>("criteria", "What should stand still, each with its limit"),
      field<&Steady::truncation>("truncation", "MSER-5; nothing is cut"),
      field<&Steady::truncation_refused>("truncation_refused", "Why there is no truncation point"),
      field<&Steady::window>("window", "The time in which a continuously filled batch is full"),
      field<&Steady::window_refused>("window_refused", "Why there is no such time")};
  static constexpr base::Table table{"steady", "Whether the work stood still", fields};
  return table;
}

}  // namespace llem::domain
