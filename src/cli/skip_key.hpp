#pragma once

// Owns: noticing that somebody at the terminal presses Enter, without taking the input from whoever
// reads it next.

namespace llem::cli {

class SkipKey {
 public:
  /// Whatever was typed up to now does not count.
  void arm();
  /// Whether a line was typed since; never where standard input is no terminal or belongs to
  /// another program in the foreground.
  bool pressed() const;

 private:
  int before_ = 0;  // bytes that were waiting
};

}  // namespace llem::cli
