#include "report/text.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/text.hpp"
#include "domain/reason.hpp"
#include "report/format.hpp"
#include "report/spread.hpp"
#include "report/study_notes.hpp"
#include "report/study_table.hpp"

namespace llem::report {

namespace {

using domain::Aggregate;
using domain::ConfigurationResult;

constexpr std::size_t kLabelWidth = 14;
constexpr std::size_t kValueWidth = 31;
constexpr double kMoreThanGain = 1.2;

/// Lines of "  label         text", the label on the first line only.
class Block {
 public:
  explicit Block(std::size_t width) : width_(width) {}

  void line(std::string_view label, std::string_view text) {
    const std::size_t room = width_ - kLabelWidth - 2;
    std::string_view shown = label;
    for (const auto& part : wrapped(text, room)) {
      lines_ += "  " + padded(shown, kLabelWidth) + part + "\n";
      shown = "";
    }
  }

  /// Columns that a break between words must not destroy; put on two lines when too long for one.
  void columns(std::string_view label, std::string_view value, std::string_view note) {
    const std::string joined =
        note.empty()
            ? std::string(value)
            : padded(value, std::max(kValueWidth, display_width(value) + 2)) + std::string(note);
    if (display_width(joined) + kLabelWidth + 2 <= width_) {
      lines_ += "  " + padded(label, kLabelWidth) + joined + "\n";
      return;
    }
    line(label, value);
    line("", note);
  }

  std::string take() { return std::move(lines_); }

