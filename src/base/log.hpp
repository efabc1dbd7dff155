#pragma once

// Owns: log lines for the operator. They go to a sink that the program sets (the default drops
// them), one line each, lower-case start, no full stop.

#include <functional>
#include <string>
#include <string_view>

namespace llem::base {

enum class LogLevel { error, warning, info, debug };

using LogSink = std::function<void(LogLevel, std::string_view)>;

/// Sets where log lines go and the least severe level that is passed on. Call before other threads
/// start.
void set_log_sink(LogSink sink, LogLevel threshold);
void log(LogLevel level, std::string_view line);

inline void warn(std::string_view line) {
  log(LogLevel::warning, line);
}

inline void info(std::string_view line) {
  log(LogLevel::info, line);
}

inline void debug(std::string_view line) {
  log(LogLevel::debug, line);
}

}  // namespace llem::base
