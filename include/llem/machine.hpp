#pragma once

#include <functional>
#include <string>
#include <vector>

#include <llem/error.hpp>
#include <llem/export.hpp>
#include <llem/interrupt.hpp>

namespace llem {

/// One line of `llem doctor`.
struct Check {
  std::string subject;  // "rapl", "engine llamacpp", …
  std::string state;    // ok, degraded, missing
  std::string detail;
  std::string accuracy;   // what it costs in accuracy; empty when nothing
  std::string fix;        // the command that fixes it; empty when ok
  bool required = false;  // a run cannot work without it
};

/// What this machine can measure, and how well.
LLEM_API std::vector<Check> doctor();

struct CalibrationOptions {
  std::vector<std::string> devices;  // GPUs by UUID, PCI address or index; empty: all visible
  int repeats = 4;                   // of the square waves
  bool dry_run = false;              // say what would be done
  bool lock_devices = true;          // wait for other studies on the same GPUs
  Interrupts interrupts;
  std::function<void(const std::string&)> progress = [](const std::string&) {};
};

struct CalibrationOutcome {
  std::string text;
  std::string json;
};

/// Finds out how often the power sensors of NVIDIA GPUs update and over how long they average, by
/// loading each GPU on and off, and keeps it for the measurements of this user.
LLEM_API Expected<CalibrationOutcome> calibrate(const CalibrationOptions& options);

struct ConfigValue {
  std::string key;
  std::string value;
  std::string origin;  // a file and line, an environment variable, or "default"
};

/// This user's configuration, every value with its origin.
LLEM_API Expected<std::vector<ConfigValue>> user_configuration();
/// The path of the user's configuration file, whether it is there or not.
LLEM_API std::string user_configuration_path();

struct CatalogueItem {
  std::string alias;
  std::string kind;  // model, dataset
  std::string title;
  std::string licence;
  double bytes = 0;
  bool cached = false;
};

LLEM_API std::vector<CatalogueItem> catalogue();

/// A commented study file to start from.
LLEM_API std::string initial_study(const std::string& model, const std::string& engine);

/// Names of the JSON Schemas of every document, and one of them as text.
LLEM_API std::vector<std::string> schema_names();
LLEM_API Expected<std::string> schema(const std::string& name);

/// The same as JSON documents.
LLEM_API std::string checks_json(const std::vector<Check>& checks);
LLEM_API std::string configuration_json(const std::vector<ConfigValue>& values,
                                        const std::vector<Check>& checks);

LLEM_API std::string schema_names_json();
/// A text under a name, as `{"path": "…"}`; a newline at its end is left out.
LLEM_API std::string text_json(const std::string& name, const std::string& text);

/// An error as the three lines a person reads.
LLEM_API std::string describe_error(const Error& error);
/// An error as a JSON document.
LLEM_API std::string error_json(const Error& error);

/// Where log lines go; `threshold` is error, warning, info or debug.
LLEM_API void set_log(const std::string& threshold,
                      void (*sink)(const char* level, const char* line));

}  // namespace llem
