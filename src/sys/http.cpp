#include "sys/http.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <curl/curl.h>
#include <fmt/format.h>

#include "sys/host.hpp"
#include "sys/sigpipe.hpp"
#include "sys/system_error.hpp"

namespace llem::sys {

std::string shown_address(const std::string& url) {
  std::string text = url.substr(0, url.find_first_of("?#"));
  const std::size_t scheme = text.find("://");
  const std::size_t host = scheme == std::string::npos ? 0 : scheme + 3;
  const std::size_t at = text.substr(0, text.find('/', host)).rfind('@');
  if (at != std::string::npos && at >= host) {
    text.erase(host, at + 1 - host);
  }
  return text;
}

namespace {

using CurlHandle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

struct HeaderList {
  curl_slist* items = nullptr;

  HeaderList() = default;
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;

  ~HeaderList() { curl_slist_free_all(items); }
};

struct Transfer {
  CURL* curl = nullptr;
  const DownloadOptions* options = nullptr;
  Fd file;
  Path part;
  std::uint64_t asked_from = 0;  // where the request asks to go on
  std::uint64_t size = 0;        // of the part, so far
  std::uint64_t total = 0;
  bool begun = false;
  bool cancelled = false;
  std::optional<Error> error;
};

std::string response_header(CURL* curl, const char* name) {
  constexpr int kLastRequest = -1;
  curl_header* header = nullptr;
  if (curl_easy_header(curl, name, 0, CURLH_HEADER, kLastRequest, &header) != CURLHE_OK) {
    return {};
  }
  return header->value;
}

std::optional<std::uint64_t> leading_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto outcome = std::from_chars(text.data(), text.data() + text.size(), value);
  return outcome.ec == std::errc() ? std::optional(value) : std::nullopt;
}

/// RFC 9110, 14.4: "bytes 100-199/200" when answered, "bytes */200" when refused.
std::optional<std::uint64_t> range_begin(std::string_view content_range) {
  const std::size_t space = content_range.find(' ');
  return space == std::string_view::npos ? std::nullopt
                                         : leading_number(content_range.substr(space + 1));
}

std::optional<std::uint64_t> range_total(std::string_view content_range) {
  const std::size_t slash = content_range.find('/');
  return slash == std::string_view::npos ? std::nullopt
                                         : leading_number(content_range.substr(slash + 1));
}

long response_code(CURL* curl) {
  long code = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
  return code;
}

bool restart(Transfer& transfer) {
  if (std::exchange(transfer.size, 0) > 0 && ::ftruncate(transfer.file.get(), 0) != 0) {
    transfer.error = io_failure("write", transfer.part, errno).value();
    return false;
  }
  return true;
}

/// At the first byte of the body: does it continue the part, or is it the whole file?
bool begin(Transfer& transfer) {
  transfer.begun = true;
  if (response_code(transfer.curl) == 206) {
    const auto from = range_begin(response_header(transfer.curl, "Content-Range"));
    if (from != transfer.asked_from) {
      transfer.error =
          failure(ErrorKind::io, "the server answers with another range than asked for",
                  "remove the `.part` file and try again")
              .value();
      return false;
    }
  } else if (!restart(transfer)) {
    return false;
  }
  curl_off_t length = -1;
  curl_easy_getinfo(transfer.curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  transfer.total = length < 0 ? 0 : transfer.size + static_cast<std::uint64_t>(length);
  return true;
}

std::size_t on_body(char* data, std::size_t one, std::size_t count, void* user) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  const std::size_t size = one * count;
  const long code = response_code(transfer.curl);
  if (code != 200 && code != 206) {
    return size;  // the page that explains an error: not the file
  }
  if (!transfer.begun && !begin(transfer)) {
    return 0;
  }
  for (std::size_t done = 0; done < size;) {
    const ssize_t written =
        ::pwrite(transfer.file.get(), data + done, size - done, static_cast<off_t>(transfer.size));
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written < 0) {
      transfer.error = io_failure("write", transfer.part, errno).value();
      return 0;
    }
    done += static_cast<std::size_t>(written);
    transfer.size += static_cast<std::uint64_t>(written);
  }
  return size;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  Transfer& transfer = *static_cast<Transfer*>(user);
  const auto& progress = transfer.options->progress;
  transfer.cancelled = progress && !progress(transfer.size, transfer.total);
  return transfer.cancelled ? 1 : 0;
}

