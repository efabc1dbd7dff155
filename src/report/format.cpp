#include "report/format.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "base/text.hpp"

namespace llem::report {

namespace {

constexpr int kDigits = 3;
constexpr int kMostDecimals = 9;
constexpr double kLopsided = 0.1;  // of the half width: beyond it, ± would misplace both limits

bool begins_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
}

int exponent_of(double value) {
  return value == 0 ? 0 : static_cast<int>(std::floor(std::log10(std::abs(value))));
}

bool is_estimate(const domain::Aggregate& a) {
  return a.source == domain::Provenance::estimated;
}

}  // namespace

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

std::string padded(std::string_view text, std::size_t width) {
  const std::size_t has = display_width(text);
  return std::string(text) + std::string(width > has ? width - has : 0, ' ');
}

std::string shortened(std::string_view text, std::size_t width) {
  if (display_width(text) <= width || width == 0) {
    return std::string(text);
  }
  std::size_t bytes = 0;
  std::size_t characters = 0;
  for (; bytes < text.size(); ++bytes) {
    if (begins_character(text[bytes]) && characters++ == width - 1) {
      break;
    }
  }
  return std::string(text.substr(0, bytes)) + "…";
}

std::vector<std::string> wrapped(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  std::string line;
  for (const auto word : base::split(text, ' ')) {
    if (!line.empty() && display_width(line) + 1 + display_width(word) > width) {
      lines.push_back(std::move(line));
      line.clear();
    }
    line.append(line.empty() ? "" : " ").append(shortened(word, width));
  }
  lines.push_back(std::move(line));
  return lines;
}

std::string bare_number(const domain::Aggregate& a, double scale) {
  return (is_estimate(a) ? "~" : "") + base::significant(a.value * scale, kDigits);
}

std::string number(const domain::Aggregate& a, double scale) {
  if (!a.interval) {
    return bare_number(a, scale);
  }
  const double half = (a.interval->high - a.interval->low) / 2 * scale;
  const double value = a.value * scale;
  const int for_half = half > 0 ? -exponent_of(half) : 0;
  // A value within its own interval shows no more digits than the interval carries.
  const int wanted =
      half > std::abs(value) ? for_half + 1 : std::max(kDigits - 1 - exponent_of(value), for_half);
  const int decimals = std::clamp(wanted, 0, kMostDecimals);
  const std::string_view mark = is_estimate(a) ? "~" : "";
  if (wanted > kMostDecimals) {  // a difference of equal numbers: what rounding left
    return fmt::format("{}{:.1g} ± {:.1g}", mark, value, half);
  }
  const double centre = (a.interval->high + a.interval->low) / 2 * scale;
  if (std::abs(centre - value) > kLopsided * half) {
    return fmt::format("{}{:.{}f} ({:.{}f} to {:.{}f})", mark, value, decimals,
                       a.interval->low * scale, decimals, a.interval->high * scale, decimals);
  }
  return fmt::format("{}{:.{}f} ± {:.{}f}", mark, value, decimals, half, decimals);
}

std::string duration(double seconds) {
  const double size = std::abs(seconds);
  if (size >= 0.9995) {
    return base::significant(seconds, kDigits) + " s";
  }
  if (size >= 0.9995e-3) {
    return base::significant(seconds * 1e3, kDigits) + " ms";
  }
  return base::significant(seconds * 1e6, kDigits) + " µs";
}

std::string flop_rate(double flops_per_s) {
  static constexpr std::array<std::string_view, 6> kPrefixes{"", "k", "M", "G", "T", "P"};
  std::size_t power = 0;
  while (flops_per_s >= 999.5 && power + 1 < kPrefixes.size()) {
    flops_per_s /= 1000;
    ++power;
  }
  return fmt::format("{} {}FLOP/s", base::significant(flops_per_s, kDigits), kPrefixes[power]);
}

std::string plural(std::int64_t n, std::string_view noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

std::string scope_words(std::string_view scope) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kWords{{
      {"gpu", "GPU"},
      {"module", "GPU module"},
      {"cpu_package", "CPU package"},
      {"cpu_package+dram", "CPU package + DRAM"},
      {"host_estimate", "whole machine from CPU load"},
  }};
  for (const auto& [code, words] : kWords) {
    if (code == scope) {
      return std::string(words);
    }
  }
  return std::string(scope);
}

std::string systematic_words(const domain::Aggregate& a) {
  if (!a.u_systematic || a.value == 0) {
    return "";
  }
  // A share of what may be zero says nothing.
  if (2 * *a.u_systematic > std::abs(a.value)) {
    return fmt::format("±{:.2g}", 2 * *a.u_systematic);
  }
  return fmt::format("±{:.2g} %", 200 * *a.u_systematic / std::abs(a.value));
}

}  // namespace llem::report
