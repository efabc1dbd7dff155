#include <cctype>
#include <string>
#include <string_view>

#include "analysis/aggregate.hpp"
#include "base/text.hpp"

namespace llem::analysis {

namespace {

/// The names GGUF files carry: Q4_1, IQ3_XS, F16, BF16, F32, MXFP4.
bool names_a_type(std::string_view word) {
  const std::string lower = base::lower(word);
  const std::size_t digits = lower.starts_with("iq") ? 2 : 1;
  const bool quantised = (lower.starts_with("q") || lower.starts_with("iq")) &&
                         lower.size() >= digits + 2 && lower[digits + 1] == '_' &&
                         std::isdigit(static_cast<unsigned char>(lower[digits])) != 0;
  return quantised || lower == "f16" || lower == "bf16" || lower == "f32" || lower == "mxfp4";
}

std::string type_in_name(std::string_view path) {
  const std::string_view name = path.substr(path.find_last_of('/') + 1);
  for (const auto part : base::split(name, '.')) {
    for (const auto word : base::split(part, '-')) {
      if (names_a_type(word)) {
        return std::string(word);
      }
    }
  }
  return "";
}

}  // namespace

std::string file_type(const domain::Configuration& configuration,
                      const std::vector<const domain::TrialResult*>& trials) {
  for (const auto* trial : trials) {
    if (const auto told = trial->configuration.effective.text_or("file_type", ""); !told.empty()) {
      return std::string(told);
    }
  }
  const std::string named = type_in_name(configuration.model_path);
  return named.empty() ? type_in_name(configuration.model.file.value_or("")) : named;
}

}  // namespace llem::analysis
