#include "study/earlier.hpp"

#include <algorithm>
#include <utility>

#include "base/field_io.hpp"
#include "domain/summary.hpp"

namespace llem::study {

namespace {

// More would cost a dry run more time than they sharpen it.
constexpr std::size_t kRunsRead = 50;

}  // namespace

std::map<std::string, std::vector<double>> earlier_durations(const sys::Path& root) {
  std::vector<std::pair<std::filesystem::file_time_type, sys::Path>> summaries;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(root, error)) {
    const sys::Path summary = entry.path() / "summary.json";
    std::error_code missing;
    const auto time = std::filesystem::last_write_time(summary, missing);
    if (!missing) {
      summaries.emplace_back(time, summary);
    }
  }
  std::ranges::sort(summaries, std::greater<>());
  summaries.resize(std::min(summaries.size(), kRunsRead));
  std::map<std::string, std::vector<double>> durations;
  for (const auto& [time, path] : summaries) {
    const auto text = sys::read_file(path);
    const auto json = text ? base::parse_json(*text) : tl::unexpected(Error{});
    const auto summary = json ? base::read_json_struct<domain::Summary>(*json, "summary.json")
                              : tl::unexpected(Error{});
    if (!summary) {
      continue;
    }
    for (const domain::TrialRow& row : summary->trials) {
      if (row.duration_s > 0 && row.state != "invalid") {
        durations[row.config_hash].push_back(row.duration_s);
      }
    }
  }
  return durations;
}

}  // namespace llem::study
