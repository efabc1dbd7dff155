#pragma once

// Owns: turning errno into a sentence that says what to do.

#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace llem::sys {

/// "No space left on device": the system's words for an errno value.
std::string system_reason(int error_number);

/// "cannot <action> `<path>`: <reason>" with a hint; code "no_space" for a full disk or quota.
tl::unexpected<Error> io_failure(std::string_view action, const std::filesystem::path& path,
                                 int error_number);

}  // namespace llem::sys
