#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "store/document.hpp"
#include "store/flat_table.hpp"
#include "store/parquet.hpp"
#include "store/parts.hpp"
#include "store/run_directory.hpp"

namespace llem::store {
namespace {

using domain::Recording;
using domain::RequestRecord;
using domain::Serve;
using domain::StepRecord;

constexpr const char* kVersion = "1.0.0";

/// What timeline.parquet's metadata says of each serve: its rows in the tables follow one another
/// in this order.
struct ServeHead {
  std::string label;
  std::int64_t t_begin_ns = 0;
  std::int64_t t_end_ns = 0;
  std::int64_t passes = 0;
  domain::TokenTime token_time = domain::TokenTime::measured;
  std::int64_t requests = 0;
  std::int64_t tokens = 0;
  std::int64_t steps = 0;
  static const base::Table& table();
};

const base::Table& ServeHead::table() {
  using base::field;
  static constexpr std::array fields{
      field<&ServeHead::label>("label", "warmup, window, window_2 ...", {.required = true}),
      field<&ServeHead::t_begin_ns>("t_begin_ns", "Begin", {.unit = "ns", .required = true}),
      field<&ServeHead::t_end_ns>("t_end_ns", "End", {.unit = "ns", .required = true}),
      field<&ServeHead::passes>("passes", "Passes completed"),
      field<&ServeHead::token_time>("token_time", "How token times were taken"),
      field<&ServeHead::requests>("requests", "Rows of timeline.parquet",
                                  {.min = 0, .required = true}),
      field<&ServeHead::tokens>("tokens", "Rows of tokens.parquet", {.min = 0, .required = true}),
      field<&ServeHead::steps>("steps", "Rows of steps.parquet", {.min = 0, .required = true})};
  static constexpr base::Table table{"serve", "One serve of the worker", fields};
  return table;
}

std::int64_t signed_size(const auto& container) {
  return static_cast<std::int64_t>(container.size());
}

ServeHead head_of(const Serve& serve) {
  return {serve.label,
          serve.t_begin_ns,
          serve.t_end_ns,
          serve.passes,
          serve.token_time,
          signed_size(serve.requests),
          signed_size(serve.token_ns),
          signed_size(serve.steps)};
}

ParquetTable make_table(std::string_view schema, std::vector<Column> columns) {
  return {std::move(columns), {{"schema", std::string(schema)}, {"schema_version", kVersion}}};
}

tl::unexpected<Error> inconsistent(std::string message) {
  return failure(ErrorKind::io, std::move(message),
                 "the recording is torn or was changed: measure this trial again", "bad_recording");
}

// --- writing ---

/// A column of few words, filled in runs of equal rows.
class WordRuns {
 public:
  void add(std::string_view word, std::size_t rows) {
    const auto found = std::ranges::find(column_.words, word);
    const auto index = static_cast<std::int32_t>(found - column_.words.begin());
    if (found == column_.words.end()) {
      column_.words.emplace_back(word);
    }
    column_.rows.insert(column_.rows.end(), rows, index);
  }

  Column take(std::string name) && { return {std::move(name), "", std::move(column_)}; }

