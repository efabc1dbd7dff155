#pragma once

// Owns: writing to standard error. A reader that went away is no failure: nothing here throws.

#include <cstdio>

#include <fmt/format.h>

namespace llem::cli {

template <class... Arguments>
void say(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  const std::string text = fmt::format(format, std::forward<Arguments>(arguments)...);
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace llem::cli
