#include "support/engine_files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <limits>
#include <unistd.h>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "base/text.hpp"
#include "support/host_link.hpp"

namespace llem::worker {

namespace {

using protocol::ScheduledRequest;

tl::unexpected<Error> no_write(const std::string& path) {
  return failure(ErrorKind::io, fmt::format("cannot write {}: {}", path, std::strerror(errno)),
                 "check free space and permissions of the output directory", "output_unwritable");
}

template <class T>
Expected<T> read_document(const std::string& path) {
  LLEM_ASSIGN(const std::string text, read_file(path));
  LLEM_ASSIGN(const base::Json json, base::parse_json(text));
  return base::read_json_struct<T>(json, path);
}

Expected<void> check_request(const ScheduledRequest& request) {
  if (request.prompt_tokens.empty()) {
    return failure(ErrorKind::engine, fmt::format("request {} has an empty prompt", request.id), {},
                   "bad_argument");
  }
  const auto is_token = [](std::int64_t id) {
    return id >= 0 && id <= std::numeric_limits<Token>::max();
  };
  if (!std::ranges::all_of(request.prompt_tokens, is_token)) {
    return failure(
        ErrorKind::engine,
        fmt::format("prompt_tokens of request {} holds something that is no token id", request.id),
        {}, "bad_argument");
  }
  if (request.min_tokens > request.max_tokens) {
    return failure(ErrorKind::engine,
                   fmt::format("request {} wants at least {} and at most {} tokens", request.id,
                               request.min_tokens, request.max_tokens),
                   {}, "bad_argument");
  }
  return {};
}

void append_int64(std::string& bytes, std::int64_t value) {
  auto bits = static_cast<std::uint64_t>(value);
  for (int i = 0; i < 8; ++i, bits >>= 8U) {
    bytes.push_back(static_cast<char>(static_cast<unsigned char>(bits & 0xffU)));
  }
}

}  // namespace

Expected<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.is_open() || file.bad()) {
    return failure(ErrorKind::io, fmt::format("cannot read {}: {}", path, std::strerror(errno)), {},
                   "bad_argument");
  }
  return text;
}

Expected<void> write_file(const std::string& path, std::string_view content) {
  const std::string temporary = path + ".tmp";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                        0644);  // NOLINT(*-vararg)
  if (fd < 0) {
    return no_write(temporary);
  }
  const bool written = write_all(fd, content).has_value();
  const int error = errno;
  ::close(fd);
  errno = error;
  if (!written || std::rename(temporary.c_str(), path.c_str()) != 0) {
    auto result = no_write(written ? path : temporary);
    ::unlink(temporary.c_str());
    return result;
  }
  return {};
}

Expected<void> write_json_file(const std::string& path, const base::Json& json) {
  return write_file(path, base::write_json(json) + "\n");
}

Expected<protocol::WorkerConfig> read_config(const std::string& path) {
  return read_document<protocol::WorkerConfig>(path);
}

Expected<protocol::PromptRequest> read_prompt_request(const std::string& path) {
  return read_document<protocol::PromptRequest>(path);
}

Expected<protocol::Schedule> read_schedule(const std::string& path) {
  base::IntegerLists tokens{"prompt_tokens", {}};
  base::Json json;
  {
    LLEM_ASSIGN(const std::string text, read_file(path));
    LLEM_ASSIGN(json, base::parse_json(text, tokens));
  }
  LLEM_ASSIGN(auto schedule, base::read_json_struct<protocol::Schedule>(json, path));
  std::size_t next = 0;
  for (protocol::SchedulePass& pass : schedule.passes) {
    for (ScheduledRequest& request : pass.requests) {
      if (next < tokens.lists.size()) {
        request.prompt_tokens = std::move(tokens.lists[next++]);
      }
      LLEM_TRY(check_request(request));
    }
  }
  return schedule;
}

Expected<std::string> write_serve(const std::string& stem, const std::string& label,
                                  const ServeRecord& record) {
  protocol::ServeFile file;
  file.label = label;
  file.t_begin_ns = record.serve.t_begin_ns;
  file.t_end_ns = record.serve.t_end_ns;
  file.passes = record.serve.passes;
  file.token_time = record.serve.token_time;
  file.requests = record.serve.requests;
  file.token_times_path = stem + "_tokens.bin";
  file.steps_path = stem + "_steps.bin";
  std::string bytes;
  bytes.reserve(record.serve.token_ns.size() * 8);
  for (const std::int64_t t : record.serve.token_ns) {
    append_int64(bytes, t);
  }
  LLEM_TRY(write_file(file.token_times_path, bytes));
  bytes.clear();
  for (const std::vector<Token>& output : record.outputs) {
    for (const Token token : output) {
      append_int64(bytes, token);
    }
  }
  LLEM_TRY(write_file(stem + "_outputs.bin", bytes));
  bytes.clear();
  for (const domain::StepRecord& step : record.serve.steps) {
    for (const std::int64_t value : {step.begin_ns, step.end_ns, step.prefill_tokens,
                                     step.decode_tokens, step.context_tokens, step.sequences}) {
      append_int64(bytes, value);
    }
  }
  LLEM_TRY(write_file(file.steps_path, bytes));
  std::string path = stem + ".json";
  LLEM_TRY(write_json_file(path, base::write_struct(file)));
  return path;
}

}  // namespace llem::worker
