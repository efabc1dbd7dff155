// Any bytes as the stream of a worker or a host: an error or messages that survive being written
// and read again, however the stream is cut.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "protocol/messages.hpp"

using namespace llem;  // NOLINT(google-build-using-namespace)

namespace {

template <class Message>
void check(const Expected<Message>& message, Expected<Message> (*parse)(std::string_view)) {
  if (!message) {
    return;
  }
  const std::string line = protocol::to_line(*message);
  LLEM_ASSERT(line.find('\n') == std::string::npos, "a message is one line");
  const auto again = parse(line);
  LLEM_ASSERT(again, "what was read can be written");
  LLEM_ASSERT(protocol::to_line(*again) == line, "writing changes nothing");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  // The first byte says in which pieces the rest arrives.
  const std::size_t piece = size > 0 ? std::size_t{data[0]} + 1 : 1;
  protocol::LineBuffer buffer;
  for (std::size_t at = 1; at < size; at += piece) {
    buffer.append(bytes.substr(at, piece));
    for (;;) {
      const auto line = buffer.next();
      if (!line || !*line) {
        break;
      }
      LLEM_ASSERT((*line)->find('\n') == std::string::npos, "a line has no line break");
      check(protocol::parse_worker_line(**line), &protocol::parse_worker_line);
      check(protocol::parse_host_line(**line), &protocol::parse_host_line);
    }
  }
  LLEM_ASSERT(buffer.pending() <= size, "no byte is invented");
  return 0;
}
