#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "base/text.hpp"
#include "store/run_directory.hpp"

namespace llem::store {
namespace {

constexpr std::int64_t kVersion = 1;       // of lines that tell of a trial
constexpr std::int64_t kBlockVersion = 2;  // of lines that tell of a block
// append_decision writes its lines so; no line of a trial begins like this.
constexpr std::string_view kBlockBegins = R"({"v":2,)";

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

/// Takes the parts of a line in the one form append_manifest writes, many times faster than a JSON
/// reader; anything else is left to that.
class QuickLine {
 public:
  explicit QuickLine(std::string_view text) : rest_(text) {}

  std::optional<ManifestLine> read() {
    ManifestLine line;
    line.v = kVersion;
    const bool head = take(R"({"v":1,"t":")") && take_text(line.t) && take(R"(,"owner":")") &&
                      take_text(line.owner) && take(R"(,"trial":)") && take_number(line.trial) &&
                      take(R"(,"attempt":)") && take_number(line.attempt) && take(R"(,"state":")");
    std::string word;
    if (!head || !take_text(word)) {
      return std::nullopt;
    }
    if (take(R"(,"reason":")") && !take_text(line.reason.emplace())) {
      return std::nullopt;
    }
    const auto known = words(TrialState{});
    const auto found = std::ranges::find(known, word);
    if (rest_ != "}" || found == known.end() || line.attempt < 1 || line.owner.empty()) {
      return std::nullopt;
    }
    line.state = static_cast<TrialState>(found - known.begin());
    return line;
  }

 private:
  bool take(std::string_view literal) {
    const bool here = rest_.starts_with(literal);
    rest_.remove_prefix(here ? literal.size() : 0);
    return here;
  }

  /// Up to the closing quote; text with an escape, a control or a byte beyond ASCII is not ours to
  /// judge.
  bool take_text(std::string& out) {
    const std::size_t end = rest_.find('"');
    if (end == std::string_view::npos) {
      return false;
    }
    const std::string_view text = rest_.substr(0, end);
    const bool plain =
        std::ranges::all_of(text, [](char c) { return c >= ' ' && c < 0x7f && c != '\\'; });
    out = text;
    rest_.remove_prefix(end + 1);
    return plain;
  }

  bool take_number(std::int64_t& out) {
    constexpr std::size_t kDigits = 18;  // fit in 64 bits
    const std::size_t end = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
    const bool usual = end >= 1 && end <= kDigits && (end == 1 || rest_.front() != '0');
    if (usual) {
      const char* const first = rest_.data();
      std::from_chars(first, first + end, out);
      rest_.remove_prefix(end);
    }
    return usual;
  }

  std::string_view rest_;
};

tl::unexpected<Error> bad_line(std::string message, std::string hint = {}) {
  return failure(ErrorKind::io, std::move(message), std::move(hint), "bad_manifest");
}

/// A line as JSON. Before its fields the version: a newer line may have others.
Expected<base::Json> parse_line(std::string_view line) {
  auto json = base::parse_json(line);
  if (!json) {
    return bad_line(fmt::format("not a manifest line: {}", json.error().message));
  }
  const base::Json* version = json->find("v");
  if (version != nullptr && version->is_integer() && version->integer() > kBlockVersion) {
    return failure(ErrorKind::io,
                   fmt::format("the manifest line has version {}; this program knows {}",
                               version->integer(), kBlockVersion),
                   "use the version of llem that wrote it, or a newer one", "newer_version");
  }
  return json;
}

template <class Line>
Expected<Line> read_line(const base::Json& json, std::int64_t version) {
  auto read = base::read_json_struct<Line>(json, "manifest line");
  if (!read) {
    return bad_line(read.error().message, read.error().hint);
  }
  if (read->v != version) {
    return bad_line(fmt::format("a line of version {} is of another kind", read->v));
  }
  if (!is_utc(read->t)) {
    return bad_line(fmt::format("`{}` is no UTC time", read->t), "as in 2026-11-22T14:01:01.000Z");
  }
  return read;
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

const base::Table& BlockLine::table() {
  using base::field;
  static constexpr std::array fields{
      field<&BlockLine::v>("v", "Version of the line", {.min = 2, .required = true}),
      field<&BlockLine::t>("t", "When, UTC", {.required = true}),
      field<&BlockLine::owner>("owner", "Process that wrote it", {.min = 1, .required = true}),
      field<&BlockLine::block>("block", "So many cycles of every configuration are whole",
                               {.min = 1, .required = true}),
      field<&BlockLine::verdict>("verdict",
                                 "Whether the study goes on after it, or why it ends with it",
                                 {.required = true}),
      field<&BlockLine::spent_s>("spent_s", "Time used since the first trial",
                                 {.unit = "s", .min = 0, .required = true})};
  static constexpr base::Table table{"manifest_block", "What was decided after a whole block",
                                     fields};
  return table;
}

Expected<ManifestLine> parse_manifest_line(std::string_view line) {
  if (auto quick = QuickLine(line).read(); quick && is_utc(quick->t)) {
    return *std::move(quick);
  }
  LLEM_ASSIGN(const base::Json json, parse_line(line));
  return read_line<ManifestLine>(json, kVersion);
}

bool tells_of_block(std::string_view line) {
  return line.starts_with(kBlockBegins);
}

Expected<BlockLine> parse_block_line(std::string_view line) {
  LLEM_ASSIGN(const base::Json json, parse_line(line));
  return read_line<BlockLine>(json, kBlockVersion);
}

std::optional<domain::BlockDecision> fold_blocks(std::span<const BlockLine> lines) {
  std::optional<domain::BlockDecision> latest;
  for (const BlockLine& line : lines) {
    const domain::BlockDecision decision{line.block, line.verdict, line.spent_s};
    if (!latest ||
        std::pair(decision.block, decision.ends()) > std::pair(latest->block, latest->ends())) {
      latest = decision;
    }
  }
  return latest;
}

std::map<std::int64_t, TrialStatus> fold_manifest(std::span<const ManifestLine> lines) {
  // An owner's own order holds even where its wall clock was set back, so a line counts as no
  // earlier than the one before it. Without the Z, "…01" sorts before "…01.500".
  struct Latest {
    std::string_view time;
    const ManifestLine* line = nullptr;
  };

  std::unordered_map<std::string_view, std::string_view> owners;
  std::unordered_map<std::int64_t, Latest> latest;
  for (const ManifestLine& line : lines) {
    std::string_view& time = owners[line.owner];
    time = std::max(time, std::string_view(line.t).substr(0, line.t.find('Z')));
    Latest& trial = latest[line.trial];
    const bool later = trial.line == nullptr || line.attempt > trial.line->attempt ||
                       (line.attempt == trial.line->attempt && time >= trial.time);
    if (later) {
      trial = {time, &line};
    }
  }
  std::map<std::int64_t, TrialStatus> states;
  for (const auto& [trial, last] : latest) {
    states[trial] = {last.line->state, last.line->attempt, last.line->reason};
  }
  return states;
}

}  // namespace llem::store
