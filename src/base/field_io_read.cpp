#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "base/field_path.hpp"
#include "base/text.hpp"

namespace llem::base {
namespace {

using Outcome = Expected<void>;

/// The value being read: what it is, where it stands and what a person calls it.
struct Slot {
  const FieldInfo& field;  // its type may be the element of the declared one
  void* value;
  const Tree& tree;
  std::string name;
  std::string path;
  Mark mark;  // of the value, or of its key where the value has none
};

bool is_null(const Tree& tree) {
  return tree.kind == Tree::Kind::null ||
         (tree.kind == Tree::Kind::scalar && !tree.quoted &&
          (tree.scalar.empty() || tree.scalar == "~" || tree.scalar == "null"));
}

std::string shown(const Tree& tree) {
  if (is_null(tree)) {
    return "nothing";
  }
  switch (tree.kind) {
    case Tree::Kind::list:
      return "a list";
    case Tree::Kind::map:
      return "a map";
    case Tree::Kind::null:
    case Tree::Kind::scalar:
      break;
  }
  return tree.quoted ? fmt::format("the text `{}`", tree.scalar) : fmt::format("`{}`", tree.scalar);
}

std::string with_article(const std::string& noun) {
  for (const std::string_view bare : {"text", "one of", "true", "any"}) {
    if (noun.starts_with(bare)) {
      return noun;
    }
  }
  return (noun.starts_with("integer") ? "an " : "a ") + noun;
}

std::string listed(std::span<const std::string_view> words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  const auto near = nearest(word, candidates);
  return near ? fmt::format("did you mean `{}`?", *near) : "";
}

bool within(double value, const FieldRules& rules) {
  const bool low = rules.above_min ? value > rules.min : value >= rules.min;
  return low && value <= rules.max;
}

/// JSON Schema counts characters, not bytes; so do we.
double characters(std::string_view text) {
  return static_cast<double>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

class Reader {
 public:
  explicit Reader(const FileNames& files) : files_(files) {}

  Outcome read_alone(const FieldInfo& field, void* value, const Tree& tree, const ValueName& name) {
    return read({field, value, tree, name.name, name.path, tree.mark});
  }

  Outcome read_document(const Table& table, void* object, const Tree& tree, std::string_view path) {
    const FieldInfo root{path.empty() ? "the document" : path, {}, {}, nullptr, nullptr};
    const std::string name = path.empty() ? "the document" : fmt::format("`{}`", path);
    return read_object(table, {root, object, tree, name, std::string(path), tree.mark});
  }

 private:
  tl::unexpected<Error> error(const Slot& slot, std::string message, std::string hint = {}) const {
    return error_at(slot.mark, slot.path, std::move(message), std::move(hint));
  }

  tl::unexpected<Error> error_at(Mark mark, const std::string& path, std::string message,
                                 std::string hint) const {
    std::string where = place(files_, mark);
    if (!path.empty()) {
      where += (where.empty() ? "" : " ") + path;
    }
    Error made{ErrorKind::config, std::move(message), std::move(hint), {}, {}};
    return tl::unexpected<Error>(std::move(made).at(std::move(where)));
  }

  tl::unexpected<Error> wrong(const Slot& slot, std::string hint = {}) const {
    if (slot.field.type->kind == Kind::list && slot.tree.kind == Tree::Kind::map && hint.empty()) {
      hint = "as list entries, each with a dash before it: `- {…}`";
    }
    return error(slot,
                 fmt::format("{} must be {}, got {}", slot.name,
                             with_article(describe_type(slot.field)), shown(slot.tree)),
                 std::move(hint));
  }

  static std::string quotes_hint(const Slot& slot) {
    return slot.tree.quoted ? "leave out the quotes: a quoted scalar is text" : "";
  }

  Outcome read(const Slot& slot) {
    switch (slot.field.type->kind) {
      case Kind::boolean:
        return read_boolean(slot);
      case Kind::integer:
        return read_integer(slot);
      case Kind::number:
        return read_number(slot);
      case Kind::text:
        return read_text(slot);
      case Kind::enumeration:
        return read_enumeration(slot);
      case Kind::object:
        return read_object(slot.field.type->table(), slot);
      case Kind::optional:
        return read_optional(slot);
      case Kind::list:
        return read_list(slot);
      case Kind::map:
        return read_map(slot);
      case Kind::json:
        *static_cast<Json*>(slot.value) = json_from_tree(slot.tree);
        return {};
    }
    return {};
  }

  Outcome read_boolean(const Slot& slot) {
    const Tree& tree = slot.tree;
    if (tree.kind != Tree::Kind::scalar || tree.quoted || is_null(tree)) {
      return wrong(slot, quotes_hint(slot));
    }
    if (tree.scalar != "true" && tree.scalar != "false") {
      return error(slot, fmt::format("`{}` is no boolean: write true or false", tree.scalar));
    }
    *static_cast<bool*>(slot.value) = tree.scalar == "true";
    return {};
  }

  /// What is wrong with a scalar that is a number to a person but no integer to YAML or to us.
  static std::string integer_hint(const Slot& slot) {
    if (slot.tree.quoted) {
      return quotes_hint(slot);
    }
    const std::string& text = slot.tree.scalar;
    const std::size_t zeros = text.find_first_not_of('0');
    if (zeros != 0 && zeros != std::string::npos) {
      if (const auto decimal = parse_integer(std::string_view(text).substr(zeros))) {
        return fmt::format("a leading zero is ambiguous: write {} (octal is 0o{})", *decimal,
                           text.substr(zeros));
      }
    }
    const auto number = parse_number(text);
    if (!number) {
      return {};
    }
    if (std::abs(*number) >= 0x1p63) {
      return "integers have 64 bits here";
    }
    return std::trunc(*number) == *number
               ? fmt::format("write {:.0f}: an integer has no point and no exponent", *number)
               : "";
  }

  Outcome read_integer(const Slot& slot) {
    const auto value = slot.tree.kind == Tree::Kind::scalar && !slot.tree.quoted
                           ? parse_integer(slot.tree.scalar)
                           : std::nullopt;
    if (!value) {
      return wrong(slot, integer_hint(slot));
    }
    if (!within(static_cast<double>(*value), slot.field.rules)) {
      return wrong(slot);
    }
    *static_cast<std::int64_t*>(slot.value) = *value;
    return {};
  }

  Outcome read_number(const Slot& slot) {
    std::optional<double> value;
    if (slot.tree.kind == Tree::Kind::scalar && !slot.tree.quoted) {
      value = parse_number(slot.tree.scalar);
      if (const auto integer = parse_integer(slot.tree.scalar); !value && integer) {
        value = static_cast<double>(*integer);
      }
    }
    if (!value || !within(*value, slot.field.rules)) {
      return wrong(slot, quotes_hint(slot));
    }
    *static_cast<double*>(slot.value) = *value;
    return {};
  }

  Outcome read_text(const Slot& slot) {
    if (slot.tree.kind != Tree::Kind::scalar || is_null(slot.tree)) {
      return wrong(slot);
    }
    const std::string& text = slot.tree.scalar;
    const auto allowed = slot.field.rules.allowed;
    if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), text) == allowed.end()) {
      return wrong(slot, did_you_mean(text, allowed));
    }
    if (!within(characters(text), slot.field.rules)) {
      return wrong(slot);
    }
    *static_cast<std::string*>(slot.value) = text;
    return {};
  }

