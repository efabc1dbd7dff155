#pragma once

// Owns: what the command line can say.

#include <cstdint>
#include <string>
#include <vector>

#include <llem/study.hpp>

namespace llem::cli {

enum class Verb {
  run,
  config_show,
  config_init,
  config_schema,
  config_path,
  config_convert,
  doctor,
  analyse,
  calibrate
};

struct Arguments {
  Verb verb = Verb::run;
  bool json = false;
  bool quiet = false;
  int verbose = 0;
  // run
  StudySource source;
  std::string output;
  bool dry_run = false;
  bool resume = false;
  std::string resume_directory;  // empty: the newest unfinished one of the study
  bool yes = false;
  bool no_gaps = false;
  bool no_lock = false;
  bool retry_failed = false;
  bool accept_changes = false;
  Shard shard;
  // doctor
  bool self_test = false;
  std::int64_t pairs = 10;
  // config init, config schema, analyse
  std::string model = "smollm2-135m";
  std::string engine = "llamacpp";
  std::string schema;
  std::string directory;  // also of doctor --self-test --from
  // calibrate
  std::vector<std::string> devices;
  int repeats = 4;
};

/// Either arguments, or an exit code because everything was said (help, version, a usage error).
struct Parsed {
  Arguments arguments;
  bool done = false;
  int exit_code = 0;
};

Parsed parse(int argc, char** argv);

}  // namespace llem::cli
