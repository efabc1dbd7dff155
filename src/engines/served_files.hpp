#pragma once

// Owns: the files in which a worker tells what it served, as far as they lie on the disk.

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "protocol/messages.hpp"
#include "sys/file.hpp"

namespace llem::engines {

Expected<protocol::ServeFile> read_serve_file(const std::string& path);

/// 64-bit integers in this machine's byte order, read to where they stay: a window can have
/// millions. Code "protocol_error" when the file ends within one.
Expected<std::vector<std::int64_t>> read_integers(const sys::Path& path);

}  // namespace llem::engines
