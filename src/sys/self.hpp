#pragma once

// Owns: where this code lies on disk, for files installed beside it.

#include "sys/file.hpp"

namespace llem::sys {

/// The shared library or executable that contains this function, links resolved.
Path containing_object();

}  // namespace llem::sys
