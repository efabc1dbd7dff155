#include "base/error.hpp"

#include <cstdio>
#include <cstdlib>

namespace llem::base {

void assertion_failed(std::string_view condition, std::string_view why, std::string_view file,
                      int line) {
  std::fprintf(stderr, "internal error: %.*s\n  at %.*s:%d\n  violated: %.*s\n",
               static_cast<int>(why.size()), why.data(), static_cast<int>(file.size()), file.data(),
               line, static_cast<int>(condition.size()), condition.data());
  std::abort();
}

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage:
      return "usage";
    case ErrorKind::config:
      return "config";
    case ErrorKind::preflight:
      return "preflight";
    case ErrorKind::engine:
      return "engine";
    case ErrorKind::meter:
      return "meter";
    case ErrorKind::io:
      return "io";
    case ErrorKind::timeout:
      return "timeout";
    case ErrorKind::interrupted:
      return "interrupted";
    case ErrorKind::internal:
      return "internal";
  }
  return "internal";
}

std::string describe(const Error& error) {
  std::string text = "error: " + error.message + "\n";
  for (const std::string& where : error.context) {
    text += "  at " + where + "\n";
  }
  if (!error.hint.empty()) {
    text += "  hint: " + error.hint + "\n";
  }
  return text;
}

}  // namespace llem::base
