#pragma once

// Owns: a file descriptor that closes itself.

#include <utility>

namespace llem::sys {

class Fd {
 public:
  Fd() = default;

  explicit Fd(int fd) : fd_(fd) {}

  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;

  ~Fd() { close(); }

  int get() const { return fd_; }

  explicit operator bool() const { return fd_ >= 0; }

  void close() noexcept;

 private:
  int fd_ = -1;
};

}  // namespace llem::sys
