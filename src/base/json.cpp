#include "base/json.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <optional>
#include <unordered_set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/text.hpp"

namespace llem::base {
namespace {

constexpr std::size_t kDeepest = 200;

/// Walks the text and tells the handler how far the parser has read, which the SAX interface does
/// not.
class Reading {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Reading(const char* at, const char** furthest) : at_(at), furthest_(furthest) {}

  reference operator*() const { return *at_; }

  Reading& operator++() {
    *furthest_ = ++at_;
    return *this;
  }

  Reading operator++(int) {
    const Reading before = *this;
    ++*this;
    return before;
  }

  friend bool operator==(const Reading& a, const Reading& b) { return a.at_ == b.at_; }

  friend bool operator!=(const Reading& a, const Reading& b) { return a.at_ != b.at_; }

 private:
  const char* at_;
  const char** furthest_;
};

/// The reason in nlohmann's "[json.exception.…] parse error at line 1, column 2: reason".
std::string reason_in(std::string_view what) {
  const std::size_t tag = what.find("] ");
  what.remove_prefix(tag == std::string_view::npos ? 0 : tag + 2);
  if (what.starts_with("parse error")) {
    const std::size_t colon = what.find(": ");
    what.remove_prefix(colon == std::string_view::npos ? 0 : colon + 2);
  }
  return valid_utf8(what);
}

class Builder {
 public:
  using Sax = nlohmann::json;

  Builder(const char* begin, const char* const* furthest, IntegerLists* lists)
      : begin_(begin), furthest_(furthest), lists_(lists) {}

  bool null() { return put({}); }

  bool boolean(bool value) { return put(value); }

  bool number_integer(std::int64_t value) {
    if (in_list_) {
      lists_->lists.back().push_back(value);
      return true;
    }
    return put(value);
  }

  bool number_unsigned(std::uint64_t value) {
    return value <= static_cast<std::uint64_t>(INT64_MAX)
               ? number_integer(static_cast<std::int64_t>(value))
               : put(static_cast<double>(value));
  }

  bool number_float(double value, const std::string&) { return put(value); }

  bool string(std::string& value) { return put(std::move(value)); }

  bool binary(Sax::binary_t&) { return refuse("binary values are no JSON"); }

  bool start_object(std::size_t) { return open(Json::object()); }

  bool start_array(std::size_t) {
    const bool listed = lists_ != nullptr && !in_list_ && !open_.empty() &&
                        open_.back().value.is_object() &&
                        open_.back().value.members().back().first == lists_->key;
    if (!open(Json::array())) {
      return false;
    }
    if (listed) {
      lists_->lists.emplace_back();
      in_list_ = true;
    }
    return true;
  }

  bool end_object() { return close(); }

  bool end_array() {
    in_list_ = false;
    return close();
  }

  bool key(std::string& name) {
    Open& object = open_.back();
    if (!add_name(object, name)) {
      return refuse(fmt::format("the key `{}` appears twice", name));
    }
    object.value.members().emplace_back(std::move(name), nullptr);
    return true;
  }

  bool parse_error(std::size_t read, const std::string&, const nlohmann::detail::exception& error) {
    return refuse_at(read, reason_in(error.what()));
  }

  Json take() { return std::move(root_); }

  Error error() const { return Error{ErrorKind::io, message_, {}, {}, {}}; }

 private:
  struct Open {
    Json value;
    std::unordered_set<std::string> names;
  };

  /// False when the object has a member of that name. Small objects are searched, large ones
  /// indexed.
  static bool add_name(Open& object, const std::string& name) {
    constexpr std::size_t kSearched = 16;
    const Json::Object& members = object.value.members();
    if (members.size() < kSearched) {
      return object.value.find(name) == nullptr;
    }
    if (object.names.empty()) {
      for (const Json::Member& member : members) {
        object.names.insert(member.first);
      }
    }
    return object.names.insert(name).second;
  }

