#include "domain/timeline.hpp"

#include <array>
#include <string>

namespace llem::domain {

using base::field;

std::span<const std::string_view> words(Finish) {
  static constexpr std::array<std::string_view, 4> kWords{"length", "eos", "abort", "error"};
  return kWords;
}

std::span<const std::string_view> words(TokenTime) {
  static constexpr std::array<std::string_view, 3> kWords{"measured", "per_chunk", "estimated"};
  return kWords;
}

const base::Table& RequestRecord::table() {
  static constexpr std::array fields{
      field<&RequestRecord::id>("id", "Pass and place in it: p0r3"),
      field<&RequestRecord::pass>("pass", "Number of the pass"),
      field<&RequestRecord::intended_ns>("intended_ns", "When it should have been sent",
                                         {.unit = "ns"}),
      field<&RequestRecord::submitted_ns>("submitted_ns", "When it was handed to the engine",
                                          {.unit = "ns"}),
      field<&RequestRecord::started_ns>("started_ns", "When its first work began", {.unit = "ns"}),
      field<&RequestRecord::first_token_ns>("first_token_ns", "Its first token; 0 when none came",
                                            {.unit = "ns"}),
      field<&RequestRecord::end_ns>("end_ns", "Its last token or its end", {.unit = "ns"}),
      field<&RequestRecord::prompt_tokens>("prompt_tokens", "Length of the prompt",
                                           {.unit = "tokens"}),
      field<&RequestRecord::cached_tokens>(
          "cached_tokens", "Prompt tokens answered from a prefix cache", {.unit = "tokens"}),
      field<&RequestRecord::output_tokens>("output_tokens", "Tokens delivered", {.unit = "tokens"}),
      field<&RequestRecord::output_bytes>("output_bytes", "UTF-8 bytes of the delivered text",
                                          {.unit = "bytes"}),
      field<&RequestRecord::finish>("finish", "Why it ended"),
      field<&RequestRecord::error>("error", "What went wrong"),
      field<&RequestRecord::token_offset>("token_offset", "Index of its first token time")};
  static constexpr base::Table table{"request", "One request", fields};
  return table;
}

std::string window_label(std::int64_t index) {
  return index == 0 ? "window" : "window_" + std::to_string(index + 1);
}

bool is_window_label(std::string_view label) {
  return label == "window" || label.starts_with("window_");
}

}  // namespace llem::domain
