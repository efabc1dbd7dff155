#include "base/text.hpp"

#include <array>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace llem::base {
namespace {

using Views = std::vector<std::string_view>;

TEST(Split, keeps_empty_parts) {
  EXPECT_EQ(split("a,,b,", ','), (Views{"a", "", "b", ""}));
  EXPECT_EQ(split("", ','), Views{""});
}

TEST(Trim, removes_white_space_from_both_ends_only) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
}

TEST(Join, undoes_split) {
  const std::vector<std::string> parts{"a", "", "c"};
  EXPECT_EQ(join(parts, ", "), "a, , c");
  EXPECT_EQ(join({}, ","), "");
}

TEST(ParseInteger, takes_decimal_octal_and_hexadecimal_as_in_yaml) {
  EXPECT_EQ(parse_integer("12"), 12);
  EXPECT_EQ(parse_integer("-12"), -12);
  EXPECT_EQ(parse_integer("+7"), 7);
  EXPECT_EQ(parse_integer("0"), 0);
  EXPECT_EQ(parse_integer("0o17"), 15);
  EXPECT_EQ(parse_integer("0xfF"), 255);
  EXPECT_EQ(parse_integer("9223372036854775807"), INT64_MAX);
  EXPECT_EQ(parse_integer("-9223372036854775808"), INT64_MIN);
}

TEST(ParseInteger, refuses_all_else) {
  for (const char* text : {"",
                           "-",
                           "+",
                           "012",
                           "-012",
                           "1e3",
                           "1.0",
                           " 1",
                           "1 ",
                           "0x",
                           "0o8",
                           "-0x1",
                           "--1",
                           "+-1",
                           "-+1",
                           "0x-1",
                           "1_000",
                           "9223372036854775808",
                           "-9223372036854775809",
                           "abc"}) {
    EXPECT_FALSE(parse_integer(text)) << text;
  }
}

TEST(ParseNumber, takes_decimals_and_exponents) {
  EXPECT_EQ(parse_number("1"), 1.0);
  EXPECT_EQ(parse_number("-1.5"), -1.5);
  EXPECT_EQ(parse_number("+1.5"), 1.5);
  EXPECT_EQ(parse_number(".5"), 0.5);
  EXPECT_EQ(parse_number("5."), 5.0);
  EXPECT_EQ(parse_number("1e3"), 1000.0);
  EXPECT_EQ(parse_number("2.5E-1"), 0.25);
  EXPECT_EQ(parse_number("0.25"), 0.25);
}

TEST(ParseNumber, refuses_all_else) {
  for (const char* text :
       {"",     ".",   "-",   "+-1",  "-+1",  "e3", "1e",  "1e+",   ".inf",  "-.inf",
        ".nan", "inf", "nan", "0x10", "01.5", "1 ", "1,5", "1e999", "1.5.2", "abc"}) {
    EXPECT_FALSE(parse_number(text)) << text;
  }
}

TEST(Nearest, finds_the_word_that_was_mistyped) {
  constexpr std::array<std::string_view, 4> words{"batch_size", "requests", "seed", "max_tokens"};
  EXPECT_EQ(nearest("batch_szie", words), "batch_size");
  EXPECT_EQ(nearest("batch-size", words), "batch_size");
  EXPECT_EQ(nearest("BATCH_SIZE", words), "batch_size");
  EXPECT_EQ(nearest("request", words), "requests");
  EXPECT_EQ(nearest("sede", words), "seed");
}

TEST(Nearest, stays_silent_when_nothing_is_near) {
  constexpr std::array<std::string_view, 3> words{"batch_size", "seed", "x"};
  EXPECT_EQ(nearest("colour", words), std::nullopt);
  EXPECT_EQ(nearest("y", words), std::nullopt);
  EXPECT_EQ(nearest("", words), std::nullopt);
  EXPECT_EQ(nearest("seed", {}), std::nullopt);
}