  Outcome read_enumeration(const Slot& slot) {
    const auto words = slot.field.type->words();
    if (slot.tree.kind != Tree::Kind::scalar) {
      return wrong(slot);
    }
    const auto found = std::find(words.begin(), words.end(), slot.tree.scalar);
    if (found == words.end()) {
      return wrong(slot, did_you_mean(slot.tree.scalar, words));
    }
    slot.field.type->set_enum(slot.value, static_cast<int>(found - words.begin()));
    return {};
  }

  Outcome read_optional(const Slot& slot) {
    const TypeInfo& type = *slot.field.type;
    if (is_null(slot.tree)) {
      type.clear(slot.value);
      return {};
    }
    void* inner = type.has(slot.value) ? type.item(slot.value, 0) : type.emplace(slot.value);
    FieldInfo field = slot.field;
    field.type = type.element;
    return read({field, inner, slot.tree, slot.name, slot.path, slot.mark});
  }

  /// The element's own field: bounds count the items of a container, words hold for each item.
  static FieldInfo element_of(const FieldInfo& field) {
    FieldInfo element = field;
    element.type = field.type->element;
    element.rules = {};
    element.rules.unit = field.rules.unit;
    element.rules.allowed = field.rules.allowed;
    return element;
  }

  /// A list replaces the one before: items have no names by which old and new could be matched.
  Outcome read_list(const Slot& slot) {
    if (slot.tree.kind != Tree::Kind::list) {
      return wrong(slot, slot.tree.kind == Tree::Kind::scalar && !is_null(slot.tree)
                             ? fmt::format("write [{}]", slot.tree.scalar)
                             : "");
    }
    const std::vector<Tree>& items = slot.tree.items;
    if (!within(static_cast<double>(items.size()), slot.field.rules)) {
      return wrong_size(slot, items.size());
    }
    const TypeInfo& type = *slot.field.type;
    const FieldInfo element = element_of(slot.field);
    type.clear(slot.value);
    for (std::size_t i = 0; i < items.size(); ++i) {
      LLEM_TRY(read({element, type.append(slot.value, {}), items[i],
                     fmt::format("item {} of {}", i + 1, slot.name),
                     fmt::format("{}[{}]", slot.path, i), mark_of(items[i], slot.mark)}));
    }
    return {};
  }

