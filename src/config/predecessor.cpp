#include "config/predecessor.hpp"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/predecessor_base.hpp"
#include "config/predecessor_defaults.hpp"
#include "config/predecessor_keys.hpp"
#include "config/predecessor_levels.hpp"
#include "config/predecessor_space.hpp"

namespace llem::config::predecessor {
namespace {

using base::Tree;

constexpr std::string_view kDefaultEngine = "transformers";

class Translator {
 public:
  Translator(const Tree& tree, const std::vector<std::string>& files,
             const std::optional<std::string>& engine)
      : tree_(tree),
        files_(files),
        reader_(files_, engine.value_or("")),
        form_(is_nested(tree) ? Form::nested : Form::flat) {}

  Expected<Translation> translate() {
    LLEM_TRY(find_engines());
    LLEM_TRY(read_constants());
    LLEM_TRY(read_sweep());
    LLEM_TRY(combine_engines());
    LLEM_TRY(read_experiments());
    if (space_.one_engine && !sets("deploy.batch_size")) {
      note_batch_default(space_.engines.front().word, reader_);
    }
    Translation out;
    out.tree = write_space(space_);
    add_defaults_notes(tree_, reader_);
    out.notes = reader_.take_notes();
    out.missing = reader_.missing();
    return out;
  }

 private:
  static const Tree::Entry* entry_of(const Tree* map, std::string_view known) {
    for (std::size_t i = 0; map != nullptr && i < map->entries.size(); ++i) {
      if (table_path(map->entries[i].key) == known) {
        return &map->entries[i];
      }
    }
    return nullptr;
  }

  /// Whether a constant or some level is for that path.
  bool sets(std::string_view path) const {
    const auto is_in = [&](const Bundle& level) {
      return find_given(level.given, path) != nullptr;
    };
    return find_given(space_.constants.general, path) != nullptr ||
           std::any_of(space_.axes.begin(), space_.axes.end(),
                       [&](const SweptAxis& axis) {
                         return std::any_of(axis.levels.begin(), axis.levels.end(), is_in);
                       }) ||
           std::any_of(space_.experiments.begin(), space_.experiments.end(),
                       [&](const Experiment& point) { return is_in(point.bundle); });
  }

  // --- engines ---

  /// One word, or a list of them.
  Expected<void> add_engines(const Key& key, const Tree& value) {
    const bool list = value.kind == Tree::Kind::list;
    if (list && value.items.empty()) {
      return reader_.refused(key, "the list of engines is empty", "name one");
    }
    for (const Tree& item : list ? value.items : std::vector{value}) {
      LLEM_ASSIGN(std::string word, reader_.engine_word(key, item));
      space_.engines.push_back({std::move(word), item.mark.line > 0 ? item.mark : key.mark});
    }
    return {};
  }

  Expected<void> find_engines() {
    const Tree* sweep = tree_.find("sweep");
    if (const Tree::Entry* axis = entry_of(sweep, "backend")) {
      reader_.set_room("sweep.");
      LLEM_TRY(add_engines({axis->key, axis->mark}, axis->value));
      reader_.set_room("");
    } else if (const Tree::Entry* named = entry_of(&tree_, "backend")) {
      LLEM_TRY(add_engines({named->key, named->mark}, named->value));
    }
    if (space_.engines.empty()) {
      add_engines_of_axes(sweep);
    }
    if (space_.engines.empty()) {
      space_.engines.push_back({std::string(kDefaultEngine), tree_.mark});
      is_default_ = true;
    }
    LLEM_TRY(find_engines_of_experiments());
    if (is_default_ && used_.contains(kDefaultEngine)) {
      reader_.remember_engine(
          std::string(kDefaultEngine),
          fmt::format("{}, which names no engine: the predecessor took pytorch", files_[0]));
    }
    space_.one_engine = used_.size() == 1;
    return {};
  }

  /// Engines whose arguments are varied are those that run.
  void add_engines_of_axes(const Tree* sweep) {
    for (std::size_t i = 0; sweep != nullptr && i < sweep->entries.size(); ++i) {
      const Tree::Entry& axis = sweep->entries[i];
      const std::string word(engine_of(table_path(axis.key)));
      const bool known =
          std::any_of(space_.engines.begin(), space_.engines.end(),
                      [&](const NamedEngine& engine) { return engine.word == word; });
      if (!word.empty() && !known) {
        space_.engines.push_back({word, axis.mark});
        reader_.remember_engine(word, reader_.place({"sweep." + axis.key, axis.mark}));
      }
    }
  }

