#include "config/yaml_text.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>

#include "base/json.hpp"

namespace llem::config {
namespace {

using base::Tree;

/// Characters no YAML reader can take for an indicator, wherever they stand after a letter or
/// digit.
bool is_plain(std::string_view text) {
  const auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  if (text.empty()) {
    return false;
  }
  const bool sign = text.size() > 1 && (text[0] == '-' || text[0] == '+' || text[0] == '.');
  if (!is_word(sign ? text[1] : text[0])) {
    return false;
  }
  return std::all_of(text.begin() + 1, text.end(), [&](char c) {
    return is_word(c) || std::string_view("_-+./").find(c) != std::string_view::npos;
  });
}

/// Every JSON string is a double-quoted YAML scalar.
std::string quoted(std::string_view text) {
  return base::write_json(base::Json(text));
}

std::string key_text(std::string_view key) {
  return is_plain(key) && key != "null" && key != "Null" && key != "NULL" ? std::string(key)
                                                                          : quoted(key);
}

std::string scalar_text(const Tree& tree) {
  return !tree.quoted && is_plain(tree.scalar) ? tree.scalar : quoted(tree.scalar);
}

void write(const Tree& tree, std::size_t indent, std::string& out) {
  const std::string margin(indent, ' ');
  switch (tree.kind) {
    case Tree::Kind::null:
      out += " null\n";
      return;
    case Tree::Kind::scalar:
      out += " " + scalar_text(tree) + "\n";
      return;
    case Tree::Kind::list:
      if (tree.items.empty()) {
        out += " []\n";
        return;
      }
      out += "\n";
      for (const Tree& item : tree.items) {
        out += margin + "-";
        write(item, indent + 2, out);
      }
      return;
    case Tree::Kind::map:
      if (tree.entries.empty()) {
        out += " {}\n";
        return;
      }
      out += "\n";
      for (const Tree::Entry& entry : tree.entries) {
        out += margin + key_text(entry.key) + ":";
        write(entry.value, indent + 2, out);
      }
      return;
  }
}

}  // namespace

std::string write_yaml(const Tree& tree) {
  std::string out;
  write(tree, 0, out);
  // The outermost value stands where a key would have left a space or a line break before it.
  return out.substr(1);
}

}  // namespace llem::config
