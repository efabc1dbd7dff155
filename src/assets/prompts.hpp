#pragma once

// Owns: prompts from the text of a data-set file.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace llem::assets {

enum class EmptyPrompts { refuse, skip };

struct JsonlRules {
  std::optional<std::string> field;  // else the first of prompt, text, question, instruction
  std::int64_t provenance_lines = 0;
  EmptyPrompts empty = EmptyPrompts::refuse;
};

struct ParsedPrompts {
  std::vector<std::string> prompts;
  std::int64_t skipped = 0;  // blank lines and, where allowed, empty prompts
};

/// One JSON object a line. Errors say the line.
Expected<ParsedPrompts> parse_jsonl_prompts(std::string_view text, const JsonlRules& rules);
/// One prompt a line.
Expected<ParsedPrompts> parse_text_prompts(std::string_view text);

}  // namespace llem::assets
