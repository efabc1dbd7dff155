#include "support/host_link.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <poll.h>
#include <string>
#include <unistd.h>
#include <utility>
#include <variant>

namespace llem::worker {

using protocol::HostMessage;

Expected<void> write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) {
        continue;
      }
      return failure(ErrorKind::io, std::string("cannot write: ") + std::strerror(errno));
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Expected<void> HostLink::send(const protocol::WorkerMessage& message) {
  return write_all(streams_.output, protocol::to_line(message) + "\n");
}

Expected<void> HostLink::read_more() {
  std::array<char, 65536> bytes;  // NOLINT(cppcoreguidelines-pro-type-member-init): filled by read
  for (;;) {
    const ssize_t count = ::read(streams_.input, bytes.data(), bytes.size());
    if (count < 0) {
      if (errno == EINTR) {
        continue;
      }
      ended_ = true;
      return failure(ErrorKind::io,
                     std::string("cannot read from the host: ") + std::strerror(errno));
    }
    if (count == 0) {
      ended_ = true;
      return {};
    }
    buffer_.append({bytes.data(), static_cast<std::size_t>(count)});
    return take_lines();
  }
}

Expected<void> HostLink::take_lines() {
  for (;;) {
    LLEM_ASSIGN(const std::optional<std::string> line, buffer_.next());
    if (!line) {
      return {};
    }
    LLEM_ASSIGN(HostMessage message, protocol::parse_host_line(*line));
    waiting_.push_back(std::move(message));
  }
}

Expected<std::optional<HostMessage>> HostLink::receive() {
  for (;;) {
    if (!waiting_.empty()) {
      HostMessage message = std::move(waiting_.front());
      waiting_.pop_front();
      return message;
    }
    if (broken_) {
      return tl::unexpected<Error>(*broken_);
    }
    if (ended_) {
      return std::nullopt;
    }
    LLEM_TRY(read_more());
  }
}

bool HostLink::poll_interrupt() {
  pollfd waited{streams_.input, POLLIN, 0};
  while (!ended_ && !broken_ && ::poll(&waited, 1, 0) > 0) {
    if (Expected<void> read = read_more(); !read) {
      broken_ = std::move(read).error();
    }
  }
  const auto cancel = std::find_if(
      waiting_.begin(), waiting_.end(),
      [](const HostMessage& message) { return std::holds_alternative<protocol::Cancel>(message); });
  if (cancel != waiting_.end()) {
    waiting_.erase(cancel);
    return true;
  }
  return ended_ || broken_ ||
         std::any_of(waiting_.begin(), waiting_.end(), [](const HostMessage& message) {
           return std::holds_alternative<protocol::Stop>(message);
         });
}

}  // namespace llem::worker
