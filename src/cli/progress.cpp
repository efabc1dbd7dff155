#include "cli/progress.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <sys/ioctl.h>
#include <unistd.h>

#include <fmt/format.h>

#include "cli/say.hpp"

namespace llem::cli {

namespace {

/// "42 s", "12 min", "3 h 05 min".
std::string short_time(double seconds) {
  const auto whole = static_cast<std::int64_t>(std::llround(std::max(seconds, 0.0)));
  if (whole < 100) {
    return fmt::format("{} s", whole);
  }
  const std::int64_t minutes = (whole + 30) / 60;
  return minutes < 100 ? fmt::format("{} min", minutes)
                       : fmt::format("{} h {:02} min", minutes / 60, minutes % 60);
}

std::string range(double low, double high) {
  const std::string from = short_time(low);
  const std::string to = short_time(high);
  return from == to ? from : fmt::format("{} to {}", from, to);
}

}  // namespace

int terminal_width(int fd) {
  winsize size{};
  if (isatty(fd) == 1 && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    return std::clamp(static_cast<int>(size.ws_col), 60, 120);
  }
  return 100;
}

Progress::Progress(Show show)
    : show_(show == Show::yes),
      terminal_(isatty(STDERR_FILENO) == 1),
      begin_(std::chrono::steady_clock::now()) {}

Progress::~Progress() {
  clear();
}

std::string Progress::trial(const Event& event) const {
  return label_.empty()
             ? fmt::format("trial {}/{} (cycle {})", event.trial, event.trials, event.cycle)
             : fmt::format("trial {}/{} ({}, cycle {})", event.trial, event.trials, label_,
                           event.cycle);
}

std::string Progress::times() const {
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin_;
  std::string text = fmt::format("; {} gone", short_time(elapsed.count()));
  return left_.empty() ? text : text + ", " + left_ + " left";
}

void Progress::operator()(const Event& event) {
  if (!show_) {
    return;
  }
  switch (event.kind) {
    case EventKind::fetch_progress:
      fetching(event);
      break;
    case EventKind::study_started:
      line(event.done > 0 ? fmt::format("{} trials, {:.0f} of them done, results in {}",
                                        event.trials, event.done, event.text)
                          : fmt::format("{} trials, results in {}", event.trials, event.text));
      break;
    case EventKind::trial_started:
      label_ = event.text;
      if (event.remaining_low_s && event.remaining_high_s) {
        left_ = range(*event.remaining_low_s, *event.remaining_high_s);
      }
      status(trial(event) + times());
      break;
    case EventKind::phase_started:
      phase(event);
      break;
    case EventKind::progress:
      if (terminal_ && event.total > 0) {
        status(fmt::format("{}: {} {:.0f} %{}", trial(event), event.phase,
                           100 * event.done / event.total, times()));
      }
      break;
    case EventKind::trial_finished:
      line(fmt::format("{}: {}, {}", trial(event), event.state, event.text));
      break;
    case EventKind::block_decided:
      line(fmt::format("cycle {}: {}", event.cycle, event.text));
      break;
    case EventKind::rest_started:
      status(fmt::format("rest {}{}{}", event.text.empty() ? "of" : event.text + ", at most",
                         " " + short_time(event.expected_s.value_or(0)),
                         terminal_ ? " (Enter skips it)" : ""));
      break;
    case EventKind::warning:
      line("warning: " + event.text);
      break;
    case EventKind::study_finished:
      clear();
      break;
  }
}

void Progress::fetching(const Event& event) {
  const int percent = event.total > 0 ? static_cast<int>(100 * event.done / event.total) : 0;
  const bool news = terminal_ ? percent != last_percent_ : last_percent_ < 0 || percent == 100;
  if (news && percent != last_percent_) {
    last_percent_ = percent;
    status(event.total > 0 ? fmt::format("fetching {}: {} %", event.text, percent)
                           : fmt::format("fetching {}", event.text));
  }
}

void Progress::phase(const Event& event) {
  std::string text = fmt::format("{}: {}", trial(event), event.phase);
  if (event.expected_s) {
    text += fmt::format(" ({:.3g} s or more)", *event.expected_s);
  }
  if (event.power_w) {
    text += fmt::format(", {:.3g} W", *event.power_w);
  }
  if (event.tokens_per_s) {
    text += fmt::format(", {:.3g} tokens/s in the warm-up", *event.tokens_per_s);
  }
  status(terminal_ ? text + times() : text);
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
