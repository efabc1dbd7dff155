#include "report/study_table.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

#include <fmt/format.h>

#include "base/text.hpp"
#include "domain/reason.hpp"
#include "report/format.hpp"
#include "report/spread.hpp"
#include "stats/paired.hpp"

namespace llem::report {

namespace {

using domain::Aggregate;
using domain::ConfigurationResult;
using Rows = std::vector<const ConfigurationResult*>;

constexpr double kMiss = 0.05;  // of a 95 % interval
constexpr std::size_t kIndent = 2;
constexpr std::size_t kGap = 3;  // between columns

std::string name_of(const ConfigurationResult& c) {
  return c.label.empty() ? fmt::format("{} batch {}", c.model, c.batch_size) : c.label;
}

/// Measured scopes one after another, each by energy; what has no energy comes last.
Rows sorted(const domain::Summary& summary) {
  Rows rows;
  for (const auto& c : summary.configurations) {
    rows.push_back(&c);
  }
  const auto key = [](const ConfigurationResult* c) {
    const bool has = c->gross_j_per_output_token.has_value();
    return std::tuple(!has, c->headline_scope, has ? c->gross_j_per_output_token->value : 0);
  };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const auto* a, const auto* b) { return key(a) < key(b); });
  return rows;
}

bool one_scope(const Rows& rows) {
  std::string_view scope;
  for (const auto* row : rows) {
    if (row->gross_j_per_output_token && !scope.empty() && row->headline_scope != scope) {
      return false;
    }
    scope = row->gross_j_per_output_token ? std::string_view(row->headline_scope) : scope;
  }
  return true;
}

std::string cell(const std::optional<Aggregate>& a) {
  return a ? number(*a) : "-";
}

std::string time_cell(const std::optional<Aggregate>& a) {
  return a ? duration(a->value) : "-";
}

std::vector<std::string> cells_of(const ConfigurationResult& c, bool with_scope) {
  std::vector<std::string> cells{
      name_of(c),
      cell(c.gross_j_per_output_token),
      cell(c.output_tokens_per_s),
      time_cell(c.service_ttft_median_s),
      time_cell(c.itl_median_s),
      std::string(domain::words(c.state)[static_cast<std::size_t>(c.state)])};
  if (with_scope) {
    cells.push_back(c.headline_scope.empty() ? "-" : c.headline_scope);
  }
  return cells;
}

std::string lines_of(std::vector<std::vector<std::string>> table, std::size_t width) {
  std::vector<std::size_t> widths(table.front().size(), 0);
  for (const auto& row : table) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], display_width(row[i]));
    }
  }
  std::size_t total = kIndent;
  for (const std::size_t column : widths) {
    total += column + kGap;
  }
  // Names that leave the numbers no room stand on lines of their own: cut, they would not tell the
  // rows apart.
  const bool own_lines = total - kGap > width;
  widths.front() = own_lines ? kIndent : widths.front();
  std::string text;
  for (auto& row : table) {
    if (own_lines) {
      text += shortened(std::string(kIndent, ' ') + row.front(), width) + "\n";
      row.front().clear();
    }
    std::string line(kIndent, ' ');
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += i + 1 < row.size() ? padded(row[i], widths[i] + kGap) : row[i];
    }
    text += shortened(line, width) + "\n";
  }
  return text;
}

/// Cycles run side by side, so each pair shares its conditions: t interval of the logarithm of the
/// ratio. The two were chosen among `ranked` after looking, so the level is that of all pairs
/// together (Bonferroni). `whole`: no trial is missing, so that cycles of both are the same ones.
std::string ratio_words(const ConfigurationResult& worst, const ConfigurationResult& best,
                        std::size_t ranked, bool whole) {
  const Aggregate& w = *worst.gross_j_per_output_token;
  const Aggregate& b = *best.gross_j_per_output_token;
  std::string text = fmt::format("{} times the best", base::significant(w.value / b.value, 3));
  const auto positive = [](const Aggregate& a) { return std::ranges::min(a.cycles) > 0; };
  const bool paired = whole && w.cycles.size() == b.cycles.size() && !w.cycles.empty() &&
                      worst.n_failed + best.n_failed == 0 && positive(w) && positive(b);
  if (!paired) {
    return text;
  }
  const auto pairs = static_cast<double>(ranked * (ranked - 1)) / 2;
  if (const auto interval = stats::paired_ratio(w.cycles, b.cycles, 1 - kMiss / pairs).interval) {
    text += fmt::format(" ({} to {}{})", base::significant(interval->low, 3),
                        base::significant(interval->high, 3),
                        ranked > 2 ? ", 95 % over all pairs" : "");
  }
  return text;
}