  bool put(Json&& value) {
    if (in_list_) {
      return refuse_in_list();
    }
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (Json& into = open_.back().value; into.is_array()) {
      into.items().push_back(std::move(value));
    } else {
      into.members().back().second = std::move(value);
    }
    return true;
  }

  bool open(Json value) {
    if (in_list_) {
      return refuse_in_list();
    }
    if (open_.size() >= kDeepest) {
      return refuse(fmt::format("nested deeper than {} levels", kDeepest));
    }
    open_.push_back({std::move(value), {}});
    return true;
  }

  bool close() {
    Json done = std::move(open_.back().value);
    open_.pop_back();
    return put(std::move(done));
  }

  bool refuse_in_list() {
    return refuse(fmt::format("`{}` holds something that is no integer", lists_->key));
  }

  bool refuse(std::string_view reason) {
    return refuse_at(static_cast<std::size_t>(*furthest_ - begin_), reason);
  }

  /// The offset named is that of the last byte read, which is the one that was wrong.
  bool refuse_at(std::size_t read, std::string_view reason) {
    message_ = fmt::format("broken JSON at byte {}: {}", read > 0 ? read - 1 : 0, reason);
    return false;
  }

  const char* begin_;
  const char* const* furthest_;
  IntegerLists* lists_;
  bool in_list_ = false;
  std::vector<Open> open_;
  Json root_;
  std::string message_;
};

void write_escaped(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
  }
}

void write_string(std::string& out, std::string_view text) {
  std::string repaired;
  if (std::any_of(text.begin(), text.end(), [](char c) { return (c & 0x80) != 0; })) {
    repaired = valid_utf8(text);
    text = repaired;
  }
  out += '"';
  // Whole stretches at once: most text needs no escape.
  std::size_t from = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20) {
      out.append(text, from, i - from);
      write_escaped(out, c);
      from = i + 1;
    }
  }
  out.append(text, from);
  out += '"';
}

std::string number_text(double value, JsonStyle style) {
  LLEM_ASSERT(std::isfinite(value), "an absent number is a missing key, never NaN or infinite");
  constexpr double kExact = 0x1p53;
  if (style == JsonStyle::canonical && std::abs(value) < kExact && std::trunc(value) == value) {
    return std::to_string(static_cast<std::int64_t>(value));
  }
  std::string text = shortest(value);
  if (text.find_first_of(".e") == std::string::npos) {
    text += ".0";  // or it would read back as an integer
  }
  return text;
}

class Writer {
 public:
  explicit Writer(JsonStyle style, const IntegerLists* lists = nullptr)
      : style_(style), lists_(lists) {}

  std::string write(const Json& value) {
    add(value);
    return std::move(out_);
  }

 private:
  void add(const Json& value) {
    if (value.is_null()) {
      out_ += "null";
    } else if (value.is_bool()) {
      out_ += value.boolean() ? "true" : "false";
    } else if (value.is_integer()) {
      out_ += std::to_string(value.integer());
    } else if (value.is_number()) {
      out_ += number_text(value.number(), style_);
    } else if (value.is_string()) {
      write_string(out_, value.string());
    } else if (value.is_array()) {
      add_all('[', ']', value.items(), [&](const Json& item) { add(item); });
    } else {
      add_members(value.members());
    }
  }

  void add_members(const Json::Object& members) {
    std::vector<const Json::Member*> order;
    for (const Json::Member& member : members) {
      order.push_back(&member);
    }
    if (style_ == JsonStyle::canonical) {
      std::stable_sort(order.begin(), order.end(),
                       [](const auto* a, const auto* b) { return a->first < b->first; });
    }
    add_all('{', '}', order, [&](const Json::Member* member) {
      write_string(out_, member->first);
      out_ += style_ == JsonStyle::indented ? ": " : ":";
      if (lists_ != nullptr && member->first == lists_->key) {
        LLEM_ASSERT(next_list_ < lists_->lists.size(), "one list for each array under the key");
        add_all('[', ']', lists_->lists[next_list_++], [&](std::int64_t number) {
          fmt::format_to(std::back_inserter(out_), "{}", number);
        });
      } else {
        add(member->second);
      }
    });
  }

