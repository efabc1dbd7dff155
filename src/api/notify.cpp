#include "api/notify.hpp"

#include <fmt/format.h>

#include "sys/http.hpp"

namespace llem::api {

void notify(const domain::Notify& notify, const std::string& summary_json,
            const EventSink& events) {
  if (const auto posted = sys::post_json(notify.url, summary_json); !posted) {
    Event event;
    event.kind = EventKind::warning;
    event.text = fmt::format("study.notify: {}", posted.error().message);
    events(event);
  }
}

}  // namespace llem::api
