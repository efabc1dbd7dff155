#pragma once

// Owns: numbers and columns as a reader sees them. Widths count characters, not bytes.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/summary.hpp"

namespace llem::report {

std::size_t display_width(std::string_view text);
/// Fills with spaces on the right; never cuts.
std::string padded(std::string_view text, std::size_t width);
/// At most `width` characters, the last an ellipsis when something was cut.
std::string shortened(std::string_view text, std::size_t width);
/// Breaks at spaces.
std::vector<std::string> wrapped(std::string_view text, std::size_t width);

/// "0.412 ± 0.006", "~0.412" for an estimate, three significant figures or as many as the interval
/// needs; scaled first.
std::string number(const domain::Aggregate& aggregate, double scale = 1);
/// A value on its own: "0.412", "~0.412".
std::string bare_number(const domain::Aggregate& aggregate, double scale = 1);
/// "310 ms", "1.24 s".
std::string duration(double seconds);
/// "94.0 GFLOP/s".
std::string flop_rate(double flops_per_s);
/// "1 cycle", "2 cycles".
std::string plural(std::int64_t n, std::string_view noun);
/// "cpu_package+dram" in words.
std::string scope_words(std::string_view scope);
/// "±6 %" at 95 % (k = 2); empty when nothing systematic is known.
std::string systematic_words(const domain::Aggregate& aggregate);

}  // namespace llem::report
