#pragma once

// Owns: the names and kinds of llama.cpp's own arguments under `deploy.llamacpp`, as data: they are
// checked when a study is planned, without libllama, and once more by the worker, whose setters
// cover exactly this list.

#include <limits>
#include <span>
#include <string_view>

#include "base/error.hpp"
#include "base/json.hpp"
#include "domain/study_config.hpp"

namespace llem::engines {

enum class ArgumentKind {
  boolean,
  integer,
  number,
  word,  // one of `words`
  text,
  numbers,  // a list of numbers, or one text of numbers between commas
};

struct LlamacppArgument {
  std::string_view name;
  ArgumentKind kind;
  std::string_view canonical;  // the field of `deploy` that sets it; empty: none
  std::string_view description;
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  std::span<const std::string_view> words{};
};

std::span<const LlamacppArgument> llamacpp_arguments();
const LlamacppArgument* find_llamacpp_argument(std::string_view name);

/// Whether `value` fits the argument; the error says what does.
Expected<void> check_llamacpp_value(const LlamacppArgument& argument, const base::Json& value);

/// `as_written`: what the user wrote; `resolved`: with the defaults that hold threads and
/// context_length even when the user did not write them.
enum class DeployState { as_written, resolved };

/// Unknown names (with the nearest one and the whole list), wrong values, and native arguments that
/// contradict a canonical field which is set as well. Errors have the code bad_argument; those
/// about a contradiction name both places.
Expected<void> check_llamacpp_arguments(const domain::Deploy& deploy, DeployState state);

}  // namespace llem::engines