  template <class Items, class Add>
  void add_all(char open, char close, const Items& items, Add add_one) {
    out_ += open;
    ++depth_;
    bool first = true;
    for (const auto& item : items) {
      if (!first) {
        out_ += ',';
      }
      first = false;
      new_line();
      add_one(item);
    }
    --depth_;
    if (!first) {
      new_line();
    }
    out_ += close;
  }

  void new_line() {
    if (style_ == JsonStyle::indented) {
      out_ += '\n';
      out_.append(2 * depth_, ' ');
    }
  }

  JsonStyle style_;
  const IntegerLists* lists_;
  std::size_t next_list_ = 0;
  std::string out_;
  std::size_t depth_ = 0;
};

}  // namespace

double Json::number() const {
  return is_integer() ? static_cast<double>(integer()) : std::get<double>(value_);
}

const Json* Json::find(std::string_view key) const {
  if (!is_object()) {
    return nullptr;
  }
  const auto found = std::find_if(members().begin(), members().end(),
                                  [&](const Member& member) { return member.first == key; });
  return found == members().end() ? nullptr : &found->second;
}

Json* Json::find(std::string_view key) {
  if (!is_object()) {
    return nullptr;
  }
  const auto found = std::find_if(members().begin(), members().end(),
                                  [&](const Member& member) { return member.first == key; });
  return found == members().end() ? nullptr : &found->second;
}

Json& Json::operator[](std::string_view key) {
  if (!is_object()) {
    value_ = Object{};
  }
  if (Json* found = find(key)) {
    return *found;
  }
  return members().emplace_back(std::string(key), Json()).second;
}

void Json::push_back(Json item) {
  if (is_null()) {
    value_ = Array{};
  }
  items().push_back(std::move(item));
}

std::string_view Json::text_or(std::string_view key, std::string_view fallback) const {
  const Json* found = find(key);
  return found != nullptr && found->is_string() ? std::string_view(found->string()) : fallback;
}

std::int64_t Json::integer_or(std::string_view key, std::int64_t fallback) const {
  const Json* found = find(key);
  return found != nullptr && found->is_integer() ? found->integer() : fallback;
}

double Json::number_or(std::string_view key, double fallback) const {
  const Json* found = find(key);
  return found != nullptr && found->is_number() ? found->number() : fallback;
}

bool Json::bool_or(std::string_view key, bool fallback) const {
  const Json* found = find(key);
  return found != nullptr && found->is_bool() ? found->boolean() : fallback;
}

std::string write_json(const Json& value, JsonStyle style) {
  return Writer(style).write(value);
}

std::string write_json(const Json& value, const IntegerLists& lists) {
  return Writer(JsonStyle::compact, &lists).write(value);
}

namespace {

Expected<Json> parse(std::string_view text, IntegerLists* lists) {
  // nlohmann takes a NUL byte for the end of the text and would accept whatever follows it.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return failure(ErrorKind::io, fmt::format("broken JSON at byte {}: a NUL byte", nul));
  }
  const char* const first = text.data();
  const char* furthest = first;
  Builder builder(first, &furthest, lists);
  const Reading begin(first, &furthest);
  const Reading end(first + text.size(), &furthest);
  if (!nlohmann::json::sax_parse(begin, end, &builder)) {
    return tl::unexpected<Error>(builder.error());
  }
  return builder.take();
}

}  // namespace

Expected<Json> parse_json(std::string_view text) {
  return parse(text, nullptr);
}

Expected<Json> parse_json(std::string_view text, IntegerLists& lists) {
  return parse(text, &lists);
}

}  // namespace llem::base
