#include "base/text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>

#include <fmt/format.h>

#include "base/error.hpp"

namespace llem::base {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Length of the run of digits at the start.
std::size_t digits_at(std::string_view text) {
  const auto end = std::find_if_not(text.begin(), text.end(), is_digit);
  return static_cast<std::size_t>(end - text.begin());
}

bool has_leading_zero(std::string_view digits) {
  return digits.size() > 1 && digits[0] == '0';
}

/// [0-9]+ (\. [0-9]*)? ([eE] [-+]? [0-9]+)?, or the same with \. [0-9]+ in front; no sign.
bool is_decimal(std::string_view text) {
  const std::size_t whole = digits_at(text);
  if (has_leading_zero(text.substr(0, whole))) {
    return false;
  }
  text.remove_prefix(whole);
  std::size_t fraction = 0;
  if (!text.empty() && text[0] == '.') {
    text.remove_prefix(1);
    fraction = digits_at(text);
    text.remove_prefix(fraction);
  }
  if (whole + fraction == 0) {
    return false;
  }
  if (text.empty()) {
    return true;
  }
  if (lower(text[0]) != 'e') {
    return false;
  }
  text.remove_prefix(1);
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    text.remove_prefix(1);
  }
  return !text.empty() && digits_at(text) == text.size();
}

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours (Damerau
/// 1964).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) {
    row[j] = j;
  }
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before_last, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + change});
      if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
          lower(a[i - 2]) == lower(b[j - 1])) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

std::string in_chars(double value, std::chars_format format, int precision) {
  std::array<char, 400> buffer{};  // DBL_MAX in fixed form has 309 digits
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format, precision);
  return {buffer.data(), end.ptr};
}

/// Length of the UTF-8 sequence at the start (Unicode 15, table 3-7), 0 when it is broken.
std::size_t utf8_length(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char first = at(0);
  if (first < 0x80) {
    return 1;
  }
  std::size_t length = 0;
  unsigned char second_low = 0x80;
  unsigned char second_high = 0xbf;
  if (first >= 0xc2 && first <= 0xdf) {
    length = 2;
  } else if (first >= 0xe0 && first <= 0xef) {
    length = 3;
    second_low = first == 0xe0 ? 0xa0 : 0x80;   // shorter forms exist
    second_high = first == 0xed ? 0x9f : 0xbf;  // surrogates
  } else if (first >= 0xf0 && first <= 0xf4) {
    length = 4;
    second_low = first == 0xf0 ? 0x90 : 0x80;
    second_high = first == 0xf4 ? 0x8f : 0xbf;  // beyond U+10FFFF
  }
  if (length == 0 || bytes.size() < length || at(1) < second_low || at(1) > second_high) {
    return 0;
  }
  for (std::size_t i = 2; i < length; ++i) {
    if ((at(i) & 0xc0) != 0x80) {
      return 0;
    }
  }
  return length;
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string_view::npos) {
      return parts;
    }
    begin = end + 1;
  }
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n\v\f";
  const std::size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) {
    return {};
  }
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  return fmt::format("{}", fmt::join(parts, separator));
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) { return lower(c); });
  return out;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  const bool negative = !text.empty() && text[0] == '-';
  const bool is_signed = negative || (!text.empty() && text[0] == '+');
  std::string_view digits = text.substr(is_signed ? 1 : 0);
  int base = 10;
  if (!is_signed && (digits.starts_with("0x") || digits.starts_with("0o"))) {
    base = digits[1] == 'x' ? 16 : 8;
    digits.remove_prefix(2);
  } else if (has_leading_zero(digits)) {
    return std::nullopt;
  }
  if (digits.empty() || digits[0] == '-') {
    return std::nullopt;
  }
  // The sign goes through from_chars too, for the lowest value has no positive counterpart.
  const std::string_view whole = negative ? text : digits;
  std::int64_t value = 0;
  const auto end = std::from_chars(whole.data(), whole.data() + whole.size(), value, base);
  if (end.ec != std::errc() || end.ptr != whole.data() + whole.size() ||
      (negative && digits[0] == '-')) {
    return std::nullopt;
  }
  return value;
}

