#include "assets/prompts.hpp"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/json.hpp"
#include "base/text.hpp"

namespace llem::assets {
namespace {

constexpr std::array<std::string_view, 4> kFields{"prompt", "text", "question", "instruction"};
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

tl::unexpected<Error> bad(std::string message, std::string hint = {},
                          std::string code = "bad_dataset") {
  return failure(ErrorKind::config, std::move(message), std::move(hint), std::move(code));
}

/// Lines without their ends, and their numbers.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {
    if (rest_.starts_with(kByteOrderMark)) {
      rest_.remove_prefix(kByteOrderMark.size());
    }
  }

  bool next(std::string_view& line) {
    if (rest_.empty()) {
      return false;
    }
    const std::size_t end = rest_.find('\n');
    line = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    ++number_;
    return true;
  }

  std::int64_t number() const { return number_; }

 private:
  std::string_view rest_;
  std::int64_t number_ = 0;
};

std::optional<std::string_view> usual_field(const base::Json& object) {
  for (const std::string_view name : kFields) {
    const base::Json* value = object.find(name);
    if (value != nullptr && value->is_string()) {
      return name;
    }
  }
  return std::nullopt;
}

std::string keys_of(const base::Json& object) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : object.members()) {
    keys.push_back(key);
  }
  return base::join(keys, ", ");
}

/// The prompt on one line; `field` is settled by the first.
Expected<std::string> prompt_of(std::string_view line, std::int64_t number,
                                std::optional<std::string>& field) {
  const auto json = base::parse_json(line);
  if (!json) {
    return bad(fmt::format("line {} is no JSON: {}", number, json.error().message));
  }
  if (!json->is_object()) {
    return bad(fmt::format("line {} is no JSON object", number),
               "each line holds one object, such as {\"prompt\": \"…\"}");
  }
  if (!field) {
    const auto usual = usual_field(*json);
    if (!usual) {
      return bad(fmt::format("line {} has none of the fields {}", number, fmt::join(kFields, ", ")),
                 fmt::format("say which with `dataset.field`: {}", keys_of(*json)));
    }
    field = std::string(*usual);
  }
  const base::Json* value = json->find(*field);
  if (value == nullptr) {
    return bad(fmt::format("line {} has no field `{}`", number, *field),
               fmt::format("its fields: {}", keys_of(*json)));
  }
  if (!value->is_string()) {
    return bad(fmt::format("line {}: `{}` is no text", number, *field));
  }
  return value->string();
}

tl::unexpected<Error> empty_prompt(std::int64_t number) {
  return bad(fmt::format("empty prompt at line {}", number), "fill it or remove the line",
             "empty_prompt");
}

Expected<ParsedPrompts> unless_empty(ParsedPrompts parsed) {
  if (parsed.prompts.empty()) {
    return bad("it holds no prompts");
  }
  return parsed;
}

}  // namespace

Expected<ParsedPrompts> parse_jsonl_prompts(std::string_view text, const JsonlRules& rules) {
  ParsedPrompts parsed;
  std::optional<std::string> field = rules.field;
  Lines lines(text);
  std::string_view line;
  while (lines.next(line)) {
    if (lines.number() <= rules.provenance_lines) {
      continue;
    }
    if (base::trim(line).empty()) {
      ++parsed.skipped;
      continue;
    }
    LLEM_ASSIGN(std::string prompt, prompt_of(line, lines.number(), field));
    if (!base::trim(prompt).empty()) {
      parsed.prompts.push_back(std::move(prompt));
    } else if (rules.empty == EmptyPrompts::skip) {
      ++parsed.skipped;
    } else {
      return empty_prompt(lines.number());
    }
  }
  return unless_empty(std::move(parsed));
}

Expected<ParsedPrompts> parse_text_prompts(std::string_view text) {
  ParsedPrompts parsed;
  Lines lines(text);
  std::string_view line;
  while (lines.next(line)) {
    if (base::trim(line).empty()) {
      ++parsed.skipped;
      continue;
    }
    std::string prompt(line);
    if (prompt.find('\0') != std::string::npos || base::valid_utf8(prompt) != prompt) {
      return bad(fmt::format("line {} is no UTF-8 text", lines.number()),
                 "convert the file, for example with iconv");
    }
    parsed.prompts.push_back(std::move(prompt));
  }
  return unless_empty(std::move(parsed));
}

}  // namespace llem::assets