  Expected<void> find_engines_of_experiments() {
    const Tree* experiments = tree_.find("experiments");
    alone_ = experiments != nullptr && tree_.find("sweep") == nullptr;
    if (!alone_) {
      for (const NamedEngine& engine : space_.engines) {
        used_.insert(engine.word);
      }
    }
    for (std::size_t i = 0; experiments != nullptr && i < experiments->items.size(); ++i) {
      const Tree::Entry* named = entry_of(&experiments->items[i], "backend");
      reader_.set_room(fmt::format("experiments[{}].", i));
      NamedEngine engine = space_.engines.front();
      if (named != nullptr) {
        LLEM_ASSIGN(engine.word, reader_.engine_word({named->key, named->mark}, named->value));
        engine.mark = named->mark;
      } else if (space_.engines.size() > 1) {
        return reader_.refused({"backend", experiments->items[i].mark},
                               "nothing says which of the engines this experiment runs",
                               "name its backend");
      }
      used_.insert(engine.word);
      entry_engines_.push_back(std::move(engine));
    }
    reader_.set_room("");
    if (alone_ && !entry_engines_.empty()) {
      space_.engines = {entry_engines_.front()};
    }
    return {};
  }

  // --- constants ---

  Expected<void> read_constants() {
    LLEM_TRY(find_ignored_end(tree_, ""));
    for (const Tree::Entry& entry : tree_.entries) {
      const std::string path = table_path(entry.key);
      if (path == "backend" || path == "sweep" || path == "experiments") {
        continue;
      }
      const Key key{entry.key, entry.mark};
      const std::string_view engine = engine_of(path);
      if (!engine.empty() && !used_.contains(engine)) {
        reader_.note(fmt::format("{}: left out; no point runs `{}`", reader_.place(key), engine));
        continue;
      }
      LLEM_TRY(reader_.read_key(key, entry.value, space_.constants));
    }
    for (const auto& engine : used_) {
      add_engine_defaults(engine, form_, tree_.mark, space_.constants, reader_);
    }
    if (space_.one_engine) {
      lay_over(space_.constants.general, space_.constants.of_engine[*used_.begin()]);
      space_.constants.of_engine.clear();
    }
    add_defaults(form_, tree_.mark, space_.constants.general, reader_);
    reader_.begin_levels(space_.constants.general);
    return {};
  }

  /// Where the end of a sequence is ignored, every limit of outputs is an exact length.
  Expected<void> find_ignored_end(const Tree& map, const std::string& above) {
    for (const Tree::Entry& entry : map.entries) {
      const Key key{above + entry.key, entry.mark};
      const std::string path = table_path(key.path);
      const Rule* rule = find_rule(path);
      if (rule != nullptr && rule->turning == Turning::ignore_end && entry.value.scalar == "true" &&
          used_.contains(engine_of(path))) {
        if (!space_.one_engine) {
          return reader_.refused(
              key, fmt::format("`{}` cannot be expressed for one of several engines", key.path),
              "write a file for each engine");
        }
        reader_.ignore_end();
      } else if (!engine_of(path).empty() && entry.value.kind == Tree::Kind::map) {
        LLEM_TRY(find_ignored_end(entry.value, key.path + "."));
      }
    }
    return {};
  }

  // --- what varies ---

  Expected<void> read_sweep() {
    const Tree* sweep = tree_.find("sweep");
    if (sweep == nullptr || is_null(*sweep)) {
      return {};
    }
    if (sweep->kind != Tree::Kind::map) {
      return reader_.refused({"sweep", sweep->mark}, "`sweep` must be a map of paths to levels",
                             "as in {pytorch.batch_size: [1, 8]}");
    }
    reader_.set_room("sweep.");
    for (const Tree::Entry& entry : sweep->entries) {
      if (table_path(entry.key) == "backend") {
        continue;
      }
      LLEM_ASSIGN(SweptAxis axis, read_axis(entry, reader_));
      if (!axis.engine.empty() && !runs_in_sweep(axis.engine)) {
        return reader_.refused(axis.key,
                               fmt::format("`{}` has no effect: no point of the sweep runs `{}`",
                                           axis.key.path, axis.engine),
                               "name its engine in backend, or take the axis out");
      }
      if (!axis.levels.empty()) {
        space_.axes.push_back(std::move(axis));
      }
    }
    space_.has_sweep = true;
    return {};
  }