std::optional<double> parse_number(std::string_view text) {
  if (!text.empty() && text[0] == '+') {
    text.remove_prefix(1);
    if (!text.empty() && text[0] == '-') {
      return std::nullopt;
    }
  }
  if (!is_decimal(text.substr(text.starts_with('-') ? 1 : 0))) {
    return std::nullopt;
  }
  double value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ec != std::errc() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

std::optional<std::string_view> nearest(std::string_view word,
                                        std::span<const std::string_view> candidates) {
  std::optional<std::string_view> best;
  std::size_t best_distance = 0;
  for (const std::string_view candidate : candidates) {
    const std::size_t longer = std::max(word.size(), candidate.size());
    const std::size_t distance = edit_distance(word, candidate);
    // One slip in three letters is a typing error; more is another word.
    const bool close = distance < longer && distance <= std::max<std::size_t>(1, longer / 3);
    if (close && (!best || distance < best_distance)) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

std::string shortest(double value) {
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), end.ptr};
}

std::string significant(double value, int digits) {
  LLEM_ASSERT(digits >= 1 && digits <= 17, "a double has at most 17 significant digits");
  if (value == 0 || !std::isfinite(value)) {
    return shortest(value == 0 ? 0 : value);
  }
  std::string scientific = in_chars(value, std::chars_format::scientific, digits - 1);
  int exponent = 0;
  const char* exponent_text = scientific.data() + scientific.find('e') + 1;
  std::from_chars(exponent_text + (*exponent_text == '+' ? 1 : 0),
                  scientific.data() + scientific.size(), exponent);
  if (exponent < -4 || exponent >= 15) {
    return scientific;
  }
  if (exponent < digits) {
    return in_chars(value, std::chars_format::fixed, digits - 1 - exponent);
  }
  double rounded = 0;
  std::from_chars(scientific.data(), scientific.data() + scientific.size(), rounded);
  return in_chars(rounded, std::chars_format::fixed, 0);
}

std::string format_bytes(double bytes) {
  constexpr std::array<std::string_view, 7> kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double size = std::abs(bytes);
  std::size_t unit = 0;
  // 1023.5 would print as 1024 of the smaller unit.
  while (size >= 1023.5 && unit + 1 < kUnits.size()) {
    size /= 1024;
    ++unit;
  }
  const std::string_view sign = bytes < 0 ? "-" : "";
  const std::string number =
      unit == 0 || size >= 999.5 ? fmt::format("{:.0f}", size) : significant(size, 3);
  return fmt::format("{}{} {}", sign, number, kUnits[unit]);
}

std::string format_duration(double seconds) {
  if (seconds < 0) {
    return fmt::format("-{}", format_duration(-seconds));
  }
  if (seconds == 0 || !std::isfinite(seconds)) {
    return shortest(std::abs(seconds)) + " s";
  }
  // Each limit is where the text of the smaller unit would round up to the larger one.
  if (seconds < 999.5e-9) {
    return significant(seconds * 1e9, 3) + " ns";
  }
  if (seconds < 999.5e-6) {
    return significant(seconds * 1e6, 3) + " µs";
  }
  if (seconds < 999.5e-3) {
    return significant(seconds * 1e3, 3) + " ms";
  }
  if (seconds < 59.95) {
    return fmt::format("{:.1f} s", seconds);
  }
  if (seconds < 3599.5) {
    const auto whole = static_cast<std::int64_t>(std::llround(seconds));
    return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  }
  const auto minutes = static_cast<std::int64_t>(std::llround(seconds / 60));
  return fmt::format("{} h {:02} min", minutes / 60, minutes % 60);
}

std::string file_name_from(std::string_view text) {
  std::string name(text);
  for (char& c : name) {
    const bool safe = is_digit(c) || (lower(c) >= 'a' && lower(c) <= 'z') || c == '.' || c == '_';
    c = safe ? c : '-';
  }
  if (name.empty()) {
    return "unnamed";
  }
  if (name[0] == '.') {
    name[0] = '-';
  }
  return name;
}

std::string valid_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const std::size_t length = utf8_length(bytes);
    text += length == 0 ? std::string_view("\xef\xbf\xbd") : bytes.substr(0, length);
    bytes.remove_prefix(std::max<std::size_t>(1, length));
  }
  return text;
}

}  // namespace llem::base
