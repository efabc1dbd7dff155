#include "protocol/messages.hpp"

#include <gtest/gtest.h>

#include "base/field_io.hpp"

namespace llem::protocol {
namespace {

testing::AssertionResult has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos
             ? testing::AssertionSuccess()
             : testing::AssertionFailure() << "`" << part << "` is not in `" << text << "`";
}

template <class T>
T host(std::string_view line) {
  const Expected<HostMessage> message = parse_host_line(line);
  EXPECT_TRUE(message) << (message ? "" : message.error().message);
  EXPECT_TRUE(message && std::holds_alternative<T>(*message));
  return message ? std::get<T>(*message) : T{};
}

std::string refusal(std::string_view line) {
  const Expected<WorkerMessage> message = parse_worker_line(line);
  EXPECT_FALSE(message);
  EXPECT_EQ(message.error().code, "protocol_error");
  return message.error().message;
}

TEST(Line, begins_with_its_type) {
  EXPECT_EQ(to_line(HostMessage(Load{})), R"({"type":"load"})");
  EXPECT_EQ(to_line(WorkerMessage(Bye{})), R"({"type":"bye"})");
  EXPECT_EQ(to_line(HostMessage(ClockProbe{3, 42})),
            R"({"type":"clock","sequence":3,"host_ns":42})");
}

TEST(Line, of_a_serve_command_reads_back) {
  ServeCommand command;
  command.label = "window";
  command.schedule_path = "/tmp/a \"quoted\" folder/schedule.json";
  command.repeat.min_s = 2.5;
  command.repeat.min_requests = 7;
  command.repeat.max_passes = 3;
  command.reset_cache = false;
  const auto back = host<ServeCommand>(to_line(HostMessage(command)));
  EXPECT_EQ(back.label, "window");
  EXPECT_EQ(back.schedule_path, command.schedule_path);
  EXPECT_EQ(back.repeat.min_s, 2.5);
  EXPECT_EQ(back.repeat.min_requests, 7);
  EXPECT_EQ(back.repeat.max_passes, 3);
  EXPECT_FALSE(back.repeat.max_s);
  EXPECT_FALSE(back.reset_cache);
}

TEST(Line, of_every_worker_message_reads_back_to_the_same_line) {
  const WorkerMessage messages[] = {
      WorkerHello{"1.0", "w", "scripted", "0", 12, {"static", "continuous"}},
      ClockAnswer{1, -5, 9'000'000'000'000'000'000},
      Loaded{1, 2},
      Tokenized{"p"},
      Progress{"load", 0.5, 1, 7},
      Served{"window", 2, 3, 4, true, "s.json"},
      Warning{"c", "t\n\"x\""},
      ErrorMessage{"out_of_memory", "no", "line one\nline two"},
      Bye{}};
  for (const WorkerMessage& message : messages) {
    const std::string line = to_line(message);
    EXPECT_EQ(line.find('\n'), std::string::npos);
    const Expected<WorkerMessage> back = parse_worker_line(line);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(to_line(*back), line);
  }
}

TEST(Line, ignores_a_key_that_a_later_minor_version_may_send) {
  EXPECT_EQ(host<ClockProbe>(R"({"type":"clock","sequence":1,"host_ns":2,"mood":"good"})").host_ns,
            2);
}

TEST(Line, that_is_malformed_is_refused_with_the_reason) {
  EXPECT_TRUE(has(refusal("{"), "bad line from the worker"));
  EXPECT_TRUE(has(refusal(""), "bad line from the worker"));
  EXPECT_TRUE(has(refusal("loading model …"), "bad line from the worker"));
  EXPECT_TRUE(has(refusal("[1,2]"), "not an object"));
  EXPECT_TRUE(has(refusal("{}"), "no `type`"));
  EXPECT_TRUE(has(refusal(R"({"type":7})"), "no `type`"));
  EXPECT_TRUE(has(refusal(R"({"type":"shout"})"), "unknown type `shout`"));
  EXPECT_TRUE(has(refusal(R"({"type":"load"})"), "unknown type `load`"));
  EXPECT_TRUE(has(refusal(R"({"type":"loaded","t_begin_ns":1})"), "t_end_ns"));
  EXPECT_TRUE(has(refusal(R"({"type":"loaded","t_begin_ns":"x","t_end_ns":1})"), "t_begin_ns"));
  EXPECT_TRUE(has(refusal(R"({"type":"bye"}{"type":"bye"})"), "bad line"));
}

TEST(Line, that_is_refused_is_quoted_but_not_whole) {
  const std::string line(5000, 'x');
  const Expected<WorkerMessage> message = parse_worker_line(line);
  ASSERT_FALSE(message);
  ASSERT_EQ(message.error().context.size(), 1u);
  EXPECT_LT(message.error().context[0].size(), 200u);
}

TEST(Line, of_broken_utf8_is_refused) {
  EXPECT_TRUE(has(refusal("{\"type\":\"warning\",\"code\":\"a\",\"text\":\"\xff\"}"), "bad line"));
}

TEST(Line, that_is_too_long_is_refused) {
  EXPECT_TRUE(has(refusal(std::string(kMaxLine + 1, ' ')), "longer than 1048576 bytes"));
}

TEST(LineBuffer, gives_whole_lines_only) {
  LineBuffer buffer;
  buffer.append("one\ntw");
  EXPECT_EQ(buffer.next().value(), "one");
  EXPECT_EQ(buffer.next().value(), std::nullopt);
  EXPECT_EQ(buffer.pending(), 2u);
  buffer.append("o\n\nthree");
  EXPECT_EQ(buffer.next().value(), "two");
  EXPECT_EQ(buffer.next().value(), "");
  EXPECT_EQ(buffer.next().value(), std::nullopt);
  EXPECT_EQ(buffer.pending(), 5u);
}

TEST(LineBuffer, takes_a_stream_byte_by_byte) {
  LineBuffer buffer;
  std::vector<std::string> lines;
  for (const char byte : std::string("ab\nc\n\nlong line\n")) {
    buffer.append(std::string_view(&byte, 1));
    while (auto line = buffer.next().value()) {
      lines.push_back(*line);
    }
  }
  EXPECT_EQ(lines, (std::vector<std::string>{"ab", "c", "", "long line"}));
  EXPECT_EQ(buffer.pending(), 0u);
}

TEST(LineBuffer, refuses_a_line_that_never_ends) {
  LineBuffer buffer;
  buffer.append(std::string(kMaxLine, 'x'));
  EXPECT_TRUE(buffer.next());
  buffer.append("x");
  ASSERT_FALSE(buffer.next());
  EXPECT_EQ(buffer.next().error().code, "protocol_error");
}

TEST(LineBuffer, takes_the_longest_line) {
  LineBuffer buffer;
  buffer.append(std::string(kMaxLine, 'x') + "\nnext\n");
  EXPECT_EQ(buffer.next().value()->size(), kMaxLine);
  EXPECT_EQ(buffer.next().value(), "next");
}

TEST(Files, of_a_schedule_read_back) {
  Schedule schedule;
  schedule.mode = "continuous";
  schedule.batch_size = 4;
  schedule.sampling_seed = 9;
  ScheduledRequest request;
  request.id = "p0r0";
  request.prompt_tokens = {1, 2, 3};
  request.max_tokens = 5;
  request.at_s = 0.25;
  schedule.passes.push_back({{request}});
  const auto back = base::read_json_struct<Schedule>(base::write_struct(schedule), "schedule");
  ASSERT_TRUE(back) << back.error().message;
  ASSERT_EQ(back->passes.size(), 1u);
  EXPECT_EQ(back->passes[0].requests[0].prompt_tokens, request.prompt_tokens);
  EXPECT_EQ(back->passes[0].requests[0].at_s, 0.25);
  EXPECT_EQ(back->mode, "continuous");
}

TEST(Files, refuse_an_unknown_mode_and_an_unknown_key) {
  const auto read = [](std::string_view text) {
    return base::read_json_struct<Schedule>(base::parse_json(text).value(), "schedule");
  };
  const char* request = R"({"id":"a","prompt_tokens":[1],"max_tokens":1})";
  const std::string passes = std::string(R"("passes":[{"requests":[)") + request + "]}]";
  EXPECT_TRUE(read("{" + passes + "}"));
  EXPECT_FALSE(read(R"({"mode":"sometimes",)" + passes + "}"));
  EXPECT_FALSE(read(R"({"batchsize":4,)" + passes + "}"));
  EXPECT_FALSE(read(R"({"passes":[]})"));
}

}  // namespace
}  // namespace llem::protocol