Expected<void> add_headers(HeaderList& list, const DownloadOptions& options) {
  for (const auto& [name, value] : options.headers) {
    if ((name + value).find_first_of("\r\n") != std::string::npos) {
      return failure(ErrorKind::usage, fmt::format("the header `{}` holds a line break", name),
                     "check the variable or file it comes from");
    }
    curl_slist* longer = curl_slist_append(list.items, fmt::format("{}: {}", name, value).c_str());
    LLEM_ASSERT(longer != nullptr, "only memory can be lacking");
    list.items = longer;
  }
  return {};
}

void set_options(CURL* curl, const std::string& url, Transfer& transfer, const HeaderList& headers,
                 char* error_text) {
  const DownloadOptions& options = *transfer.options;
  const bool secure = url.starts_with("https:");
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L);
  // A redirect to a file store must not carry the hub's token along.
  curl_easy_setopt(curl, CURLOPT_UNRESTRICTED_AUTH, 0L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "llem");
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.items);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error_text);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(std::ceil(options.connect_timeout.count() * 1e3)));
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1000L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
                   std::max(1L, static_cast<long>(std::ceil(options.stall_timeout.count()))));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &on_progress);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
  // The names the curl program and OpenSSL listen to: sites with their own authority set them.
  for (const char* variable : {"CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
    if (const auto bundle = environment(variable)) {
      curl_easy_setopt(curl, CURLOPT_CAINFO, bundle->c_str());
      break;
    }
  }
}

tl::unexpected<Error> transfer_failure(const std::string& url, CURLcode code,
                                       const Transfer& transfer, std::string_view detail) {
  if (transfer.error) {
    return tl::unexpected(
        Error(*transfer.error).at(fmt::format("downloading {}", shown_address(url))));
  }
  const bool shows_address = detail.find("://") != std::string_view::npos;
  const std::string reason =
      detail.empty() || shows_address ? curl_easy_strerror(code) : std::string(detail);
  const std::string message = fmt::format("cannot download {}: {}", shown_address(url), reason);
  const std::string kept = "what has arrived is kept: try again to continue";
  switch (static_cast<int>(code)) {
    case CURLE_ABORTED_BY_CALLBACK:
      return failure(ErrorKind::interrupted,
                     fmt::format("download of {} cancelled", shown_address(url)), kept);
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      return failure(
          ErrorKind::io, message,
          "check the network, the address and the proxy variables (https_proxy, no_proxy)",
          "no_connection");
    case CURLE_OPERATION_TIMEDOUT:
      return failure(ErrorKind::timeout, message, kept, "stalled");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return failure(
          ErrorKind::io, message,
          "if your site has its own certificate authority, set CURL_CA_BUNDLE to its file",
          "certificate");
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
      return failure(ErrorKind::usage, message, "an address starts with http:// or https://");
    default:
      return failure(ErrorKind::io, message, kept, "broken_connection");
  }
}

tl::unexpected<Error> status_failure(const std::string& url, long status) {
  std::string hint;
  if (status == 401 || status == 403) {
    hint = "the server wants an access token that may read this, or its terms accepted first";
  } else if (status == 404 || status == 410) {
    hint = "check the name and the revision";
  } else if (status == 429) {
    hint = "too many requests: wait a few minutes";
  } else if (status >= 500) {
    hint = "the server has a problem: try again later";
  }
  return failure(ErrorKind::io,
                 fmt::format("cannot download {}: HTTP status {}", shown_address(url), status),
                 hint, fmt::format("http_{}", status));
}

