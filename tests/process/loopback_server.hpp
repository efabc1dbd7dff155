#pragma once

// Owns: an HTTP server on the loopback interface that answers by a script: right, wrong, slowly or
// not at all.

#include <arpa/inet.h>
#include <functional>
#include <mutex>
#include <netinet/in.h>
#include <poll.h>
#include <stop_token>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "sys/fd.hpp"

namespace llem::test {

struct Answer {
  std::string bytes;   // head and body, verbatim
  bool stall = false;  // keeps the connection open and silent afterwards
};

/// "HTTP/1.1 200 OK" with the length of its body.
inline Answer whole(const std::string& status, const std::string& body,
                    const std::string& headers = {}) {
  return {"HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
          "\r\nConnection: close\r\n" + headers + "\r\n" + body};
}

class LoopbackServer {
 public:
  /// `handler` is given each request's head and runs in the server's thread.
  explicit LoopbackServer(std::function<Answer(const std::string&)> handler)
      : handler_(std::move(handler)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    ::bind(listener_.get(), generic, size);
    ::listen(listener_.get(), 8);
    ::getsockname(listener_.get(), generic, &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this](const std::stop_token& stop) { serve(stop); });
  }

  std::string address(const std::string& path, const std::string& host = "127.0.0.1") const {
    return "http://" + host + ":" + std::to_string(port_) + path;
  }

  std::vector<std::string> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  static bool readable(int fd) {
    pollfd polled{fd, POLLIN, 0};
    return ::poll(&polled, 1, 20) > 0;
  }

  static std::string read_head(int fd, const std::stop_token& stop) {
    std::string head;
    while (head.find("\r\n\r\n") == std::string::npos && !stop.stop_requested()) {
      char letter = 0;
      if (!readable(fd)) {
        continue;
      }
      if (::read(fd, &letter, 1) != 1) {
        break;
      }
      head.push_back(letter);
    }
    return head;
  }

  void serve(const std::stop_token& stop) {
    std::vector<sys::Fd> stalled;
    while (!stop.stop_requested()) {
      if (!readable(listener_.get())) {
        continue;
      }
      sys::Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      const std::string head = read_head(client.get(), stop);
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(head);
      }
      const Answer answer = handler_(head);
      std::string_view rest = answer.bytes;
      while (!rest.empty()) {
        const ssize_t sent = ::send(client.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (sent <= 0) {
          break;
        }
        rest.remove_prefix(static_cast<std::size_t>(sent));
      }
      if (answer.stall) {
        stalled.push_back(std::move(client));
      }
    }
  }

  std::function<Answer(const std::string&)> handler_;
  sys::Fd listener_;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::jthread thread_;
};

}  // namespace llem::test
