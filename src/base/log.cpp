#include "base/log.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace llem::base {
namespace {

struct Destination {
  LogSink sink;
  LogLevel threshold = LogLevel::info;
};

Destination& destination() {
  static Destination only;
  return only;
}

}  // namespace

void set_log_sink(LogSink sink, LogLevel threshold) {
  destination() = {std::move(sink), threshold};
}

void log(LogLevel level, std::string_view line) {
  const Destination& to = destination();
  if (!to.sink || level > to.threshold) {
    return;
  }
  if (line.find('\n') == std::string_view::npos) {
    to.sink(level, line);
    return;
  }
  // A reader of the log splits it at line ends; text from outside must not look like a second
  // entry.
  std::string flat(line);
  std::replace(flat.begin(), flat.end(), '\n', ' ');
  to.sink(level, flat);
}

}  // namespace llem::base
