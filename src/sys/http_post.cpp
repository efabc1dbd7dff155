#include <array>
#include <cmath>
#include <memory>

#include <curl/curl.h>
#include <fmt/format.h>

#include "sys/host.hpp"
#include "sys/http.hpp"
#include "sys/sigpipe.hpp"
#include "sys/wait.hpp"

namespace llem::sys {
namespace {

std::size_t ignore_body(char*, std::size_t one, std::size_t count, void*) {
  return one * count;
}

/// Whether an interruption comes before the deadline.
bool interrupted_before(int fd, MonotonicTime deadline) {
  std::array<Waitable, 1> waits{Waitable{.fd = fd}};
  return wait_any(waits, deadline).value_or(false);
}

int on_progress(void* interrupt_fd, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return interrupted_before(*static_cast<const int*>(interrupt_fd), {}) ? 1 : 0;
}

struct Answer {
  CURLcode code = CURLE_OK;
  long status = 0;

  bool good() const { return code == CURLE_OK && status >= 200 && status < 300; }

  bool may_mend() const {
    return code != CURLE_OK ? code != CURLE_URL_MALFORMAT && code != CURLE_UNSUPPORTED_PROTOCOL &&
                                  code != CURLE_ABORTED_BY_CALLBACK
                            : status == 408 || status == 429 || status >= 500;
  }

  std::string text() const {
    return code == CURLE_ABORTED_BY_CALLBACK ? "interrupted"
           : code != CURLE_OK                ? std::string(curl_easy_strerror(code))
                                             : fmt::format("HTTP status {}", status);
  }
};

Answer post_once(const std::string& url, const std::string& json, const PostOptions& options) {
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(),
                                                                 &curl_easy_cleanup);
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> headers(
      curl_slist_append(nullptr, "Content-Type: application/json"), &curl_slist_free_all);
  if (!curl || !headers) {
    return {CURLE_OUT_OF_MEMORY, 0};
  }
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_USERAGENT, "llem");
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, json.data());
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(json.size()));
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS,
                   static_cast<long>(std::ceil(options.timeout.count() * 1e3)));
  int interrupt_fd = options.interrupt_fd;
  curl_easy_setopt(curl.get(), CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFOFUNCTION, &on_progress);
  curl_easy_setopt(curl.get(), CURLOPT_XFERINFODATA, &interrupt_fd);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, &ignore_body);
  if (const auto bundle = environment("CURL_CA_BUNDLE")) {
    curl_easy_setopt(curl.get(), CURLOPT_CAINFO, bundle->c_str());
  }
  Answer answer;
  answer.code = curl_easy_perform(curl.get());
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &answer.status);
  return answer;
}

}  // namespace

Expected<void> post_json(const std::string& url, const std::string& json,
                         const PostOptions& options) {
  const SigpipeGuard guard;
  Seconds pause = options.pause;
  Answer answer;
  for (int attempt = 1;; ++attempt) {
    answer = post_once(url, json, options);
    if (answer.good()) {
      return {};
    }
    if (!answer.may_mend() || attempt >= options.attempts) {
      break;
    }
    if (interrupted_before(options.interrupt_fd, deadline_after(pause))) {
      break;
    }
    pause *= 2;
  }
  return failure(ErrorKind::io,
                 fmt::format("cannot post to {}: {}", shown_address(url), answer.text()),
                 "check the address and the network", "not_posted");
}

}  // namespace llem::sys
