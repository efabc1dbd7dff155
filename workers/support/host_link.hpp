#pragma once

// Owns: talking to the host. Takes: the two private descriptors. Does not know: what the messages
// mean to an engine.

#include <deque>
#include <optional>
#include <string_view>

#include "protocol/messages.hpp"
#include "support/streams.hpp"

namespace llem::worker {

class HostLink {
 public:
  explicit HostLink(Streams streams) : streams_(streams) {}

  Expected<void> send(const protocol::WorkerMessage& message);
  /// The next message, waiting for it; nothing at the end of the input.
  Expected<std::optional<protocol::HostMessage>> receive();
  /// Whether the host wants the running work ended: cancel, stop, a line that is no message, or the
  /// end of the input. Never waits. A cancel is used up; everything else is kept for receive().
  bool poll_interrupt();

  /// The host closed its end.
  bool ended() const { return ended_; }

  int output() const { return streams_.output; }

 private:
  Expected<void> read_more();
  Expected<void> take_lines();

  Streams streams_;
  protocol::LineBuffer buffer_;
  std::deque<protocol::HostMessage> waiting_;
  std::optional<Error> broken_;
  bool ended_ = false;
};

/// Writes all bytes to a blocking descriptor.
Expected<void> write_all(int fd, std::string_view bytes);

}  // namespace llem::worker
