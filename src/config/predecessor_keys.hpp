#pragma once

// Owns: one key of a predecessor's study file, with its value, as values of our grammar and notes
// for whoever wrote it.

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/tree.hpp"
#include "config/config.hpp"
#include "config/predecessor_rules.hpp"

namespace llem::config::predecessor {

/// A value for one path of ours.
struct Given {
  std::string path;
  base::Tree value;
  std::string where;  // it was written
};

/// What some keys come to.
struct Reading {
  std::vector<Given> general;
  std::map<std::string, std::vector<Given>, std::less<>> of_engine;  // by our name
};

/// Lays `upper` over `lower`, path by path.
void lay_over(std::vector<Given>& lower, const std::vector<Given>& upper);

/// Null where nothing is given for the path.
const Given* find_given(const std::vector<Given>& given, std::string_view path);

/// A scalar where `like` stands.
base::Tree scalar_at(base::Mark mark, std::string text, bool quoted = false);

bool is_null(const base::Tree& tree);

/// A hint that names the nearest of the words; empty where none is near.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

/// A key as it is written: its whole path, and where.
struct Key {
  std::string path;
  base::Mark mark;
};

class KeyReader {
 public:
  /// `target`: the engine that runs in place of the file's; empty for the file's own.
  KeyReader(const base::FileNames& files, std::string target)
      : files_(files), target_(std::move(target)) {}

  // --- what the values of later keys depend on ---

  /// "sweep." or "experiments[2].": stands before paths in errors and notes.
  void set_room(std::string room) { room_ = std::move(room); }

  /// What is read from here on are levels over these constants, which outlive the reader.
  void begin_levels(const std::vector<Given>& constants) { constants_ = &constants; }

  /// Output limits are exact lengths: the end of a sequence is ignored.
  void ignore_end() { exact_ = true; }

  bool ignores_end() const { return exact_; }

  // --- reading ---

  /// Every key beneath `above`: "decoder.", or nothing.
  Expected<void> read_map(const base::Tree& map, const std::string& above, Reading& out);

  /// Unknown keys are refused with the nearest one, and what cannot be expressed with the reason.
  Expected<void> read_key(const Key& key, const base::Tree& value, Reading& out);

  /// Our name of an engine; one that this version lacks is remembered.
  Expected<std::string> engine_word(const Key& key, const base::Tree& value);

  // --- telling ---

  /// Where an engine is named, in case this version lacks it.
  void remember_engine(const std::string& engine, std::string where);

  /// "study.yaml:3:1 pytorch.batch_size"
  std::string place(const Key& key) const;

  void note(std::string text);

  tl::unexpected<Error> refused(const Key& key, std::string message, std::string hint) const;

  std::vector<std::string> take_notes() { return std::move(notes_); }

  const MissingEngines& missing() const { return missing_; }

 private:
  Expected<void> unknown(const Key& key);
  Expected<void> turn(const Rule& rule, const Key& key, const base::Tree& value, Reading& out);
  Expected<void> turn_null(const Rule& rule, const Key& key, const base::Tree& value, Reading& out);
  Expected<void> turn_word(const Rule& rule, const Key& key, const base::Tree& value, Reading& out);
  Expected<void> turn_preset(const Rule& rule, const Key& key, const base::Tree& value,
                             Reading& out);
  Expected<void> turn_limit(const Rule& rule, const Key& key, const base::Tree& value,
                            Reading& out);
  Expected<void> turn_switch(const Rule& rule, const Key& key, const base::Tree& value,
                             Reading& out);
  Expected<void> turn_meters(const Rule& rule, const Key& key, const base::Tree& value,
                             Reading& out);
  Expected<void> refuse(const Rule& rule, const Key& key, const base::Tree& value) const;
  Expected<const Word*> find_word(const Rule& rule, const Key& key, const base::Tree& value) const;
  Expected<void> put(const Key& key, const Rule& rule, std::string_view path, base::Tree value,
                     Reading& out);
  void renamed(const Key& key, std::string_view path, std::string_view remark);
  void left_to_engine(const Key& key, std::string_view path);

  const base::FileNames& files_;
  std::string target_;
  std::string room_;
  const std::vector<Given>* constants_ = nullptr;
  bool exact_ = false;
  std::vector<std::string> notes_;
  MissingEngines missing_;
};

}  // namespace llem::config::predecessor
