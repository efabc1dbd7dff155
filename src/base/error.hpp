#pragma once

// Owns: the macros that forward errors, and assertions about our own bugs.

#include <string>
#include <string_view>

#include <llem/error.hpp>

#define LLEM_CONCAT_INNER(a, b) a##b
#define LLEM_CONCAT(a, b) LLEM_CONCAT_INNER(a, b)

/// Returns the error of `expression` from the enclosing function; its value is dropped.
#define LLEM_TRY(expression)                                                 \
  do {                                                                       \
    if (auto llem_outcome = (expression); !llem_outcome) {                   \
      return tl::unexpected<::llem::Error>(std::move(llem_outcome).error()); \
    }                                                                        \
  } while (false)

/// `LLEM_ASSIGN(auto x, f())`: binds the value of `f()` or returns its error.
#define LLEM_ASSIGN(target, expression)                                                            \
  auto LLEM_CONCAT(llem_outcome_, __LINE__) = (expression);                                        \
  if (!LLEM_CONCAT(llem_outcome_, __LINE__)) {                                                     \
    return tl::unexpected<::llem::Error>(std::move(LLEM_CONCAT(llem_outcome_, __LINE__)).error()); \
  }                                                                                                \
  target = *std::move(LLEM_CONCAT(llem_outcome_, __LINE__))

/// Aborts with a message: only for our own bugs, never for input.
#define LLEM_ASSERT(condition, why)                                        \
  do {                                                                     \
    if (!(condition)) {                                                    \
      ::llem::base::assertion_failed(#condition, why, __FILE__, __LINE__); \
    }                                                                      \
  } while (false)

namespace llem::base {

[[noreturn]] void assertion_failed(std::string_view condition, std::string_view why,
                                   std::string_view file, int line);

/// "config", "io" …: the word an error kind is shown by in JSON.
std::string_view to_string(ErrorKind kind);

/// The three-part text a person reads: `error: …`, `  at …` lines, `  hint: …`; ends with a
/// newline.
std::string describe(const Error& error);

}  // namespace llem::base
