#pragma once

// Owns: HTTP downloads, and short messages.

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "base/error.hpp"
#include "base/quantity.hpp"
#include "sys/file.hpp"

namespace llem::sys {

struct DownloadOptions {
  std::map<std::string, std::string> headers;
  Seconds connect_timeout{15};
  /// Given up when fewer than 1 kB/s arrive for this long.
  Seconds stall_timeout{30};
  /// Bytes so far and in all (0 when unknown). Returning false cancels.
  std::function<bool(std::uint64_t, std::uint64_t)> progress;
};

/// Fetches to `<path>.part` (continuing an earlier part where the server allows) and renames when
/// complete. HTTP errors, a full disk and a broken connection are errors that name the address
/// without its query string.
Expected<void> download(const std::string& url, const Path& path,
                        const DownloadOptions& options = {});

struct PostOptions {
  int attempts = 3;
  Seconds pause{1};       // before the second attempt; doubled before each further one
  Seconds timeout{10};    // of one attempt
  int interrupt_fd = -1;  // given up once this can be read, within a second
};

/// Sends a JSON document and takes any 2xx for an answer. What a second attempt may mend (no
/// connection, 408, 429, 5xx) is tried again.
Expected<void> post_json(const std::string& url, const std::string& json,
                         const PostOptions& options = {});

/// The address as it may be shown: neither user nor password, query nor fragment, where tokens and
/// signatures live.
std::string shown_address(const std::string& url);

}  // namespace llem::sys