std::string extremes(const Rows& rows, bool whole) {
  Rows ranked;
  for (const auto* row : rows) {
    if (row->gross_j_per_output_token) {
      ranked.push_back(row);
    }
  }
  if (ranked.size() < 2) {
    return "";
  }
  if (!one_scope(rows)) {
    return "\n  no ranking: the energies are of different scopes\n";
  }
  const auto& best = *ranked.front();
  const auto& worst = *ranked.back();
  if (best.gross_j_per_output_token->value <= 0) {
    return "";
  }
  return fmt::format("\n  best   {}: {} J/output token\n  worst  {}: {} J/output token, {}\n",
                     name_of(best), number(*best.gross_j_per_output_token), name_of(worst),
                     number(*worst.gross_j_per_output_token),
                     ratio_words(worst, best, ranked.size(), whole));
}

std::string legend(const Rows& rows) {
  std::string text = "\n  energy is gross";
  if (one_scope(rows) && !rows.empty() && !rows.front()->headline_scope.empty()) {
    text += ", " + scope_words(rows.front()->headline_scope);
  }
  text += "; ± is the 95 % interval over cycles";
  const bool estimated = std::any_of(rows.begin(), rows.end(), [](const auto* c) {
    return c->gross_j_per_output_token &&
           c->gross_j_per_output_token->source == domain::Provenance::estimated;
  });
  return text + (estimated ? "; ~ is estimated, ±50 %\n" : "\n");
}

std::string listed(std::string_view title, const std::vector<std::string>& entries,
                   std::size_t width) {
  std::string text;
  for (const auto& entry : entries) {
    bool first = true;
    for (const auto& line : wrapped(entry, width - 6)) {
      text += (first ? "    " : "      ") + line + "\n";
      first = false;
    }
  }
  return text.empty() ? text : fmt::format("\n  {}\n{}", title, text);
}

std::vector<std::string> failures(const domain::Summary& summary) {
  std::map<std::string, std::string> names;
  for (const auto& c : summary.configurations) {
    names[c.config_hash] = name_of(c);
  }
  std::vector<std::string> entries;
  for (const auto& row : summary.trials) {
    if (row.state == "invalid") {
      const auto name = names.find(row.config_hash);
      entries.push_back((name == names.end() ? row.config_hash : name->second) + ", " +
                        failure_text(row));
    }
  }
  return entries;
}

/// What `words` say of each row, with its name.
std::vector<std::string> named(const Rows& rows,
                               std::vector<std::string> (*words)(const ConfigurationResult&)) {
  std::vector<std::string> entries;
  for (const auto* row : rows) {
    for (const std::string& entry : words(*row)) {
      entries.push_back(name_of(*row) + ", " + entry);
    }
  }
  return entries;
}

std::vector<std::string> flags(const Rows& rows) {
  std::vector<std::pair<std::string, std::vector<std::string>>> by_code;
  for (const auto* row : rows) {
    for (const auto& code : row->codes) {
      auto it = std::find_if(by_code.begin(), by_code.end(),
                             [&](const auto& entry) { return entry.first == code; });
      if (it == by_code.end()) {
        it = by_code.insert(by_code.end(), {code, {}});
      }
      it->second.push_back(name_of(*row));
    }
  }
  std::vector<std::string> entries;
  for (const auto& [code, names] : by_code) {
    const std::string where = names.size() == rows.size() ? "all" : base::join(names, ", ");
    entries.push_back(fmt::format("{} [{}]", flag_text(code), where));
  }
  return entries;
}

}  // namespace

std::string study_table(const domain::Summary& summary, const TextOptions& options) {
  const auto width = static_cast<std::size_t>(options.width);
  const Rows rows = sorted(summary);
  const bool with_scope = !one_scope(rows);
  std::vector<std::vector<std::string>> table{
      {"configuration", "J/output token", "output tokens/s", "TTFT p50", "ITL p50", "state"}};
  if (with_scope) {
    table.front().emplace_back("scope");
  }
  for (const auto* row : rows) {
    table.push_back(cells_of(*row, with_scope));
  }
  std::string text = fmt::format(
      "{} · {} · {}\n\n", summary.study_name.empty() ? "study" : shortened(summary.study_name, 40),
      plural(static_cast<std::int64_t>(rows.size()), "configuration"),
      plural(static_cast<std::int64_t>(summary.trials.size()), "trial"));
  text += lines_of(table, width) + extremes(rows, summary.n_missing == 0) + legend(rows);
  text += listed("spread", named(rows, spread_words), width);
  text += listed("outliers", named(rows, outlier_words), width);
  text += listed("failed", failures(summary), width);
  text += listed("flags", flags(rows), width);
  return text;
}

}  // namespace llem::report
