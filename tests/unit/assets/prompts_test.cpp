#include "assets/prompts.hpp"

#include <gtest/gtest.h>

namespace llem::assets {
namespace {

using Prompts = std::vector<std::string>;

Error failure_of(std::string_view text, const JsonlRules& rules = {}) {
  const auto parsed = parse_jsonl_prompts(text, rules);
  EXPECT_FALSE(parsed);
  return parsed ? Error{} : parsed.error();
}

TEST(JsonlPrompts, TakesTheFirstUsualField) {
  for (const std::string_view field : {"prompt", "text", "question", "instruction"}) {
    const std::string line = "{\"id\": 1, \"" + std::string(field) + "\": \"größer \\\"x\\\"\"}\n";
    const auto parsed = parse_jsonl_prompts(line + "\n" + line, {});
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->prompts, (Prompts{"größer \"x\"", "größer \"x\""}));
    EXPECT_EQ(parsed->skipped, 1);
  }
  EXPECT_EQ(parse_jsonl_prompts(R"({"text":"b","prompt":"a"})", {})->prompts, Prompts{"a"});
}

TEST(JsonlPrompts, TakesTheFieldAskedFor) {
  const JsonlRules rules{.field = "body", .provenance_lines = 0, .empty = EmptyPrompts::refuse};
  EXPECT_EQ(
      parse_jsonl_prompts("\xef\xbb\xbf{\"prompt\":\"a\",\"body\":\"b\"}\r\n", rules)->prompts,
      Prompts{"b"});
  EXPECT_EQ(failure_of(R"({"prompt":"a"})", rules).message, "line 1 has no field `body`");
}

TEST(JsonlPrompts, ErrorsNameTheLine) {
  EXPECT_NE(failure_of("{\"prompt\":\"a\"}\n{\"prompt\":").message.find("line 2 is no JSON"),
            std::string::npos);
  EXPECT_EQ(failure_of("[1]").message, "line 1 is no JSON object");
  EXPECT_EQ(failure_of(R"({"prompt":7})").message,
            "line 1 has none of the fields prompt, text, question, instruction");
  EXPECT_EQ(failure_of("{\"prompt\":\"a\"}\n{\"prompt\":7}").message,
            "line 2: `prompt` is no text");
  EXPECT_EQ(failure_of("{\"_provenance\":\"x\"}\n{\"prompt\":\"a\"}").hint,
            "say which with `dataset.field`: _provenance");
  EXPECT_EQ(failure_of("\n\n").message, "it holds no prompts");
}

TEST(JsonlPrompts, AnEmptyPromptIsAnErrorUnlessAllowed) {
  const std::string_view text = "{\"prompt\":\"a\"}\n{\"prompt\":\"  \"}\n";
  EXPECT_EQ(failure_of(text).message, "empty prompt at line 2");
  EXPECT_EQ(failure_of(text).code, "empty_prompt");
  const auto parsed =
      parse_jsonl_prompts(text, {.field = {}, .provenance_lines = 0, .empty = EmptyPrompts::skip});
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->prompts, Prompts{"a"});
  EXPECT_EQ(parsed->skipped, 1);
}

TEST(JsonlPrompts, ProvenanceLinesAreNoPrompts) {
  const auto parsed =
      parse_jsonl_prompts("{\"_provenance\":\"x\"}\n{\"prompt\":\"a\"}\n",
                          {.field = {}, .provenance_lines = 1, .empty = EmptyPrompts::skip});
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->prompts, Prompts{"a"});
}

TEST(TextPrompts, OneALine) {
  const auto parsed = parse_text_prompts("one\r\n\n  two \n \nthree");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->prompts, (Prompts{"one", "  two ", "three"}));
  EXPECT_EQ(parsed->skipped, 2);
  EXPECT_EQ(parse_text_prompts("a\nb\xff\n").error().message, "line 2 is no UTF-8 text");
  EXPECT_EQ(parse_text_prompts("").error().message, "it holds no prompts");
}

}  // namespace
}  // namespace llem::assets
