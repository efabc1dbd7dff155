#include "api/notify.hpp"

#include <fmt/format.h>

#include "sys/http.hpp"

namespace llem::api {

void notify(const domain::Notify& notify, const std::string& summary_json,
            const EventSink& events) {
  if (const auto posted = sys::post_json(notify.url, summary_json); !posted) {
    warn(events, fmt::format("study.notify: {}", posted.error().message));
  }
}

}  // namespace llem::api
