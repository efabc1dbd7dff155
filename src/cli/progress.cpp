#include "cli/progress.hpp"

#include <algorithm>
#include <cstdio>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "cli/say.hpp"

namespace llem::cli {

int terminal_width(int fd) {
  winsize size{};
  if (isatty(fd) == 1 && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    return std::clamp(static_cast<int>(size.ws_col), 60, 120);
  }
  return 100;
}

Progress::Progress(Show show) : show_(show == Show::yes), terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  clear();
}

void Progress::operator()(const Event& event) {
  if (!show_) {
    return;
  }
  const std::string trial =
      fmt::format("trial {}/{} (cycle {})", event.trial, event.trials, event.cycle);
  switch (event.kind) {
    case EventKind::fetch_progress: {
      const int percent = event.total > 0 ? static_cast<int>(100 * event.done / event.total) : 0;
      const bool news = terminal_ ? percent != last_percent_ : last_percent_ < 0 || percent == 100;
      if (news && percent != last_percent_) {
        last_percent_ = percent;
        status(event.total > 0 ? fmt::format("fetching {}: {} %", event.text, percent)
                               : fmt::format("fetching {}", event.text));
      }
      break;
    }
    case EventKind::study_started:
      line(fmt::format("{} trials, results in {}", event.trials, event.text));
      break;
    case EventKind::trial_started:
      status(trial);
      break;
    case EventKind::phase_started:
      status(event.expected_s
                 ? fmt::format("{}: {} ({:.3g} s or more)", trial, event.phase, *event.expected_s)
                 : fmt::format("{}: {}", trial, event.phase));
      break;
    case EventKind::progress:
      if (terminal_ && event.total > 0) {
        status(fmt::format("{}: {} {:.0f} %", trial, event.phase, 100 * event.done / event.total));
      }
      break;
    case EventKind::trial_finished:
      line(fmt::format("{}: {}, {}", trial, event.state, event.text));
      break;
    case EventKind::warning:
      line("warning: " + event.text);
      break;
    case EventKind::study_finished:
      clear();
      break;
  }
}

void Progress::line(const std::string& text) {
  clear();
  say("{}\n", text);
}

void Progress::status(const std::string& text) {
  if (!terminal_) {
    say("{}\n", text);
    return;
  }
  const auto width = static_cast<std::size_t>(terminal_width(STDERR_FILENO) - 1);
  say("\r\x1b[2K{}", text.substr(0, width));
  dirty_ = true;
}

void Progress::clear() {
  if (dirty_) {
    say("\r\x1b[2K");
    dirty_ = false;
  }
}

}  // namespace llem::cli
