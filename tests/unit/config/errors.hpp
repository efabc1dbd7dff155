#pragma once

#include <string>

#include "base/error.hpp"

namespace llem {

/// What a person reads, or a note that there was no error.
template <class T>
std::string error_text(const Expected<T>& outcome) {
  return outcome ? "no error" : base::describe(outcome.error());
}

}  // namespace llem
