#include "config/predecessor_keys.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/field_path.hpp"
#include "base/text.hpp"
#include "config/levels.hpp"
#include "config/yaml_text.hpp"

namespace llem::config::predecessor {
namespace {

using base::Tree;

bool is_here(std::string_view engine) {
  const auto engines = words(domain::EngineKind{});
  return std::find(engines.begin(), engines.end(), engine) != engines.end();
}

bool same(const Tree& a, const Tree& b) {
  return write_yaml(a) == write_yaml(b);
}

/// `enabled: false` makes the other keys of its section idle.
bool is_switched_off(const Tree& section) {
  const Tree* enabled = section.find("enabled");
  return enabled != nullptr && !enabled->quoted && enabled->scalar == "false";
}

}  // namespace

std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates) {
  const auto near = base::nearest(word, candidates);
  return near ? fmt::format("did you mean `{}`?", *near) : "";
}

void lay_over(std::vector<Given>& lower, const std::vector<Given>& upper) {
  for (const Given& given : upper) {
    const auto found = std::find_if(lower.begin(), lower.end(),
                                    [&](const Given& known) { return known.path == given.path; });
    if (found != lower.end()) {
      *found = given;
    } else {
      lower.push_back(given);
    }
  }
}

const Given* find_given(const std::vector<Given>& given, std::string_view path) {
  const auto found = std::find_if(given.begin(), given.end(),
                                  [&](const Given& known) { return known.path == path; });
  return found == given.end() ? nullptr : &*found;
}

Tree scalar_at(base::Mark mark, std::string text, bool quoted) {
  Tree tree;
  tree.kind = Tree::Kind::scalar;
  tree.scalar = std::move(text);
  tree.quoted = quoted;
  tree.mark = mark;
  return tree;
}

bool is_null(const Tree& tree) {
  return tree.kind == Tree::Kind::null ||
         (tree.kind == Tree::Kind::scalar && !tree.quoted &&
          (tree.scalar.empty() || tree.scalar == "~" || tree.scalar == "null"));
}

// --- telling ---

std::string KeyReader::place(const Key& key) const {
  return fmt::format("{} {}{}", base::place(files_, key.mark), room_, key.path);
}

void KeyReader::note(std::string text) {
  if (std::find(notes_.begin(), notes_.end(), text) == notes_.end()) {
    notes_.push_back(std::move(text));
  }
}

tl::unexpected<Error> KeyReader::refused(const Key& key, std::string message,
                                         std::string hint) const {
  return tl::unexpected<Error>(
      Error{ErrorKind::config, std::move(message), std::move(hint), {place(key)}, {}});
}

void KeyReader::renamed(const Key& key, std::string_view path, std::string_view remark) {
  note(fmt::format("{}: now `{}`{}{}", place(key), path, remark.empty() ? "" : "; ", remark));
}

void KeyReader::left_to_engine(const Key& key, std::string_view path) {
  const std::string_view engine = engine_of(path);
  const std::string whose = engine.empty() ? "the engine" : fmt::format("`{}`", engine);
  note(fmt::format(
      "{}: left out; an argument of {}, which {}", place(key), whose,
      target_.empty() ? "this version does not have" : fmt::format("`{}` does not have", target_)));
}

// --- reading ---

Expected<void> KeyReader::read_map(const Tree& map, const std::string& above, Reading& out) {
  const bool off = !above.empty() && is_switched_off(map);
  for (const Tree::Entry& entry : map.entries) {
    const Key key{above + entry.key, entry.mark};
    if (off && entry.key != "enabled" && find_rule(table_path(key.path)) != nullptr) {
      note(fmt::format("{}: left out; `enabled` is false", place(key)));
      continue;
    }
    LLEM_TRY(read_key(key, entry.value, out));
  }
  return {};
}

Expected<void> KeyReader::read_key(const Key& key, const Tree& value, Reading& out) {
  const std::string path = table_path(key.path);
  const bool section = is_section(key.path);
  const Rule* rule = find_rule(path);
  if (rule != nullptr && !(section && value.kind == Tree::Kind::map)) {
    return turn(*rule, key, value, out);
  }
  if (!section) {
    return unknown(key);
  }
  if (is_null(value)) {
    return {};
  }
  if (value.kind != Tree::Kind::map) {
    return refused(key, fmt::format("`{}` must be a map, got {}", key.path, shown(value)), "");
  }
  return read_map(value, key.path + ".", out);
}

/// Finds which of the names in the path is the first that nobody knows.
Expected<void> KeyReader::unknown(const Key& key) {
  std::size_t end = key.path.find('.');
  std::string above;
  while (end != std::string::npos && is_section(key.path.substr(0, end))) {
    above = key.path.substr(0, end);
    end = key.path.find('.', end + 1);
  }
  const std::size_t begin = above.empty() ? 0 : above.size() + 1;
  const std::string name = key.path.substr(begin, end == std::string::npos ? end : end - begin);
  const std::vector<std::string_view> names = names_within(above);
  std::string hint = did_you_mean(name, names);
  if (hint.empty() && is_open(table_path(above))) {
    left_to_engine(key, table_path(key.path));
    return {};
  }
  return refused(key, fmt::format("unknown key `{}`", name), std::move(hint));
}

Expected<void> KeyReader::put(const Key& key, const Rule& rule, std::string_view path, Tree value,
                              Reading& out) {
  const std::string_view engine = engine_of(rule.path);
  std::vector<Given>& all = engine.empty() ? out.general : out.of_engine[std::string(engine)];
  Given made{std::string(path), std::move(value), place(key)};
  if (made.value.mark.line == 0) {
    made.value.mark = key.mark;
  }
  const Given* known = find_given(all, made.path);
  if (known == nullptr) {
    all.push_back(std::move(made));
    return {};
  }
  if (same(known->value, made.value)) {
    return {};
  }
  auto error = refused(key, fmt::format("two keys say what `{}` is", path), "take one of them out");
  error.value().context.push_back(known->where);
  return error;
}

Expected<std::string> KeyReader::engine_word(const Key& key, const Tree& value) {
  std::vector<std::string_view> known;
  for (const Word& word : engine_words()) {
    known.push_back(word.theirs);
  }
  const auto ours = words(domain::EngineKind{});
  known.insert(known.end(), ours.begin(), ours.end());
  if (value.kind != Tree::Kind::scalar ||
      std::find(known.begin(), known.end(), value.scalar) == known.end()) {
    known.pop_back();  // the test engine
    std::string hint = did_you_mean(value.scalar, known);
    return refused(
        key, fmt::format("`{}` must be an engine, got `{}`", key.path, shown(value)),
        hint.empty() ? fmt::format("what can be: {}", fmt::join(known, ", ")) : std::move(hint));
  }
  std::string word = value.scalar;
  for (const Word& engine : engine_words()) {
    word = engine.theirs == value.scalar ? std::string(engine.ours) : word;
  }
  if (word != value.scalar) {
    note(fmt::format("{}: the engine `{}` is called `{}`", place(key), value.scalar, word));
  }
  remember_engine(word, place(key));
  return word;
}

void KeyReader::remember_engine(const std::string& engine, std::string where) {
  if (is_here(engine)) {
    return;
  }
  missing_.emplace(engine,
                   Error{ErrorKind::config,
                         fmt::format("this version of llem has no engine `{}`", engine),
                         fmt::format("measure a GGUF file with llama.cpp in its place: llem run {} "
                                     "--engine llamacpp --model FILE.gguf",
                                     files_[0]),
                         {std::move(where)},
                         {}});
}

}  // namespace llem::config::predecessor
