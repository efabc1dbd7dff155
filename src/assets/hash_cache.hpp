#pragma once

// Owns: SHA-256 of big local files, computed once per (path, size, modification time, inode).

#include <string>

#include "base/error.hpp"
#include "sys/file.hpp"

namespace llem::assets {

/// Hashes the file when it is new or has changed since the last time. A cache that cannot be read
/// or written costs time and nothing else.
Expected<std::string> cached_sha256(const sys::Path& path);

/// Spares the first reading of a file whose hash is known already.
void remember_sha256(const sys::Path& path, const std::string& hash);

}  // namespace llem::assets
