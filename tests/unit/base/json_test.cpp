#include "base/json.hpp"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "base/finite.hpp"
#include "base/random.hpp"

namespace llem::base {
namespace {

std::string message_of(std::string_view text) {
  const auto parsed = parse_json(text);
  return parsed ? "accepted" : parsed.error().message;
}

TEST(ParseJson, reads_every_kind_and_keeps_the_order_of_keys) {
  const auto parsed = parse_json(R"( {"z": [1, -2.5, true, null], "a": {"s": "é\n\u20ac"}} )");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, Json::object({{"z", Json::array({1, -2.5, true, nullptr})},
                                   {"a", Json::object({{"s", "é\n€"}})}}));
}

TEST(ParseJson, keeps_integers_of_64_bits_and_makes_larger_ones_floats) {
  EXPECT_EQ(*parse_json("9223372036854775807"), Json(std::int64_t{INT64_MAX}));
  EXPECT_EQ(*parse_json("-9223372036854775808"), Json(std::int64_t{INT64_MIN}));
  EXPECT_EQ(*parse_json("9223372036854775808"), Json(0x1p63));
  EXPECT_EQ(*parse_json("18446744073709551616"), Json(0x1p64));
}

TEST(ParseJson, refuses_duplicate_keys_and_says_where) {
  EXPECT_EQ(message_of(R"({"a":1,"a":2})"), "broken JSON at byte 9: the key `a` appears twice");
}

TEST(ParseJson, refuses_a_duplicate_key_in_a_large_object) {
  std::string text = "{";
  for (int i = 0; i < 100; ++i) {
    text += "\"k" + std::to_string(i) + "\":0,";
  }
  EXPECT_NE(message_of(text + "\"k7\":0}").find("the key `k7` appears twice"), std::string::npos);
  EXPECT_NE(message_of(text + "\"k99\":0}").find("the key `k99` appears twice"), std::string::npos);
  EXPECT_EQ(message_of(text + "\"k100\":0}"), "accepted");
}

TEST(ParseJson, allows_200_levels_and_no_more) {
  const auto nested = [](std::size_t levels) {
    return std::string(levels, '[') + std::string(levels, ']');
  };
  EXPECT_EQ(message_of(nested(200)), "accepted");
  EXPECT_EQ(message_of(nested(201)), "broken JSON at byte 200: nested deeper than 200 levels");
  EXPECT_NE(message_of(nested(2'000'000)).find("nested deeper"), std::string::npos);
}

TEST(ParseJson, says_the_offset_of_broken_text) {
  EXPECT_TRUE(
      message_of(R"({"a": tru})")
          .starts_with("broken JSON at byte 9: syntax error while parsing value - invalid"));
  EXPECT_EQ(message_of("[1, 2"),
            "broken JSON at byte 5: syntax error while parsing array - unexpected end of input; "
            "expected ']'");
  EXPECT_EQ(parse_json("[1, 2").error().kind, ErrorKind::io);
}

TEST(ParseJson, refuses_what_is_not_one_json_document) {
  for (const char* text : {"", " ", "1 2", "{}x", "[1,]", "{\"a\":}", "{a:1}", "'a'", "NaN",
                           "Infinity", "01", "1e999", "\"\xff\"", "\"\t\"", "// c\n1"}) {
    EXPECT_TRUE(message_of(text).starts_with("broken JSON at byte ")) << text;
  }
  EXPECT_EQ(message_of(std::string_view("1\0x", 3)), "broken JSON at byte 1: a NUL byte");
}

TEST(WriteJson, escapes_what_must_be_escaped_and_nothing_else) {
  EXPECT_EQ(write_json("a\"\\\n\t\r\x01é/"), R"("a\"\\\n\t\r\u0001é/")");
  EXPECT_EQ(write_json("\xff"), "\"\xef\xbf\xbd\"");
}

TEST(WriteJson, prints_floats_so_that_they_stay_floats) {
  EXPECT_EQ(write_json(5.0), "5.0");
  EXPECT_EQ(write_json(-0.0), "-0.0");
  EXPECT_EQ(write_json(0.1), "0.1");
  EXPECT_EQ(write_json(1e22), "1e+22");
  EXPECT_EQ(write_json(5), "5");
}

TEST(WriteJson, indents_by_two_spaces) {
  EXPECT_EQ(write_json(Json::object({{"a", Json::array({1, 2})}, {"b", Json::object()}}),
                       JsonStyle::indented),
            "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {}\n}");
}

TEST(WriteJson, is_canonical_whatever_the_order_and_kind_of_number) {
  const Json one = *parse_json(R"({"b": 1.0, "a": {"y": -0.0, "x": 2}})");
  const Json other = *parse_json(R"({"a": {"x": 2.0, "y": 0}, "b": 1})");
  EXPECT_EQ(write_json(one, JsonStyle::canonical), R"({"a":{"x":2,"y":0},"b":1})");
  EXPECT_EQ(write_json(other, JsonStyle::canonical), write_json(one, JsonStyle::canonical));
  EXPECT_EQ(write_json(0x1p53, JsonStyle::canonical), "9007199254740992.0");
}

TEST(Json, says_where_a_number_is_not_finite) {
  const double none = std::nan("");
  EXPECT_EQ(find_not_finite(Json::object({{"a", 1.5}, {"b", Json::array({0, "x", nullptr})}})),
            std::nullopt);
  EXPECT_EQ(find_not_finite(Json::object({{"a", Json::object({{"b", none}})}})), "a.b");
  EXPECT_EQ(find_not_finite(Json::object(
                {{"a", Json::array({1, Json::object({{"b", Json::array({none})}})})}})),
            "a[1].b[0]");
  EXPECT_EQ(find_not_finite(-std::numeric_limits<double>::infinity()), "");
}

TEST(WriteJsonDeath, asserts_on_a_number_that_is_none) {
  EXPECT_DEATH(write_json(std::nan("")), "missing key");
  EXPECT_DEATH(write_json(std::numeric_limits<double>::infinity()), "missing key");
}

TEST(Json, reads_members_with_a_fallback) {
  const Json json = *parse_json(R"({"i": 3, "d": 2.5, "s": "x", "b": true})");
  EXPECT_EQ(json.integer_or("i", 0), 3);
  EXPECT_EQ(json.integer_or("d", 7), 7);
  EXPECT_EQ(json.number_or("i", 0), 3.0);
  EXPECT_EQ(json.number_or("d", 0), 2.5);
  EXPECT_EQ(json.text_or("s", "-"), "x");
  EXPECT_EQ(json.text_or("i", "-"), "-");
  EXPECT_TRUE(json.bool_or("b", false));
  EXPECT_EQ(json.find("none"), nullptr);
  EXPECT_EQ(Json(5).find("x"), nullptr);
}

TEST(Json, grows_by_index_and_push_back) {
  Json json;
  json["a"]["b"] = 1;
  json["list"].push_back("x");
  EXPECT_EQ(write_json(json), R"({"a":{"b":1},"list":["x"]})");
}

Json any_json(Random& random, int depth) {
  switch (random.below(depth > 0 ? 7 : 5)) {
    case 0:
      return {};
    case 1:
      return random.below(2) == 0;
    case 2:
      return static_cast<std::int64_t>(random.next());
    case 3:
      return std::ldexp(random.uniform() - 0.5, static_cast<int>(random.below(2000)) - 1000);
    case 4: {
      std::string text;
      for (std::uint64_t left = random.below(6); left > 0; --left) {
        constexpr std::array<std::string_view, 8> kPieces{"a", "\"", "\\",   "\n",
                                                          "é", "😀", "\x1f", "/"};
        text += kPieces[random.below(kPieces.size())];
      }
      return text;
    }
    case 5: {
      Json list = Json::array();
      for (std::uint64_t left = random.below(5); left > 0; --left) {
        list.push_back(any_json(random, depth - 1));
      }
      return list;
    }
    default: {
      Json map = Json::object();
      for (std::uint64_t left = random.below(5); left > 0; --left) {
        map["k" + std::to_string(random.below(9))] = any_json(random, depth - 1);
      }
      return map;
    }
  }
}

TEST(Json, reads_back_whatever_it_writes) {
  Random random(5);
  for (int i = 0; i < 3000; ++i) {
    const Json json = any_json(random, 4);
    for (const JsonStyle style : {JsonStyle::compact, JsonStyle::indented}) {
      const std::string text = write_json(json, style);
      const auto back = parse_json(text);
      ASSERT_TRUE(back) << text;
      ASSERT_EQ(*back, json) << text;
    }
    const std::string canonical = write_json(json, JsonStyle::canonical);
    ASSERT_EQ(write_json(*parse_json(canonical), JsonStyle::canonical), canonical);
  }
}

TEST(Json, keeps_long_lists_of_integers_beside_the_tree) {
  IntegerLists lists{"n", {}};
  const std::string text = R"({"a":[{"n":[1,-2,3]},{"b":[4],"n":[]}],"n":[9223372036854775807]})";
  const auto json = parse_json(text, lists);
  ASSERT_TRUE(json) << json.error().message;
  EXPECT_EQ(lists.lists,
            (std::vector<std::vector<std::int64_t>>{{1, -2, 3}, {}, {9223372036854775807}}));
  EXPECT_EQ(write_json(*json), R"({"a":[{"n":[]},{"b":[4],"n":[]}],"n":[]})");
  EXPECT_EQ(write_json(*json, lists), text);
  for (const char* wrong : {R"({"n":[1,"x"]})", R"({"n":[1.5]})", R"({"n":[[1]]})", R"({"n":[{}]})",
                            R"({"n":[null]})", R"({"n":[9223372036854775808]})"}) {
    const auto refused = parse_json(wrong, lists);
    ASSERT_FALSE(refused) << wrong;
    EXPECT_NE(refused.error().message.find("no integer"), std::string::npos);
  }
}

}  // namespace
}  // namespace llem::base
