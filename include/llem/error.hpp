#pragma once

#include <string>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

namespace llem {

/// What kind of thing went wrong. The command line maps each kind to an exit code.
enum class ErrorKind {
  usage,
  config,
  preflight,
  engine,
  meter,
  io,
  timeout,
  interrupted,
  internal
};

/// An error the outside world can cause: what happened, what to do about it, and where.
/// `context` holds places from the innermost outwards, e.g. "study.yaml:12:3 deploy.batch_szie".
struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string message;
  std::string hint;
  std::vector<std::string> context;
  /// Machine-readable reason, e.g. "out_of_memory"; empty where the kind says enough.
  std::string code;

  Error at(std::string place) && {
    context.push_back(std::move(place));
    return std::move(*this);
  }
};

template <class T>
using Expected = tl::expected<T, Error>;

/// The failing value of an `Expected`.
inline tl::unexpected<Error> failure(ErrorKind kind, std::string message, std::string hint = {},
                                     std::string code = {}) {
  return tl::unexpected<Error>(
      Error{kind, std::move(message), std::move(hint), {}, std::move(code)});
}

}  // namespace llem
