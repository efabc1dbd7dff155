#include "api/notify.hpp"

#include <fmt/format.h>

#include "sys/http.hpp"

namespace llem::api {

void notify(const domain::Notify& notify, const std::string& summary_json,
            const Interrupts& interrupts, const EventSink& events) {
  const sys::PostOptions options{.interrupt_fd = interrupts.fd};
  if (const auto posted = sys::post_json(notify.url, summary_json, options); !posted) {
    warn(events, fmt::format("study.notify: {}", posted.error().message));
  }
}

}  // namespace llem::api