  bool runs_in_sweep(const std::string& engine) const {
    return std::any_of(space_.engines.begin(), space_.engines.end(),
                       [&](const NamedEngine& known) { return known.word == engine; });
  }

  /// With several engines, what only one of them obeys is written beside its name.
  Expected<void> combine_engines() {
    if (space_.one_engine || alone_) {
      return {};
    }
    space_.has_sweep = true;
    for (const NamedEngine& engine : space_.engines) {
      std::vector<const SweptAxis*> own;
      for (const SweptAxis& axis : space_.axes) {
        if (axis.engine == engine.word) {
          own.push_back(&axis);
        }
      }
      LLEM_ASSIGN(std::vector<Bundle> bundles, combine(own, reader_));
      for (Bundle& bundle : bundles) {
        std::vector<Given> given{
            {"deploy.engine", scalar_at(engine.mark, engine.word), place_of(engine.mark)}};
        lay_over(given, space_.constants.of_engine[engine.word]);
        lay_over(given, bundle.given);
        space_.engine_bundles.push_back(
            {std::move(given),
             fmt::format("{}{}{}", engine.word, bundle.name.empty() ? "" : ", ", bundle.name)});
      }
    }
    std::erase_if(space_.axes, [](const SweptAxis& axis) { return !axis.engine.empty(); });
    return {};
  }

  std::string place_of(base::Mark mark) const { return base::place(files_, mark); }

  Expected<void> read_experiments() {
    const Tree* experiments = tree_.find("experiments");
    if (experiments == nullptr || is_null(*experiments)) {
      return {};
    }
    if (experiments->kind != Tree::Kind::list) {
      return reader_.refused({"experiments", experiments->mark},
                             "`experiments` must be a list of maps", "");
    }
    for (std::size_t i = 0; i < experiments->items.size(); ++i) {
      LLEM_TRY(read_experiment(i, experiments->items[i]));
    }
    if (!space_.has_sweep && find_given(space_.constants.general, "model.name") != nullptr) {
      reader_.note(
          fmt::format("{} experiments: the constants alone are no further point, as they "
                      "were in the predecessor",
                      base::place(files_, experiments->mark)));
    }
    return {};
  }

  Expected<void> read_experiment(std::size_t i, const Tree& map) {
    if (map.kind != Tree::Kind::map) {
      reader_.set_room("");
      return reader_.refused({fmt::format("experiments[{}]", i), map.mark},
                             "an experiment is a map of what it sets", "");
    }
    reader_.set_room(fmt::format("experiments[{}].", i));
    const NamedEngine& engine = entry_engines_[i];
    Reading reading;
    for (const Tree::Entry& entry : map.entries) {
      if (table_path(entry.key) == "backend") {
        continue;
      }
      LLEM_TRY(reader_.read_key({entry.key, entry.mark}, entry.value, reading));
    }
    Bundle bundle;
    if (!space_.one_engine) {
      bundle.given.push_back(
          {"deploy.engine", scalar_at(engine.mark, engine.word), place_of(engine.mark)});
      lay_over(bundle.given, space_.constants.of_engine[engine.word]);
    }
    lay_over(bundle.given, reading.general);
    lay_over(bundle.given, reading.of_engine[engine.word]);
    reading.of_engine.erase(engine.word);
    for (const auto& [other, given] : reading.of_engine) {
      return reader_.refused(
          {map.entries.front().key, map.mark},
          fmt::format("the experiment runs `{}` and sets arguments of `{}`", engine.word, other),
          "take them out, or name that backend");
    }
    space_.experiments.push_back({std::move(bundle), map.mark});
    return {};
  }

  const Tree& tree_;
  base::FileNames files_;
  KeyReader reader_;
  Form form_;
  bool is_default_ = false;                  // the file names no engine
  bool alone_ = false;                       // experiments without a sweep
  std::set<std::string, std::less<>> used_;  // engines of all points
  std::vector<NamedEngine> entry_engines_;   // one an experiment
  Space space_;
};

}  // namespace

Expected<Translation> translate(Tree tree, std::vector<std::string>& files,
                                const ReadBase& read_base,
                                const std::optional<std::string>& engine) {
  std::vector<std::string> notes{fmt::format(
      "{} is a study file of the Python predecessor; what it says is read as follows", files[0])};
  LLEM_TRY(lay_over_base(tree, files, read_base, notes));
  LLEM_ASSIGN(Translation out, Translator(tree, files, engine).translate());
  out.notes.insert(out.notes.begin(), notes.begin(), notes.end());
  return out;
}

}  // namespace llem::config::predecessor
