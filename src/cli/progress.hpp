#pragma once

// Owns: showing events on standard error: one line that is overwritten on a terminal, else a line
// per event.

#include <chrono>
#include <string>

#include <llem/events.hpp>

namespace llem::cli {

class Progress {
 public:
  enum class Show { yes, no };
  explicit Progress(Show show);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void operator()(const Event& event);
  /// Takes the overwritten line away, for other text.
  void clear();

 private:
  std::string trial(const Event& event) const;
  /// What has gone and what is left.
  std::string times() const;
  void fetching(const Event& event);
  void phase(const Event& event);
  void line(const std::string& text);
  void status(const std::string& text);

  bool show_;
  bool terminal_;
  bool dirty_ = false;
  int last_percent_ = -1;
  std::chrono::steady_clock::time_point begin_;
  std::string label_;  // of the configuration that runs
  std::string left_;
};

/// Columns of the terminal on `fd`; 100 when it is none.
int terminal_width(int fd);

}  // namespace llem::cli