 private:
  std::size_t width_;
  std::string lines_;
};

std::string state_word(domain::ValidityState state) {
  return std::string(domain::words(state)[static_cast<std::size_t>(state)]);
}

std::string coloured(std::string_view word, domain::ValidityState state,
                     const TextOptions& options) {
  if (!options.colour) {
    return std::string(word);
  }
  const int code = state == domain::ValidityState::valid     ? 32
                   : state == domain::ValidityState::flagged ? 33
                                                             : 31;
  return fmt::format("\x1b[{}m{}\x1b[0m", code, word);
}

std::string heading(const ConfigurationResult& c, const TextOptions& options) {
  std::string tail = " · " + c.engine;
  if (!c.file_type.empty()) {
    tail += " · " + c.file_type;
  }
  tail += fmt::format(" · batch {} · {} · {}", c.batch_size, plural(c.requests_per_pass, "request"),
                      plural(c.n_attempted, "trial"));
  const std::string state = state_word(c.state);
  const auto width = static_cast<std::size_t>(options.width);
  const std::size_t fixed = display_width(tail) + state.size() + 2;
  const std::string model = shortened(c.model, width > fixed + 8 ? width - fixed : 8);
  const std::string left = model + tail;
  const std::size_t used = display_width(left) + state.size();
  const std::string gap(width > used + 2 ? width - used : 2, ' ');
  return left + gap + coloured(state, c.state, options) + "\n";
}

std::string gross_note(const ConfigurationResult& c) {
  const Aggregate& a = *c.gross_j_per_output_token;
  std::string note = a.source == domain::Provenance::estimated ? "(estimated, gross, " : "(gross, ";
  note += scope_words(c.headline_scope);
  if (const auto systematic = systematic_words(a); !systematic.empty()) {
    note += "; systematic " + systematic;
  }
  return note + ")";
}

/// Told where it exceeds the net itself, whose sign is then unknown, and where it is more than the
/// gain that gross has, too: idle power drifted.
std::string net_systematic(const Aggregate& net, const Aggregate& gross) {
  if (!net.u_systematic) {
    return "";
  }
  const double gain = std::abs(net.value * gross.u_systematic.value_or(0) / gross.value);
  const bool exceeds = 2 * *net.u_systematic > std::abs(net.value);
  const bool drifted = *net.u_systematic > kMoreThanGain * gain;
  return exceeds || drifted ? "; systematic " + systematic_words(net) : "";
}

void energy_lines(Block& block, const ConfigurationResult& c) {
  if (!c.gross_j_per_output_token) {
    block.line("energy", "not measured");
    return;
  }
  block.columns("energy", number(*c.gross_j_per_output_token) + " J/output token", gross_note(c));
  const bool estimated = c.gross_j_per_output_token->source == domain::Provenance::estimated;
  const std::string word = estimated ? "estimated, " : "";
  if (c.net_j_per_output_token && c.idle_power_w) {
    block.columns(
        "", number(*c.net_j_per_output_token) + " J/output token",
        fmt::format("({}net of idle {} W{})", word, bare_number(*c.idle_power_w),
                    net_systematic(*c.net_j_per_output_token, *c.gross_j_per_output_token)));
  }
  if (c.gross_j_per_request && c.mean_power_w) {
    block.columns("", number(*c.gross_j_per_request) + " J/request",
                  fmt::format("({}mean power {} W)", word, bare_number(*c.mean_power_w)));
  }
}

void phases_line(Block& block, const ConfigurationResult& c) {
  if (c.prefill_j_per_input_token && c.decode_j_per_output_token) {
    block.columns("phases", "prefill " + number(*c.prefill_j_per_input_token) + " J/input token",
                  "decode " + number(*c.decode_j_per_output_token) + " J/output token");
  }
}

void cost_line(Block& block, const ConfigurationResult& c) {
  std::vector<std::string> parts;
  if (c.emissions_g_per_million_output_tokens) {
    parts.push_back(number(*c.emissions_g_per_million_output_tokens) + " g CO2e");
  }
  if (c.price_per_million_output_tokens) {
    const std::string currency = c.currency ? " " + *c.currency : "";
    parts.push_back(number(*c.price_per_million_output_tokens) + currency);
  }
  if (!parts.empty()) {
    block.columns("cost", fmt::format("{}", fmt::join(parts, " · ")),
                  "per million output tokens, gross, by your factors");
  }
}

void throughput_line(Block& block, const ConfigurationResult& c) {
  if (c.output_tokens_per_s) {
    const std::string requests =
        c.requests_per_s ? number(*c.requests_per_s, 60) + " requests/min" : "";
    block.columns("throughput", number(*c.output_tokens_per_s) + " output tokens/s", requests);
  }
}

void steady_line(Block& block, const ConfigurationResult& c) {
  if (!c.steady_output_tokens_per_s) {
    return;
  }
  const std::string rate = number(*c.steady_output_tokens_per_s) + " output tokens/s";
  if (c.steady_gross_j_per_output_token) {
    block.columns("batch full", number(*c.steady_gross_j_per_output_token) + " J/output token",
                  rate);
  } else {
    block.line("batch full", rate);
  }
}

std::string percentiles(std::string_view name, const std::optional<Aggregate>& median,
                        const std::optional<Aggregate>& high) {
  if (!median) {
    return "";
  }
  std::string text = fmt::format("{} {} p50", name, duration(median->value));
  if (high) {
    text += fmt::format(" · {} p95", duration(high->value));
  }
  return text;
}

void latency_line(Block& block, const ConfigurationResult& c) {
  const auto ttft = percentiles("service TTFT", c.service_ttft_median_s, c.service_ttft_p95_s);
  const auto itl = percentiles("ITL", c.itl_median_s, c.itl_p95_s);
  if (!ttft.empty() || !itl.empty()) {
    block.line("latency", ttft + (ttft.empty() || itl.empty() ? "" : "    ") + itl);
  }
}

void compute_line(Block& block, const ConfigurationResult& c) {
  if (!c.flops_per_s) {
    return;
  }
  std::string text = flop_rate(c.flops_per_s->value);
  if (c.mfu_ratio) {
    text += " · MFU " + bare_number(*c.mfu_ratio);
  }
  if (c.mbu_ratio) {
    text += " · MBU " + bare_number(*c.mbu_ratio);
  }
  block.line("compute", text);
}

void spread_lines(Block& block, const ConfigurationResult& c) {
  std::string_view label = "spread";
  for (const std::string& words : spread_words(c)) {
    block.line(label, words);
    label = "";
  }
  label = "outlier";
  for (const std::string& words : outlier_words(c)) {
    block.line(label, words);
    label = "";
  }
}

void flag_lines(Block& block, const std::vector<std::string>& codes) {
  if (codes.empty()) {
    block.line("flags", "none");
  }
  std::string_view label = "flags";
  for (const auto& code : codes) {
    block.line(label, flag_text(code));
    label = "";
  }
}

void failure_lines(Block& block, const ConfigurationResult& c, const domain::Summary& summary) {
  std::string_view label = "failed";
  for (const auto& row : summary.trials) {
    if (row.config_hash == c.config_hash && row.state == "invalid") {
      block.line(label, failure_text(row));
      label = "";
    }
  }
}

TextOptions sane(TextOptions options) {
  options.width = std::clamp(options.width, 60, 100);
  return options;
}

}  // namespace

std::string flag_text(std::string_view code) {
  const auto* reason = domain::find_reason(code);
  if (reason == nullptr) {
    return std::string(code);
  }
  return fmt::format("{}: {}; {}", code, reason->meaning, reason->remedy);
}

std::string failure_text(const domain::TrialRow& row) {
  const std::string attempt = row.attempt > 1 ? fmt::format(", attempt {}", row.attempt) : "";
  const std::string_view what = row.role == domain::TrialRole::sentinel ? "sentinel" : "cycle";
  return fmt::format("{} {}{}: {}", what, row.cycle, attempt,
                     row.message.value_or(row.codes.empty() ? "invalid" : row.codes.front()));
}

std::string configuration_text(const domain::ConfigurationResult& result,
                               const domain::Summary& summary, const TextOptions& given) {
  const TextOptions options = sane(given);
  Block block(static_cast<std::size_t>(options.width));
  if (result.n_used > 0) {
    energy_lines(block, result);
    phases_line(block, result);
    cost_line(block, result);
    throughput_line(block, result);
    steady_line(block, result);
    latency_line(block, result);
    compute_line(block, result);
    spread_lines(block, result);
    if (result.n_used < 3) {
      block.line("",
                 fmt::format("no intervals: they need three cycles, {} measured", result.n_used));
    }
  }
  flag_lines(block, result.codes);
  failure_lines(block, result, summary);
  return heading(result, options) + block.take();
}

std::string summary_text(const domain::Summary& summary, const TextOptions& given) {
  if (summary.configurations.size() == 1) {
    return configuration_text(summary.configurations.front(), summary, given) +
           study_notes(summary, given);
  }
  const std::string notes = study_notes(summary, given);
  return study_table(summary, sane(given)) + (notes.empty() ? "" : "\n" + notes);
}

}  // namespace llem::report
