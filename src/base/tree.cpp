#include "base/tree.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"

namespace llem::base {
namespace {

Tree scalar_tree(std::string text, bool quoted) {
  Tree tree;
  tree.kind = Tree::Kind::scalar;
  tree.scalar = std::move(text);
  tree.quoted = quoted;
  return tree;
}

}  // namespace

const Tree* Tree::find(std::string_view key) const {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &found->value;
}

Tree* Tree::find(std::string_view key) {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &found->value;
}

Tree tree_from_json(const Json& json) {
  Tree tree;
  if (json.is_string()) {
    return scalar_tree(json.string(), true);
  }
  if (json.is_array()) {
    tree.kind = Tree::Kind::list;
    for (const Json& item : json.items()) {
      tree.items.push_back(tree_from_json(item));
    }
  } else if (json.is_object()) {
    tree.kind = Tree::Kind::map;
    for (const auto& [key, value] : json.members()) {
      tree.entries.push_back({key, {}, tree_from_json(value)});
    }
  } else if (!json.is_null()) {
    return scalar_tree(write_json(json), false);
  }
  return tree;
}

Json json_from_tree(const Tree& tree) {
  switch (tree.kind) {
    case Tree::Kind::null:
      return {};
    case Tree::Kind::list: {
      Json list = Json::array();
      for (const Tree& item : tree.items) {
        list.push_back(json_from_tree(item));
      }
      return list;
    }
    case Tree::Kind::map: {
      Json map = Json::object();
      for (const Tree::Entry& entry : tree.entries) {
        map.members().emplace_back(entry.key, json_from_tree(entry.value));
      }
      return map;
    }
    case Tree::Kind::scalar:
      break;
  }
  const std::string& text = tree.scalar;
  if (tree.quoted) {
    return text;
  }
  if (text.empty() || text == "~" || text == "null") {
    return {};
  }
  if (text == "true" || text == "false") {
    return text == "true";
  }
  if (const auto integer = parse_integer(text)) {
    return *integer;
  }
  if (const auto number = parse_number(text)) {
    return *number;
  }
  return text;
}

void set_path(Tree& tree, std::string_view dotted, Tree value) {
  Tree* at = &tree;
  for (const std::string_view key : split(dotted, '.')) {
    if (at->kind != Tree::Kind::map) {
      const Mark mark = at->mark;
      *at = Tree{};
      at->kind = Tree::Kind::map;
      at->mark = mark;
    }
    Tree* next = at->find(key);
    if (next == nullptr) {
      at->entries.push_back({std::string(key), value.mark, {}});
      next = &at->entries.back().value;
    }
    at = next;
  }
  *at = std::move(value);
}

std::string place(const FileNames& files, Mark mark) {
  if (mark.line <= 0) {
    return std::string(files[mark.file]);
  }
  return fmt::format("{}:{}:{}", files[mark.file], mark.line, mark.column);
}

}  // namespace llem::base
