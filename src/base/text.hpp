#pragma once

// Owns: small functions on text.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llem::base {

std::vector<std::string_view> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);
std::string join(std::span<const std::string> parts, std::string_view separator);
std::string lower(std::string_view text);

/// Whole-text conversions: nothing but the number may stand there. Integers: decimal, 0o, 0x as in
/// YAML 1.2 core; a leading zero ("012") is refused. Numbers: decimal and exponent; .inf and .nan
/// are refused.
std::optional<std::int64_t> parse_integer(std::string_view text);
std::optional<double> parse_number(std::string_view text);

/// The candidate with the smallest Damerau-Levenshtein distance, when it is close enough to be a
/// typing error.
std::optional<std::string_view> nearest(std::string_view word,
                                        std::span<const std::string_view> candidates);

/// Shortest decimal text that reads back to exactly `value`.
std::string shortest(double value);

/// `digits` significant digits without exponent between 1e-4 and 1e15: "0.412", "31.2", "1 230"
/// never grouped.
std::string significant(double value, int digits);

/// "512 B", "94.0 MiB": binary units, three digits.
std::string format_bytes(double bytes);

/// "350 ms", "12.4 s", "3 min 20 s", "2 h 05 min".
std::string format_duration(double seconds);

/// `text` made safe for a file name: other characters than [A-Za-z0-9._-] become '-'; never empty,
/// never a dot name.
std::string file_name_from(std::string_view text);

/// Keeps valid UTF-8 and replaces each broken byte by U+FFFD.
std::string valid_utf8(std::string_view bytes);

}  // namespace llem::base
