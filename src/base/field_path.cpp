#include "base/field_path.hpp"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/field_io.hpp"
#include "base/text.hpp"

namespace llem::base {
namespace {

std::vector<std::string_view> visible_names(const Table& table) {
  std::vector<std::string_view> names;
  for (const FieldInfo& field : table.fields) {
    if (!field.rules.hidden) {
      names.push_back(field.name);
    }
  }
  return names;
}

const FieldInfo* find_field(const Table& table, std::string_view name) {
  const auto found = std::find_if(table.fields.begin(), table.fields.end(),
                                  [&](const FieldInfo& field) { return field.name == name; });
  return found == table.fields.end() ? nullptr : &*found;
}

tl::unexpected<Error> unknown(const Table& root, const Table& table, std::string_view above,
                              std::string_view name) {
  const auto names = visible_names(table);
  const std::string prefix = above.empty() ? "" : std::string(above) + ".";
  const auto near = nearest(name, names);
  std::string meant = near ? prefix + std::string(*near) : path_ending_in(root, name);
  return failure(ErrorKind::config, fmt::format("unknown key `{}`", name),
                 meant.empty() ? fmt::format("valid keys: {}", fmt::join(names, ", "))
                               : fmt::format("did you mean `{}`?", meant));
}

/// An entry has its map's words, but not the bounds of the map's size.
FieldInfo entry_of(const FieldInfo& field, const TypeInfo& map) {
  FieldInfo entry = field;
  entry.type = map.element;
  entry.rules = {};
  entry.rules.unit = field.rules.unit;
  entry.rules.allowed = field.rules.allowed;
  return entry;
}

}  // namespace

std::string path_ending_in(const Table& table, std::string_view name) {
  for (const FieldInfo& field : table.fields) {
    if (field.name == name && !field.rules.hidden) {
      return std::string(name);
    }
  }
  for (const FieldInfo& field : table.fields) {
    const TypeInfo& type = without_optional(*field.type);
    if (type.kind == Kind::object && !field.rules.hidden) {
      if (const std::string inner = path_ending_in(type.table(), name); !inner.empty()) {
        return fmt::format("{}.{}", field.name, inner);
      }
    }
  }
  return {};
}

bool is_within(std::string_view path, std::string_view outer) {
  return path.starts_with(outer) &&
         (path.size() == outer.size() || path[outer.size()] == '.' || path[outer.size()] == '[');
}

std::string_view last_name(std::string_view path) {
  return path.substr(path.find_last_of('.') + 1);
}

Expected<FieldPath> FieldPath::find(const Table& table, std::string_view dotted) {
  FieldPath path;
  path.text_ = dotted;
  const auto names = split(dotted, '.');
  if (std::find(names.begin(), names.end(), "") != names.end()) {
    return failure(ErrorKind::config, fmt::format("`{}` is no path", dotted),
                   "a path is names joined by dots, as in deploy.batch_size");
  }
  const Table* inside = &table;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto above = dotted.substr(
        0, i == 0 ? 0 : static_cast<std::size_t>(names[i].data() - dotted.data()) - 1);
    if (inside != nullptr) {
      const FieldInfo* field = find_field(*inside, names[i]);
      if (field == nullptr) {
        return unknown(table, *inside, above, names[i]);
      }
      path.steps_.push_back({Way::member, field, nullptr, {}});
      path.field_ = *field;
    } else {
      const TypeInfo& type = without_optional(*path.field_.type);
      if (type.kind == Kind::map) {
        path.steps_.push_back({Way::entry, nullptr, &type, std::string(names[i])});
        path.field_ = entry_of(path.field_, type);
      } else if (type.kind == Kind::json) {
        path.steps_.push_back({Way::json, nullptr, nullptr, std::string(names[i])});
      } else {
        return failure(ErrorKind::config,
                       fmt::format("`{}` is no map, so it has nothing named `{}`", above, names[i]),
                       fmt::format("set `{}` itself", above));
      }
    }
    const TypeInfo& type = *path.field_.type;
    const TypeInfo& bare = without_optional(type);
    inside = bare.kind == Kind::object ? &bare.table() : nullptr;
    if (&bare != &type && i + 1 < names.size()) {
      path.steps_.push_back({Way::content, nullptr, &type, {}});
    }
  }
  return path;
}

void* FieldPath::in(void* object) const {
  void* at = object;
  for (const Step& step : steps_) {
    switch (step.way) {
      case Way::member:
        at = step.field->member(at);
        break;
      case Way::content:
        at = step.type->has(at) ? step.type->item(at, 0) : step.type->emplace(at);
        break;
      case Way::entry:
        at = step.type->append(at, step.key);
        break;
      case Way::json:
        at = &(*static_cast<Json*>(at))[step.key];
        break;
    }
  }
  return at;
}

Json FieldPath::value_in(const void* object) const {
  // Field tables reach members through one accessor for reading and writing; nothing here writes.
  void* at = const_cast<void*>(object);  // NOLINT(cppcoreguidelines-pro-type-const-cast)
  for (const Step& step : steps_) {
    switch (step.way) {
      case Way::member:
        at = step.field->member(at);
        break;
      case Way::content:
        at = step.type->has(at) ? step.type->item(at, 0) : nullptr;
        break;
      case Way::entry: {
        void* map = std::exchange(at, nullptr);
        for (std::size_t i = 0; i < step.type->size(map) && at == nullptr; ++i) {
          at = step.type->key(map, i) == step.key ? step.type->item(map, i) : nullptr;
        }
        break;
      }
      case Way::json:
        at = static_cast<Json*>(at)->find(step.key);
        break;
    }
    if (at == nullptr) {
      return {};
    }
  }
  return write_value(*field_.type, at);
}

Expected<Assignment> Assignment::read(std::shared_ptr<const FieldPath> path, const Tree& value,
                                      const FileNames& files, const std::string& where) {
  Assignment assignment;
  const FieldInfo& field = path->field();
  assignment.value_ = field.type->make();
  LLEM_TRY(read_value(field, assignment.value_.get(), value, files,
                      {fmt::format("`{}`", last_name(path->text())), where}));
  assignment.path_ = std::move(path);
  return assignment;
}

void Assignment::apply(void* object) const {
  path_->field().type->copy(path_->in(object), value_.get());
}

Json Assignment::value() const {
  return write_value(*path_->field().type, value_.get());
}

}  // namespace llem::base