 private:
  WordColumn column_;
};

template <class MakeColumns>
Expected<void> write_in_parts(const Path& path, std::string_view schema,
                              std::vector<std::size_t> sizes, const MakeColumns& make) {
  Parts parts(std::move(sizes));
  const auto next = [&]() -> std::optional<std::vector<Column>> {
    const auto pieces = parts.next();
    return pieces ? std::optional(make(*pieces)) : std::nullopt;
  };
  return write_parquet(path, next, make_table(schema, {}).metadata);
}

template <class Lists, class Size>
std::vector<std::size_t> sizes_of(const Lists& lists, const Size& size) {
  std::vector<std::size_t> sizes;
  std::ranges::transform(lists, std::back_inserter(sizes), size);
  return sizes;
}

std::vector<Column> traces_columns(const Recording& recording, const Pieces& pieces) {
  const std::size_t rows = rows_of(pieces);
  IntColumn t_ns;
  IntColumn latency_ns;
  IntColumn channel;
  RealColumn value;
  t_ns.reserve(rows);
  latency_ns.reserve(rows);
  channel.reserve(rows);
  value.reserve(rows);
  WordRuns device;
  WordRuns signal;
  WordRuns unit;
  for (const Piece& piece : pieces) {
    const domain::Trace& trace = recording.traces[piece.list];
    for (std::size_t i = piece.from; i < piece.to; ++i) {
      t_ns.push_back(trace[i].t_ns);
      latency_ns.push_back(trace[i].latency_ns);
      value.push_back(trace[i].value);
    }
    const std::size_t size = piece.to - piece.from;
    channel.insert(channel.end(), size, static_cast<std::int64_t>(piece.list));
    const domain::Channel& what = recording.channels[piece.list];
    device.add(what.device, size);
    signal.add(words(what.signal)[static_cast<std::size_t>(what.signal)], size);
    unit.add(what.unit, size);
  }
  std::vector<Column> columns;
  columns.push_back({"t_ns", "ns", std::move(t_ns)});
  columns.push_back({"latency_ns", "ns", std::move(latency_ns)});
  columns.push_back({"channel", "", std::move(channel)});
  columns.push_back(std::move(device).take("device"));
  columns.push_back(std::move(signal).take("signal"));
  columns.push_back({"value", "", std::move(value)});
  columns.push_back(std::move(unit).take("unit"));
  return columns;
}

ParquetTable timeline_table(const Recording& recording) {
  WordRuns label;
  FlatWriter writer(RequestRecord::table());
  base::Json heads = base::Json::array();
  for (const Serve& serve : recording.serves) {
    label.add(serve.label, serve.requests.size());
    for (const RequestRecord& request : serve.requests) {
      writer.add(&request);
    }
    heads.push_back(base::write_struct(head_of(serve)));
  }
  std::vector<Column> columns = std::move(writer).take();
  columns.insert(columns.begin(), std::move(label).take("label"));
  ParquetTable table = make_table("timeline", std::move(columns));
  table.metadata["serves"] = base::write_json(heads);
  return table;
}

/// `request` is the row of timeline.parquet a token belongs to; null where no request claims it.
std::vector<Column> tokens_columns(const Recording& recording, const Pieces& pieces) {
  WordRuns label;
  OptionalIntColumn owner(rows_of(pieces));
  IntColumn t_ns;
  t_ns.reserve(owner.size());
  for (const Piece& piece : pieces) {
    const Serve& serve = recording.serves[piece.list];
    std::int64_t row = 0;
    for (std::size_t i = 0; i < piece.list; ++i) {
      row += signed_size(recording.serves[i].requests);
    }
    const auto from = static_cast<std::int64_t>(piece.from);
    const auto to = static_cast<std::int64_t>(piece.to);
    const std::int64_t before = signed_size(t_ns) - from;
    for (const RequestRecord& request : serve.requests) {
      const std::int64_t begin = std::clamp(request.token_offset, from, to);
      const std::int64_t end = std::clamp(request.token_offset + request.output_tokens, from, to);
      std::fill(owner.begin() + (before + begin), owner.begin() + (before + end), row++);
    }
    label.add(serve.label, piece.to - piece.from);
    t_ns.insert(t_ns.end(), serve.token_ns.begin() + from, serve.token_ns.begin() + to);
  }
  std::vector<Column> columns;
  columns.push_back(std::move(label).take("label"));
  columns.push_back({"request", "", std::move(owner)});
  columns.push_back({"t_ns", "ns", std::move(t_ns)});
  return columns;
}

struct StepField {
  const char* name;
  const char* unit;
  std::int64_t StepRecord::* member;
};

constexpr std::array kStepFields{StepField{"begin_ns", "ns", &StepRecord::begin_ns},
                                 StepField{"end_ns", "ns", &StepRecord::end_ns},
                                 StepField{"prefill_tokens", "tokens", &StepRecord::prefill_tokens},
                                 StepField{"decode_tokens", "tokens", &StepRecord::decode_tokens},
                                 StepField{"context_tokens", "tokens", &StepRecord::context_tokens},
                                 StepField{"sequences", "", &StepRecord::sequences}};

std::vector<Column> steps_columns(const Recording& recording, const Pieces& pieces) {
  std::vector<Column> columns;
  WordRuns label;
  for (const Piece& piece : pieces) {
    label.add(recording.serves[piece.list].label, piece.to - piece.from);
  }
  columns.push_back(std::move(label).take("label"));
  for (const StepField& field : kStepFields) {
    IntColumn values;
    values.reserve(rows_of(pieces));
    for (const Piece& piece : pieces) {
      const std::vector<StepRecord>& steps = recording.serves[piece.list].steps;
      for (std::size_t i = piece.from; i < piece.to; ++i) {
        values.push_back(steps[i].*field.member);
      }
    }
    columns.push_back({field.name, field.unit, std::move(values)});
  }
  return columns;
}

// --- reading ---

/// Checks the schema and gives the columns asked for.
Expected<ParquetTable> read_table(const Path& path, std::string_view schema,
                                  const std::vector<std::string>& columns = {}) {
  LLEM_ASSIGN(ParquetTable table, read_parquet(path, columns));
  const auto name = table.metadata.find("schema");
  if (name == table.metadata.end() || name->second != schema) {
    return inconsistent(fmt::format("`{}` holds no {}", path.string(), schema));
  }
  const auto version = table.metadata.find("schema_version");
  if (version == table.metadata.end() || !version->second.starts_with("1.")) {
    return failure(
        ErrorKind::io,
        fmt::format("`{}` has schema version `{}`; this program reads 1.x", path.string(),
                    version == table.metadata.end() ? "" : version->second),
        "use the version of llem that wrote it, or a newer one", "newer_version");
  }
  return table;
}

template <class Values>
Expected<Values*> values_of(ParquetTable& table, std::size_t index, const Path& path) {
  if (auto* values = std::get_if<Values>(&table.columns[index].values)) {
    return values;
  }
  return inconsistent(fmt::format("`{}`: column `{}` has the wrong type", path.string(),
                                  table.columns[index].name));
}

Expected<void> read_traces(const Path& path, Recording& recording) {
  LLEM_ASSIGN(ParquetTable table,
              read_table(path, "traces", {"t_ns", "latency_ns", "channel", "value"}));
  LLEM_ASSIGN(const auto* t_ns, values_of<IntColumn>(table, 0, path));
  LLEM_ASSIGN(const auto* latency_ns, values_of<IntColumn>(table, 1, path));
  LLEM_ASSIGN(const auto* channel, values_of<IntColumn>(table, 2, path));
  LLEM_ASSIGN(const auto* value, values_of<RealColumn>(table, 3, path));

  const std::int64_t channels = signed_size(recording.channels);
  std::vector<std::size_t> sizes(recording.channels.size());
  for (const std::int64_t index : *channel) {
    if (index < 0 || index >= channels) {
      return inconsistent(fmt::format("`{}`: channel {} of {}", path.string(), index, channels));
    }
    ++sizes[static_cast<std::size_t>(index)];
  }
  recording.traces.resize(recording.channels.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    recording.traces[i].reserve(sizes[i]);
  }
  for (std::size_t row = 0; row < channel->size(); ++row) {
    domain::Trace& trace = recording.traces[static_cast<std::size_t>((*channel)[row])];
    if (!trace.empty() && (*t_ns)[row] < trace.back().t_ns) {
      return inconsistent(
          fmt::format("`{}`: row {} lies before the one before it", path.string(), row));
    }
    trace.push_back({(*t_ns)[row], (*latency_ns)[row], (*value)[row]});
  }
  return {};
}

Expected<std::vector<ServeHead>> read_heads(const ParquetTable& table, const Path& path) {
  const auto text = table.metadata.find("serves");
  if (text == table.metadata.end()) {
    return inconsistent(fmt::format("`{}` does not say what was served", path.string()));
  }
  LLEM_ASSIGN(const base::Json json, base::parse_json(text->second));
  std::vector<ServeHead> heads;
  if (json.is_array()) {
    for (const base::Json& item : json.items()) {
      LLEM_ASSIGN(heads.emplace_back(), base::read_json_struct<ServeHead>(item, path.string()));
    }
  }
  return heads;
}

/// The rows of each serve must add up to the rows there are.
Expected<void> check_rows(const std::vector<ServeHead>& heads, std::int64_t ServeHead::* count,
                          std::size_t rows, const Path& path) {
  std::size_t sum = 0;
  for (const ServeHead& head : heads) {
    // Each is compared alone first, so that absurd counts cannot wrap around to the right sum.
    const auto part = static_cast<std::size_t>(head.*count);
    if (part > rows - sum) {
      return inconsistent(
          fmt::format("`{}` has {} rows, fewer than were recorded", path.string(), rows));
    }
    sum += part;
  }
  if (sum != rows) {
    return inconsistent(
        fmt::format("`{}` has {} rows, {} were recorded", path.string(), rows, sum));
  }
  return {};
}

Expected<std::vector<ServeHead>> read_timeline(const Path& path, Recording& recording) {
  LLEM_ASSIGN(const ParquetTable table, read_table(path, "timeline"));
  LLEM_ASSIGN(std::vector<ServeHead> heads, read_heads(table, path));
  LLEM_TRY(check_rows(heads, &ServeHead::requests, table.size(), path));
  LLEM_ASSIGN(const FlatReader reader, FlatReader::open(RequestRecord::table(), table));
  std::size_t row = 0;
  for (const ServeHead& head : heads) {
    Serve serve{head.label, head.t_begin_ns, head.t_end_ns, head.passes, head.token_time, {}, {},
                {}};
    serve.requests.resize(static_cast<std::size_t>(head.requests));
    for (RequestRecord& request : serve.requests) {
      LLEM_TRY(reader.read(row++, &request));
    }
    recording.serves.push_back(std::move(serve));
  }
  return heads;
}

Expected<void> read_tokens(const Path& path, const std::vector<ServeHead>& heads,
                           Recording& recording) {
  LLEM_ASSIGN(ParquetTable table, read_table(path, "tokens", {"t_ns"}));
  LLEM_ASSIGN(auto* t_ns, values_of<IntColumn>(table, 0, path));
  LLEM_TRY(check_rows(heads, &ServeHead::tokens, t_ns->size(), path));
  auto next = t_ns->cbegin();
  for (std::size_t i = 0; i < heads.size(); ++i) {
    recording.serves[i].token_ns.assign(next, next + heads[i].tokens);
    next += heads[i].tokens;
  }
  return {};
}

Expected<void> read_steps(const Path& path, const std::vector<ServeHead>& heads,
                          Recording& recording) {
  std::vector<std::string> names;
  names.reserve(kStepFields.size());
  for (const StepField& field : kStepFields) {
    names.emplace_back(field.name);
  }
  LLEM_ASSIGN(ParquetTable table, read_table(path, "steps", names));
  LLEM_TRY(check_rows(heads, &ServeHead::steps, table.size(), path));
  for (std::size_t i = 0; i < heads.size(); ++i) {
    recording.serves[i].steps.resize(static_cast<std::size_t>(heads[i].steps));
  }
  for (std::size_t column = 0; column < kStepFields.size(); ++column) {
    LLEM_ASSIGN(const auto* values, values_of<IntColumn>(table, column, path));
    std::size_t row = 0;
    for (Serve& serve : recording.serves) {
      for (StepRecord& step : serve.steps) {
        step.*kStepFields[column].member = (*values)[row++];
      }
    }
  }
  return {};
}

/// Every request's token times lie within its serve's.
Expected<void> check_token_ranges(const Recording& recording) {
  for (const Serve& serve : recording.serves) {
    const std::int64_t tokens = signed_size(serve.token_ns);
    for (const RequestRecord& request : serve.requests) {
      if (request.token_offset < 0 || request.output_tokens < 0 || request.token_offset > tokens ||
          request.output_tokens > tokens - request.token_offset) {
        return inconsistent(fmt::format("{}: request {} has {} tokens from {} on, of {} recorded",
                                        serve.label, request.id, request.output_tokens,
                                        request.token_offset, tokens));
      }
    }
  }
  return {};
}

}  // namespace

Expected<void> write_recording(const Path& trial, const Recording& recording) {
  if (recording.traces.size() > recording.channels.size()) {
    return failure(ErrorKind::internal,
                   fmt::format("{} traces, but {} channels", recording.traces.size(),
                               recording.channels.size()));
  }
  LLEM_TRY(check_token_ranges(recording));
  LLEM_TRY(write_in_parts(
      trial / "traces.parquet", "traces",
      sizes_of(recording.traces, [](const domain::Trace& trace) { return trace.size(); }),
      [&](const Pieces& pieces) { return traces_columns(recording, pieces); }));
  LLEM_TRY(write_parquet(trial / "timeline.parquet", timeline_table(recording)));
  LLEM_TRY(write_in_parts(
      trial / "tokens.parquet", "tokens",
      sizes_of(recording.serves, [](const Serve& serve) { return serve.token_ns.size(); }),
      [&](const Pieces& pieces) { return tokens_columns(recording, pieces); }));
  LLEM_TRY(write_in_parts(
      trial / "steps.parquet", "steps",
      sizes_of(recording.serves, [](const Serve& serve) { return serve.steps.size(); }),
      [&](const Pieces& pieces) { return steps_columns(recording, pieces); }));
  return write_document(trial / "recording.json", base::write_struct(recording));
}

Expected<Recording> read_recording(const Path& trial) {
  LLEM_ASSIGN(Recording recording,
              read_document_as<Recording>(trial / "recording.json", "recording"));
  LLEM_TRY(read_traces(trial / "traces.parquet", recording));
  LLEM_ASSIGN(const std::vector<ServeHead> heads,
              read_timeline(trial / "timeline.parquet", recording));
  LLEM_TRY(read_tokens(trial / "tokens.parquet", heads, recording));
  LLEM_TRY(read_steps(trial / "steps.parquet", heads, recording));
  if (auto checked = check_token_ranges(recording); !checked) {
    return tl::unexpected<Error>(std::move(checked).error().at(trial.string()));
  }
  return recording;
}

Expected<void> write_result(const Path& trial, const domain::TrialResult& result) {
  return write_document(trial / "result.json", base::write_struct(result));
}

Expected<domain::TrialResult> read_result(const Path& trial) {
  return read_document_as<domain::TrialResult>(trial / "result.json", "result");
}

}  // namespace llem::store
