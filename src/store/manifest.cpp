#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "base/text.hpp"
#include "store/run_directory.hpp"

namespace llem::store {
namespace {

constexpr std::int64_t kVersion = 1;

/// "2026-11-22T14:01:01Z", with or without a fraction: nothing else sorts by time as text.
bool is_utc(std::string_view text) {
  constexpr std::string_view kPattern = "dddd-dd-ddTdd:dd:dd";
  if (text.size() < kPattern.size() + 1 || text.back() != 'Z') {
    return false;
  }
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  for (std::size_t i = 0; i < kPattern.size(); ++i) {
    if (kPattern[i] == 'd' ? !is_digit(text[i]) : text[i] != kPattern[i]) {
      return false;
    }
  }
  const std::string_view fraction = text.substr(kPattern.size(), text.size() - kPattern.size() - 1);
  return fraction.empty() || (fraction.size() > 1 && fraction[0] == '.' &&
                              std::ranges::all_of(fraction.substr(1), is_digit));
}

tl::unexpected<Error> bad_line(std::string message, std::string hint = {}) {
  return failure(ErrorKind::io, std::move(message), std::move(hint), "bad_manifest");
}

}  // namespace

std::span<const std::string_view> words(TrialState) {
  static constexpr std::array<std::string_view, 6> kWords{"planned", "started", "recorded",
                                                          "done",    "failed",  "interrupted"};
  return kWords;
}

const base::Table& ManifestLine::table() {
  using base::field;
  static constexpr std::array fields{
      field<&ManifestLine::v>("v", "Version of the line", {.min = 1, .required = true}),
      field<&ManifestLine::t>("t", "When, UTC", {.required = true}),
      field<&ManifestLine::owner>("owner", "Process that wrote it", {.min = 1, .required = true}),
      field<&ManifestLine::trial>("trial", "Index of the trial", {.min = 0, .required = true}),
      field<&ManifestLine::attempt>("attempt", "Number of the attempt",
                                    {.min = 1, .required = true}),
      field<&ManifestLine::state>("state", "The state it entered", {.required = true}),
      field<&ManifestLine::reason>("reason", "Reason code of a failure")};
  static constexpr base::Table table{"manifest_line", "One transition of a trial", fields};
  return table;
}

Expected<ManifestLine> parse_manifest_line(std::string_view line) {
  auto json = base::parse_json(line);
  if (!json) {
    return bad_line(fmt::format("not a manifest line: {}", json.error().message));
  }
  // Before the fields: a newer line may have others.
  const base::Json* version = json->find("v");
  if (version != nullptr && version->is_integer() && version->integer() > kVersion) {
    return failure(ErrorKind::io,
                   fmt::format("the manifest line has version {}; this program knows {}",
                               version->integer(), kVersion),
                   "use the version of llem that wrote it, or a newer one", "newer_version");
  }
  auto read = base::read_json_struct<ManifestLine>(*json, "manifest line");
  if (!read) {
    return bad_line(read.error().message, read.error().hint);
  }
  if (!is_utc(read->t)) {
    return bad_line(fmt::format("`{}` is no UTC time", read->t), "as in 2026-11-22T14:01:01.000Z");
  }
  return read;
}

std::map<std::int64_t, TrialStatus> fold_manifest(std::span<const ManifestLine> lines) {
  // An owner's own order holds even where its wall clock was set back, so a line counts as no
  // earlier than the one before it. Without the Z, "…01" sorts before "…01.500".
  std::map<std::string_view, std::string> latest;
  std::vector<std::pair<std::string, const ManifestLine*>> ordered;
  ordered.reserve(lines.size());
  for (const ManifestLine& line : lines) {
    std::string& time = latest[line.owner];
    time = std::max(time, line.t.substr(0, line.t.find('Z')));
    ordered.emplace_back(time, &line);
  }
  std::ranges::stable_sort(ordered, {}, &std::pair<std::string, const ManifestLine*>::first);

  std::map<std::int64_t, TrialStatus> states;
  for (const auto& [time, line] : ordered) {
    TrialStatus& status = states[line->trial];
    if (line->attempt >= status.attempt) {
      status = {line->state, line->attempt, line->reason};
    }
  }
  return states;
}

}  // namespace llem::store