TEST(Shortest, prints_the_fewest_digits_that_read_back) {
  EXPECT_EQ(shortest(0.1), "0.1");
  EXPECT_EQ(shortest(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(shortest(5), "5");
  EXPECT_EQ(shortest(1e22), "1e+22");
  EXPECT_EQ(shortest(std::numeric_limits<double>::denorm_min()), "5e-324");
}

TEST(Shortest, reads_back_to_the_same_number_for_any_bits) {
  Random random(11);
  for (int i = 0; i < 20'000; ++i) {
    const double value =
        std::ldexp(random.uniform() - 0.5, static_cast<int>(random.below(1800)) - 900);
    EXPECT_EQ(parse_number(shortest(value)), value);
  }
}

TEST(Significant, rounds_to_the_digits_asked_for) {
  EXPECT_EQ(significant(0.4123, 3), "0.412");
  EXPECT_EQ(significant(31.24, 3), "31.2");
  EXPECT_EQ(significant(1234, 3), "1230");
  EXPECT_EQ(significant(9.996, 3), "10.0");
  EXPECT_EQ(significant(999.6, 3), "1000");
  EXPECT_EQ(significant(-0.05, 2), "-0.050");
  EXPECT_EQ(significant(0, 3), "0");
  EXPECT_EQ(significant(0.00012, 2), "0.00012");
  EXPECT_EQ(significant(0.000012, 2), "1.2e-05");
  EXPECT_EQ(significant(123456789012345, 3), "123000000000000");
  EXPECT_EQ(significant(1e15, 3), "1.00e+15");
}

TEST(FormatBytes, uses_binary_units_and_three_digits) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(1024), "1.00 KiB");
  EXPECT_EQ(format_bytes(94.0 * 1024 * 1024), "94.0 MiB");
  EXPECT_EQ(format_bytes(1020.0 * 1024 * 1024), "1020 MiB");
  EXPECT_EQ(format_bytes(1023.9 * 1024 * 1024), "1.00 GiB");
  EXPECT_EQ(format_bytes(-2048), "-2.00 KiB");
}

TEST(FormatDuration, chooses_the_unit_a_person_would) {
  EXPECT_EQ(format_duration(0), "0 s");
  EXPECT_EQ(format_duration(42e-9), "42.0 ns");
  EXPECT_EQ(format_duration(120e-6), "120 µs");
  EXPECT_EQ(format_duration(0.35), "350 ms");
  EXPECT_EQ(format_duration(0.9999), "1.0 s");
  EXPECT_EQ(format_duration(12.4), "12.4 s");
  EXPECT_EQ(format_duration(59.97), "1 min 00 s");
  EXPECT_EQ(format_duration(200), "3 min 20 s");
  EXPECT_EQ(format_duration(3599.6), "1 h 00 min");
  EXPECT_EQ(format_duration(7500), "2 h 05 min");
  EXPECT_EQ(format_duration(-12.4), "-12.4 s");
}

TEST(FileNameFrom, leaves_no_character_a_shell_or_path_would_read) {
  EXPECT_EQ(file_name_from("Qwen/Qwen2.5-0.5B"), "Qwen-Qwen2.5-0.5B");
  EXPECT_EQ(file_name_from("a b:c"), "a-b-c");
  EXPECT_EQ(file_name_from(""), "unnamed");
  EXPECT_EQ(file_name_from(".."), "-.");
  EXPECT_EQ(file_name_from(".hidden"), "-hidden");
}

TEST(ValidUtf8, keeps_valid_text_and_replaces_each_broken_byte) {
  EXPECT_EQ(valid_utf8("aé€😀"), "aé€😀");
  EXPECT_EQ(valid_utf8("a\xff"
                       "b"),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(valid_utf8("\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd");                  // cut off
  EXPECT_EQ(valid_utf8("\xc0\x80"), "\xef\xbf\xbd\xef\xbf\xbd");                  // overlong
  EXPECT_EQ(valid_utf8("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");  // surrogate
  EXPECT_EQ(valid_utf8("\xf4\x90\x80\x80").size(), 12U);  // beyond the last code point
}

}  // namespace
}  // namespace llem::base
