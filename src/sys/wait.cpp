#include "sys/wait.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <poll.h>
#include <vector>

#include <fmt/format.h>

#include "sys/system_error.hpp"

namespace llem::sys {
namespace {

constexpr auto kNever = MonotonicTime::max();

timespec time_left(MonotonicTime deadline) {
  const auto left = std::max(deadline - MonotonicTime::clock::now(), MonotonicTime::duration{0});
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(left);
  return {whole.count(), (left - whole).count()};
}

}  // namespace

MonotonicTime deadline_after(Seconds duration) {
  constexpr Seconds kLongest{3e9};  // a century; beyond three of them the clock's type overflows
  if (!(duration < kLongest)) {
    return kNever;
  }
  return MonotonicTime::clock::now() +
         std::chrono::duration_cast<MonotonicTime::duration>(std::max(duration, Seconds(0)));
}

Expected<bool> wait_any(std::span<Waitable> waitables, MonotonicTime deadline) {
  std::vector<pollfd> polled;
  polled.reserve(waitables.size());
  for (Waitable& waitable : waitables) {
    waitable.ready = false;
    const short events = waitable.for_writing ? POLLOUT : POLLIN;
    polled.push_back({waitable.fd, events, 0});
  }
  while (true) {
    const timespec left = time_left(deadline);
    const int count = ::ppoll(polled.data(), polled.size(), deadline == kNever ? nullptr : &left,
                              /*sigmask=*/nullptr);
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return failure(ErrorKind::internal,
                     fmt::format("cannot wait for descriptors: {}", system_reason(errno)));
    }
    for (std::size_t i = 0; i < polled.size(); ++i) {
      if ((polled[i].revents & POLLNVAL) != 0) {
        return failure(ErrorKind::internal,
                       fmt::format("waiting for descriptor {}, which is closed", polled[i].fd));
      }
      waitables[i].ready = polled[i].revents != 0;
    }
    // poll(2) rounds up to its clock's grain, so no descriptor ready means the deadline has passed.
    return count > 0;
  }
}

}  // namespace llem::sys
