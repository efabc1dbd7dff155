#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/text.hpp"
#include "config/levels.hpp"
#include "config/predecessor_keys.hpp"

namespace llem::config::predecessor {
namespace {

using base::Tree;

constexpr std::string_view kTemperature = "workload.sampling.temperature";
// 0 failures in a row meant that a study never stops.
constexpr std::string_view kNever = "1000000";

/// What presets stand for, as explicit values: a level has no other way to take back those of
/// another preset.
struct PresetValues {
  std::string_view name;
  std::array<std::string_view, 3> values;
};

constexpr std::array<std::string_view, 3> kPresetPaths{"temperature", "top_p",
                                                       "repetition_penalty"};
constexpr std::array kPresets{
    PresetValues{"deterministic", {"0", "1", "1"}}, PresetValues{"standard", {"1", "0.95", "1"}},
    PresetValues{"creative", {"0.8", "0.9", "1.1"}}, PresetValues{"factual", {"0.3", "1", "1"}}};

std::string is_called(const Word& word) {
  return word.theirs == word.ours ? "" : fmt::format("`{}` is `{}`", word.theirs, word.ours);
}

}  // namespace

Expected<void> KeyReader::turn(const Rule& rule, const Key& key, const Tree& value, Reading& out) {
  if (is_null(value)) {
    return turn_null(rule, key, value, out);
  }
  switch (rule.turning) {
    case Turning::rename:
      if (key.path != rule.ours && fmt::format("{}.name", key.path) != rule.ours) {
        renamed(key, rule.ours, rule.remark);
      }
      return put(key, rule, rule.ours, value, out);
    case Turning::word:
      return turn_word(rule, key, value, out);
    case Turning::each:
      renamed(key, rule.ours, rule.remark);
      for (const Word& name : rule.words) {
        LLEM_TRY(put(key, rule, fmt::format("{}.{}", rule.ours, name.theirs), value, out));
      }
      return {};
    case Turning::leave_out:
      note(fmt::format("{}: left out; {}", place(key), rule.remark));
      return {};
    case Turning::to_engine:
      left_to_engine(key, rule.path);
      return {};
    case Turning::refuse:
      return refuse(rule, key, value);
    case Turning::engine: {
      LLEM_ASSIGN(std::string word, engine_word(key, value));
      return put(key, rule, rule.ours, scalar_at(value.mark, std::move(word)), out);
    }
    case Turning::precision:
      note(fmt::format("{}: left out; the GGUF file decides the precision", place(key)));
      return {};
    case Turning::input_limit:
    case Turning::output_limit:
      return turn_limit(rule, key, value, out);
    case Turning::synthetic:
      renamed(key, rule.ours, "the prompts are made up: `workload.dataset` is synthetic");
      LLEM_TRY(put(key, rule, rule.ours, value, out));
      return put(key, rule, "workload.dataset.name", scalar_at(value.mark, "synthetic"), out);
    case Turning::preset:
      return turn_preset(rule, key, value, out);
    case Turning::enabled:
    case Turning::do_sample:
    case Turning::ignore_end:
      return turn_switch(rule, key, value, out);
    case Turning::meters:
      return turn_meters(rule, key, value, out);
    case Turning::failures:
      renamed(key, rule.ours, value.scalar == "0" ? "0 meant never" : "");
      return put(key, rule, rule.ours,
                 value.scalar == "0" ? scalar_at(value.mark, std::string(kNever)) : value, out);
  }
  return {};
}

/// Nothing is the predecessor's default, and ours.
Expected<void> KeyReader::turn_null(const Rule& rule, const Key& key, const Tree& value,
                                    Reading& out) {
  const Turning turning = rule.turning;
  if (turning == Turning::input_limit || turning == Turning::output_limit) {
    return refused(key, fmt::format("`{}` without a limit cannot be expressed", key.path),
                   "write how many tokens at most");
  }
  if (turning == Turning::meters) {
    return turn_meters(rule, key, value, out);
  }
  if (constants_ != nullptr && (turning == Turning::rename || turning == Turning::word)) {
    return put(key, rule, rule.ours, Tree{}, out);
  }
  return {};
}

Expected<const Word*> KeyReader::find_word(const Rule& rule, const Key& key,
                                           const Tree& value) const {
  std::vector<std::string_view> known;
  for (const Word& word : rule.words) {
    if (value.kind == Tree::Kind::scalar && word.theirs == value.scalar) {
      return &word;
    }
    known.push_back(word.theirs);
  }
  std::string hint = did_you_mean(value.scalar, known);
  if (hint.empty()) {
    hint = fmt::format("what can be: {}", fmt::join(known, ", "));
  }
  return refused(key,
                 fmt::format("`{}` cannot be expressed: there is no counterpart of `{}`", key.path,
                             shown(value)),
                 std::move(hint));
}

Expected<void> KeyReader::turn_word(const Rule& rule, const Key& key, const Tree& value,
                                    Reading& out) {
  LLEM_ASSIGN(const Word* word, find_word(rule, key, value));
  std::string remark = is_called(*word);
  if (word->ours == "blocks" && !rule.remark.empty()) {
    remark += fmt::format(": {}", rule.remark);
  }
  renamed(key, rule.ours, remark);
  return put(key, rule, rule.ours, scalar_at(value.mark, std::string(word->ours)), out);
}

Expected<void> KeyReader::turn_preset(const Rule& rule, const Key& key, const Tree& value,
                                      Reading& out) {
  LLEM_ASSIGN(const Word* word, find_word(rule, key, value));
  if (constants_ == nullptr) {
    renamed(key, rule.ours, is_called(*word));
    return put(key, rule, rule.ours, scalar_at(value.mark, std::string(word->ours)), out);
  }
  renamed(key, "workload.sampling", "a preset is written out as its values");
  const auto* const preset =
      std::find_if(kPresets.begin(), kPresets.end(),
                   [&](const PresetValues& known) { return known.name == word->theirs; });
  for (std::size_t i = 0; i < kPresetPaths.size(); ++i) {
    LLEM_TRY(put(key, rule, fmt::format("workload.sampling.{}", kPresetPaths[i]),
                 scalar_at(value.mark, std::string(preset->values[i])), out));
  }
  return {};
}

Expected<void> KeyReader::turn_limit(const Rule& rule, const Key& key, const Tree& value,
                                     Reading& out) {
  const bool exact = exact_ && rule.turning == Turning::output_limit;
  renamed(key, rule.ours, exact ? "exactly so many: the end of a sequence is ignored" : "at most");
  if (exact) {
    return put(key, rule, rule.ours, value, out);
  }
  Tree limit;
  limit.kind = Tree::Kind::map;
  limit.mark = value.mark;
  limit.entries.push_back({"max", value.mark, value});
  return put(key, rule, rule.ours, std::move(limit), out);
}

Expected<void> KeyReader::turn_switch(const Rule& rule, const Key& key, const Tree& value,
                                      Reading& out) {
  const bool off = value.scalar == "false";
  if (value.kind != Tree::Kind::scalar || value.quoted || (!off && value.scalar != "true")) {
    return refused(key, fmt::format("`{}` must be true or false, got {}", key.path, shown(value)),
                   "");
  }
  if (rule.turning == Turning::enabled) {
    if (off) {
      renamed(key, rule.ours, "false is a length of 0 s");
      for (const Word& name : rule.words) {
        LLEM_TRY(put(key, rule, fmt::format("{}.{}", rule.ours, name.theirs),
                     scalar_at(value.mark, std::string(name.ours)), out));
      }
    }
    return {};
  }
  if (rule.turning == Turning::ignore_end) {
    if (constants_ != nullptr) {
      return refused(key, fmt::format("`{}` cannot be varied here", key.path),
                     "write it beside the sweep and the experiments, for all of them");
    }
    renamed(key, rule.ours, off ? "false is a limit" : "true is an exact length");
    return {};
  }
  if (!off && constants_ == nullptr) {
    return {};
  }
  renamed(key, kTemperature, "false is a temperature of 0");
  if (off) {
    return put(key, rule, kTemperature, scalar_at(value.mark, "0"), out);
  }
  const Given* usual = find_given(*constants_, kTemperature);
  return put(key, rule, kTemperature,
             scalar_at(value.mark, usual != nullptr ? usual->value.scalar : "1"), out);
}

Expected<void> KeyReader::turn_meters(const Rule& rule, const Key& key, const Tree& value,
                                      Reading& out) {
  std::string meter = "host";
  if (!is_null(value)) {
    LLEM_ASSIGN(const Word* word, find_word(rule, key, value));
    meter = word->ours;
  }
  if (meter.empty()) {
    note(fmt::format("{}: left out; every sensor that works is read", place(key)));
    return {};
  }
  renamed(key, rule.ours,
          is_null(value) ? "no sensor of energy is read: what remains is an estimate" : "");
  Tree list;
  list.kind = Tree::Kind::list;
  list.mark = key.mark;
  list.items.push_back(scalar_at(key.mark, std::move(meter)));
  return put(key, rule, rule.ours, std::move(list), out);
}

Expected<void> KeyReader::refuse(const Rule& rule, const Key& key, const Tree& value) const {
  const bool harmless = std::any_of(rule.words.begin(), rule.words.end(), [&](const Word& word) {
    return value.kind == Tree::Kind::scalar && word.theirs == value.scalar;
  });
  if (harmless) {
    return {};
  }
  return refused(key, fmt::format("`{}` cannot be expressed: {}", key.path, rule.remark),
                 "take it out to measure without it");
}

}  // namespace llem::config::predecessor