/// Opens the part for us alone. Another process may finish and rename it between our opening and
/// locking: then again.
Expected<Fd> open_part(const Path& part) {
  while (true) {
    Fd fd(::open(part.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!fd) {
      return io_failure("write", part, errno);
    }
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      return failure(ErrorKind::preflight,
                     fmt::format("another process is downloading `{}`", part.string()),
                     "wait until it has finished", "locked");
    }
    struct stat ours{};
    struct stat named{};
    if (::fstat(fd.get(), &ours) == 0 && ::stat(part.c_str(), &named) == 0 &&
        ours.st_ino == named.st_ino && ours.st_dev == named.st_dev) {
      return fd;
    }
  }
}

Expected<void> finish(const Transfer& transfer, const Path& path) {
  if (::fsync(transfer.file.get()) != 0) {
    return io_failure("write", transfer.part, errno);
  }
  if (::rename(transfer.part.c_str(), path.c_str()) != 0) {
    return io_failure("write", path, errno);
  }
  const Path folder = path.has_parent_path() ? path.parent_path() : Path(".");
  if (const Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)); fd) {
    ::fsync(fd.get());
  }
  return {};
}

enum class Arrival { complete, stale_part };

/// One request, going on after the part. An empty part is not left behind by a failure.
Expected<Arrival> fetch(const std::string& url, Transfer& transfer, const char* error_text) {
  const auto failed = [&](tl::unexpected<Error> error) {
    if (transfer.size == 0) {
      ::unlink(transfer.part.c_str());
    }
    return error;
  };
  struct stat facts{};
  ::fstat(transfer.file.get(), &facts);
  transfer.size = transfer.asked_from = static_cast<std::uint64_t>(facts.st_size);
  const std::string range = fmt::format("{}-", transfer.asked_from);
  curl_easy_setopt(transfer.curl, CURLOPT_RANGE, transfer.asked_from > 0 ? range.c_str() : nullptr);
  if (const CURLcode code = curl_easy_perform(transfer.curl); code != CURLE_OK) {
    return failed(transfer_failure(url, code, transfer, error_text));
  }
  const long status = response_code(transfer.curl);
  if (status == 416 && transfer.asked_from > 0) {
    // The part is all there is (interrupted before the renaming), or belongs to another version of
    // the file.
    const auto total = range_total(response_header(transfer.curl, "Content-Range"));
    if (total == transfer.asked_from) {
      return Arrival::complete;
    }
    return restart(transfer) ? Expected<Arrival>(Arrival::stale_part)
                             : transfer_failure(url, CURLE_WRITE_ERROR, transfer, {});
  }
  if (status != 200 && status != 206) {
    return failed(status_failure(url, status));
  }
  if (!transfer.begun && !begin(transfer)) {  // an empty body calls nobody
    return failed(transfer_failure(url, CURLE_WRITE_ERROR, transfer, {}));
  }
  return Arrival::complete;
}

}  // namespace

Expected<void> download(const std::string& url, const Path& path, const DownloadOptions& options) {
  HeaderList headers;
  LLEM_TRY(add_headers(headers, options));
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  const CurlHandle curl(started == CURLE_OK ? curl_easy_init() : nullptr, &curl_easy_cleanup);
  if (!curl) {
    return failure(ErrorKind::internal, "libcurl does not start");
  }
  Transfer transfer;
  transfer.curl = curl.get();
  transfer.options = &options;
  transfer.part = path;
  transfer.part += ".part";
  LLEM_ASSIGN(transfer.file, open_part(transfer.part));
  std::array<char, CURL_ERROR_SIZE> error_text{};
  set_options(curl.get(), url, transfer, headers, error_text.data());
  const SigpipeGuard guard;  // TLS libraries write to closed sockets
  LLEM_ASSIGN(const Arrival arrival, fetch(url, transfer, error_text.data()));
  if (arrival == Arrival::stale_part) {
    LLEM_TRY(fetch(url, transfer, error_text.data()));
  }
  return finish(transfer, path);
}

}  // namespace llem::sys
