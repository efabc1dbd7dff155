#pragma once

// Owns: what each key of the Python predecessor's study files is called here: one table for both of
// its public generations.

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llem::config::predecessor {

/// How the value under a key is turned into ours.
enum class Turning {
  rename,        // as it is
  word,          // by `words`
  each,          // as it is, under every name of `words`
  enabled,       // false sets the names of `words`
  leave_out,     // has no effect on the measurement
  to_engine,     // an argument of one engine, without a name that all engines share
  refuse,        // changes what is measured; the values in `words` do not
  engine,        // which engine runs
  precision,     // the file of the model decides
  input_limit,   // at most so many tokens
  output_limit,  // at most so many tokens, or exactly where the end of sequence is ignored
  ignore_end,    // makes output limits exact
  synthetic,     // prompts in a made data set
  preset,        // a name for several values of sampling
  do_sample,     // false is greedy
  meters,        // which sensors are read
  failures,      // 0 is never
};

struct Word {
  std::string_view theirs;
  std::string_view ours;
};

struct Rule {
  std::string_view path;  // theirs, as `table_path` writes it
  std::string_view ours;  // empty where there is no counterpart
  Turning turning;
  std::string_view remark{};  // how the meaning differs, or why it is left out or refused
  std::span<const Word> words{};
};

/// The path of a key in the table: the generations, and the sections of an engine, call the same
/// thing by several names.
std::string table_path(std::string_view written);

/// Null where the table has no such path.
const Rule* find_rule(std::string_view table_path);

/// Whether keys may stand beneath that path.
bool is_section(std::string_view written);

/// The keys that may stand beneath that path; beneath the empty one, in the file itself.
std::vector<std::string_view> names_within(std::string_view written);

/// Whether the section hands keys that it does not know to its engine.
bool is_open(std::string_view table_path);

/// Our name of the engine whose section the path lies in; empty where it lies in none.
std::string_view engine_of(std::string_view table_path);

/// The engines by their names in the predecessor's files, and ours.
std::span<const Word> engine_words();

}  // namespace llem::config::predecessor