  Outcome read_map(const Slot& slot) {
    if (slot.tree.kind != Tree::Kind::map) {
      return wrong(slot);
    }
    const auto& entries = slot.tree.entries;
    if (!within(static_cast<double>(entries.size()), slot.field.rules)) {
      return wrong_size(slot, entries.size());
    }
    LLEM_TRY(refuse_repetition(slot));
    const TypeInfo& type = *slot.field.type;
    const FieldInfo element = element_of(slot.field);
    type.clear(slot.value);
    for (const Tree::Entry& entry : entries) {
      LLEM_TRY(read({element, type.append(slot.value, entry.key), entry.value,
                     fmt::format("`{}`", entry.key), below(slot.path, entry.key),
                     mark_of(entry.value, entry.mark)}));
    }
    return {};
  }

  Outcome wrong_size(const Slot& slot, std::size_t size) const {
    return error(slot,
                 fmt::format("{} must be {}, got {} item{}", slot.name,
                             with_article(describe_type(slot.field)), size, size == 1 ? "" : "s"));
  }

  Outcome refuse_repetition(const Slot& slot) const {
    std::set<std::string_view> seen;
    for (const Tree::Entry& entry : slot.tree.entries) {
      if (!seen.insert(entry.key).second) {
        return error_at(entry.mark, below(slot.path, entry.key),
                        fmt::format("the key `{}` appears twice", entry.key), "keep one of them");
      }
    }
    return {};
  }

  Outcome read_object(const Table& table, const Slot& slot) {
    const bool map = slot.tree.kind == Tree::Kind::map;
    // A section whose keys are all commented out is null to YAML and an empty section to its
    // author.
    const bool empty = is_null(slot.tree);
    if (!map && !empty && table.shorthand.empty()) {
      return error(slot, fmt::format("{} must be a map, got {}", slot.name, shown(slot.tree)),
                   fmt::format("keys: {}", listed(names_of(table, Show::visible))));
    }
    LLEM_TRY(refuse_repetition(slot));
    if (map) {
      LLEM_TRY(refuse_unknown(table, slot));
    }
    for (const FieldInfo& field : table.fields) {
      const Tree* given = map ? slot.tree.find(field.name) : nullptr;
      if (!map && !empty && field.name == table.shorthand) {
        LLEM_TRY(
            read({field, field.member(slot.value), slot.tree, slot.name, slot.path, slot.mark}));
        continue;
      }
      if (given == nullptr) {
        if (field.rules.required) {
          return error(slot, fmt::format("`{}` is missing", field.name),
                       fmt::format("{}: {}", field.name, describe_type(field)));
        }
        continue;
      }
      LLEM_TRY(read({field, field.member(slot.value), *given, fmt::format("`{}`", field.name),
                     below(slot.path, field.name), mark_in(slot.tree, field.name)}));
    }
    return {};
  }

  enum class Show { visible, all };

  static std::vector<std::string_view> names_of(const Table& table, Show show) {
    std::vector<std::string_view> names;
    for (const FieldInfo& field : table.fields) {
      if (show == Show::all || !field.rules.hidden) {
        names.push_back(field.name);
      }
    }
    return names;
  }

  Outcome refuse_unknown(const Table& table, const Slot& slot) const {
    const auto all = names_of(table, Show::all);
    for (const Tree::Entry& entry : slot.tree.entries) {
      if (std::find(all.begin(), all.end(), entry.key) != all.end()) {
        continue;
      }
      const auto visible = names_of(table, Show::visible);
      std::string hint = did_you_mean(entry.key, visible);
      const std::string within = path_ending_in(table, entry.key);
      if (hint.empty() && !within.empty()) {
        hint = fmt::format("did you mean `{}`?", below(slot.path, within));
      } else if (hint.empty()) {
        hint = fmt::format("valid keys: {}", listed(visible));
      }
      return error_at(entry.mark, below(slot.path, entry.key),
                      fmt::format("unknown key `{}`", entry.key), std::move(hint));
    }
    return {};
  }

  static std::string below(const std::string& path, std::string_view key) {
    return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
  }

  static Mark mark_of(const Tree& tree, Mark otherwise) {
    return tree.mark.line > 0 ? tree.mark : otherwise;
  }

  static Mark mark_in(const Tree& map, std::string_view key) {
    for (const Tree::Entry& entry : map.entries) {
      if (entry.key == key) {
        return mark_of(entry.value, entry.mark);
      }
    }
    return map.mark;
  }

  const FileNames& files_;
};

}  // namespace

Expected<void> read_fields(const Table& table, void* object, const Tree& tree,
                           const FileNames& files, std::string_view path) {
  return Reader(files).read_document(table, object, tree, path);
}

Expected<void> read_value(const FieldInfo& field, void* value, const Tree& tree,
                          const FileNames& files, const ValueName& name) {
  return Reader(files).read_alone(field, value, tree, name);
}

}  // namespace llem::base
