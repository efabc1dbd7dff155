#include <cstdlib>
#include <sys/eventfd.h>

#include <gtest/gtest.h>

#include "process/loopback_server.hpp"
#include "sys/fd.hpp"
#include "sys/file.hpp"
#include "sys/http.hpp"

namespace llem::sys {
namespace {

using test::Answer;
using test::LoopbackServer;
using test::whole;

/// Downloads here must not go through a proxy the machine may have.
const bool kNoProxy = ::setenv("no_proxy", "127.0.0.1,localhost", 1) == 0;

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

struct Place {
  TempDir folder = TempDir::make("llem-http-test").value();
  Path file = folder.path() / "model.gguf";
  Path part = folder.path() / "model.gguf.part";
};

const std::string kBody = "0123456789abcdefghij";

TEST(Download, writes_the_file_and_tells_its_progress) {
  const LoopbackServer server([](const std::string&) { return whole("200 OK", kBody); });
  const Place place;
  std::uint64_t last = 0;
  std::uint64_t all = 0;
  DownloadOptions options;
  options.headers = {{"Authorization", "Bearer hf_secret"}, {"X-Test", "1"}};
  options.progress = [&](std::uint64_t so_far, std::uint64_t total) {
    last = so_far;
    all = total;
    return true;
  };
  const auto outcome = download(server.address("/model?x=1"), place.file, options);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(read_file(place.file).value(), kBody);
  EXPECT_FALSE(std::filesystem::exists(place.part));
  EXPECT_EQ(last, kBody.size());
  EXPECT_EQ(all, kBody.size());
  ASSERT_EQ(server.requests().size(), 1U);
  EXPECT_TRUE(contains(server.requests()[0], "GET /model?x=1 "));
  EXPECT_TRUE(contains(server.requests()[0], "Authorization: Bearer hf_secret"));
  EXPECT_FALSE(contains(server.requests()[0], "Range:"));
}

TEST(Download, writes_an_empty_file) {
  const LoopbackServer server([](const std::string&) { return whole("200 OK", ""); });
  const Place place;
  ASSERT_TRUE(download(server.address("/"), place.file));
  EXPECT_EQ(read_file(place.file).value(), "");
}

TEST(Download, goes_on_after_the_part_that_is_there) {
  const LoopbackServer server([](const std::string&) {
    return whole("206 Partial Content", kBody.substr(8), "Content-Range: bytes 8-19/20\r\n");
  });
  const Place place;
  ASSERT_TRUE(write_file_atomic(place.part, kBody.substr(0, 8)));
  std::uint64_t all = 0;
  DownloadOptions options;
  options.progress = [&](std::uint64_t, std::uint64_t total) {
    all = total;
    return true;
  };
  const auto outcome = download(server.address("/"), place.file, options);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_TRUE(contains(server.requests()[0], "Range: bytes=8-\r\n"));
  EXPECT_EQ(read_file(place.file).value(), kBody);
  EXPECT_EQ(all, kBody.size());
}

TEST(Download, starts_anew_where_the_server_sends_everything) {
  const LoopbackServer server([](const std::string&) { return whole("200 OK", kBody); });
  const Place place;
  ASSERT_TRUE(write_file_atomic(place.part, "an old and much longer part than the file"));
  ASSERT_TRUE(download(server.address("/"), place.file));
  EXPECT_EQ(read_file(place.file).value(), kBody);
}

TEST(Download, finishes_a_part_that_is_already_complete) {
  const LoopbackServer server([](const std::string&) {
    return whole("416 Range Not Satisfiable", "", "Content-Range: bytes */20\r\n");
  });
  const Place place;
  ASSERT_TRUE(write_file_atomic(place.part, kBody));
  ASSERT_TRUE(download(server.address("/"), place.file));
  EXPECT_EQ(read_file(place.file).value(), kBody);
}

TEST(Download, drops_a_part_of_another_version) {
  const LoopbackServer server([](const std::string& head) {
    return contains(head, "Range:")
               ? whole("416 Range Not Satisfiable", "", "Content-Range: bytes */20\r\n")
               : whole("200 OK", kBody);
  });
  const Place place;
  ASSERT_TRUE(write_file_atomic(place.part, "longer than the twenty bytes there are"));
  const auto outcome = download(server.address("/"), place.file);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(read_file(place.file).value(), kBody);
  EXPECT_EQ(server.requests().size(), 2U);
}

TEST(Download, refuses_a_range_it_did_not_ask_for) {
  const LoopbackServer server([](const std::string&) {
    return whole("206 Partial Content", kBody.substr(4), "Content-Range: bytes 4-19/20\r\n");
  });
  const Place place;
  ASSERT_TRUE(write_file_atomic(place.part, kBody.substr(0, 8)));
  const auto outcome = download(server.address("/"), place.file);
  ASSERT_FALSE(outcome);
  EXPECT_TRUE(contains(outcome.error().message, "another range"));
  EXPECT_EQ(read_file(place.part).value(), kBody.substr(0, 8));
}

TEST(Download, keeps_what_came_before_the_connection_broke) {
  const LoopbackServer server([](const std::string&) {
    return Answer{"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n0123456789"};
  });
  const Place place;
  const auto outcome = download(server.address("/"), place.file);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, "broken_connection");
  EXPECT_TRUE(contains(outcome.error().hint, "kept"));
  EXPECT_EQ(read_file(place.part).value(), "0123456789");
  EXPECT_FALSE(std::filesystem::exists(place.file));
}

TEST(Download, stops_at_a_full_disk) {
  const LoopbackServer server([](const std::string&) { return whole("200 OK", kBody); });
  const Place place;
  std::filesystem::create_symlink("/dev/full", place.part);
  const auto outcome = download(server.address("/x?key=secret"), place.file);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, "no_space");
  EXPECT_TRUE(contains(outcome.error().message, place.part.string()));
  ASSERT_EQ(outcome.error().context.size(), 1U);
  EXPECT_EQ(outcome.error().context[0], "downloading " + server.address("/x"));
}

TEST(Download, gives_up_on_a_silent_server) {
  const LoopbackServer server([](const std::string&) {
    return Answer{"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n01234", true};
  });
  const Place place;
  DownloadOptions options;
  options.stall_timeout = Seconds(1);
  const auto outcome = download(server.address("/"), place.file, options);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().kind, ErrorKind::timeout);
  EXPECT_EQ(read_file(place.part).value(), "01234");
}

TEST(Download, stops_when_its_caller_says_so) {
  const LoopbackServer server([](const std::string&) {
    return Answer{"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n01234", true};
  });
  const Place place;
  DownloadOptions options;
  options.progress = [](std::uint64_t so_far, std::uint64_t) { return so_far < 5; };
  const auto outcome = download(server.address("/"), place.file, options);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().kind, ErrorKind::interrupted);
}

TEST(Download, names_the_address_without_its_secrets) {
  const LoopbackServer server([](const std::string&) { return whole("403 Forbidden", "go away"); });
  const Place place;
  std::string url = server.address("/m/file.bin?X-Amz-Signature=topsecret#part");
  url.insert(7, "user:password@");
  DownloadOptions options;
  options.headers = {{"Authorization", "Bearer hf_secret"}};
  const auto outcome = download(url, place.file, options);
  ASSERT_FALSE(outcome);
  const Error& error = outcome.error();
  EXPECT_EQ(error.message,
            "cannot download " + server.address("/m/file.bin") + ": HTTP status 403");
  EXPECT_TRUE(contains(error.hint, "token"));
  EXPECT_EQ(error.code, "http_403");
  for (const char* secret : {"topsecret", "password", "hf_secret"}) {
    EXPECT_FALSE(contains(error.message + error.hint, secret));
  }
  EXPECT_FALSE(std::filesystem::exists(place.part));  // nor an empty part left behind
}

TEST(Download, keeps_its_part_through_a_server_s_bad_moment) {
  const LoopbackServer server(
      [](const std::string&) { return whole("503 Service Unavailable", "busy"); });
  const Place place;
  ASSERT_TRUE(write_file_atomic(place.part, "01234"));
  const auto outcome = download(server.address("/"), place.file);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, "http_503");
  EXPECT_EQ(read_file(place.part).value(), "01234");
}

TEST(Download, follows_redirects_without_taking_the_token_to_another_host) {
  const LoopbackServer store([](const std::string&) { return whole("200 OK", kBody); });
  const std::string elsewhere = store.address("/blob", "localhost");
  const LoopbackServer hub([&](const std::string& head) {
    return contains(head, "GET /first ")
               ? whole("302 Found", "moved", "Location: /second\r\n")
               : whole("307 Temporary Redirect", "moved", "Location: " + elsewhere + "\r\n");
  });
  const Place place;
  DownloadOptions options;
  options.headers = {{"Authorization", "Bearer hf_secret"}};
  const auto outcome = download(hub.address("/first"), place.file, options);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(read_file(place.file).value(), kBody);
  ASSERT_EQ(hub.requests().size(), 2U);
  EXPECT_TRUE(contains(hub.requests()[1], "hf_secret"));
  ASSERT_EQ(store.requests().size(), 1U);
  EXPECT_FALSE(contains(store.requests()[0], "hf_secret"));
}

TEST(Download, gives_up_on_a_circle_of_redirects) {
  const LoopbackServer server(
      [](const std::string&) { return whole("302 Found", "", "Location: /again\r\n"); });
  const Place place;
  const auto outcome = download(server.address("/"), place.file);
  ASSERT_FALSE(outcome);
  EXPECT_TRUE(contains(outcome.error().message, "redirects")) << outcome.error().message;
}

TEST(Download, follows_no_redirect_to_a_local_file) {
  const LoopbackServer server([](const std::string&) {
    return whole("302 Found", "", "Location: file:///etc/hostname\r\n");
  });
  const Place place;
  EXPECT_FALSE(download(server.address("/"), place.file));
  EXPECT_FALSE(std::filesystem::exists(place.file));
}

TEST(Download, speaks_http_only) {
  const Place place;
  for (const char* url : {"file:///etc/hostname", "ftp://127.0.0.1/x", "no address"}) {
    const auto outcome = download(url, place.file);
    ASSERT_FALSE(outcome) << url;
    EXPECT_FALSE(std::filesystem::exists(place.file));
  }
}

TEST(Download, says_that_nobody_answers) {
  std::string address;
  {
    const LoopbackServer gone([](const std::string&) { return Answer{}; });
    address = gone.address("/x");
  }
  const Place place;
  const auto outcome = download(address, place.file);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, "no_connection");
  EXPECT_TRUE(contains(outcome.error().hint, "proxy"));
}

TEST(Download, says_that_the_target_s_folder_is_missing) {
  const auto outcome = download("http://127.0.0.1:9/x", "/nowhere/file");
  ASSERT_FALSE(outcome);
  EXPECT_TRUE(contains(outcome.error().message, "/nowhere/file.part"));
}

TEST(Download, refuses_headers_with_line_breaks_without_showing_them) {
  const Place place;
  DownloadOptions options;
  options.headers = {{"Authorization", "Bearer hf_secret\n"}};
  const auto outcome = download("http://127.0.0.1:9/x", place.file, options);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().kind, ErrorKind::usage);
  EXPECT_FALSE(contains(outcome.error().message, "hf_secret"));
}

TEST(Download, leaves_a_part_alone_that_another_process_is_fetching) {
  const Place place;
  const auto lock = FileLock::acquire(place.part, "other");
  ASSERT_TRUE(lock);
  const auto outcome = download("http://127.0.0.1:9/x", place.file);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, "locked");
  EXPECT_EQ(outcome.error().kind, ErrorKind::preflight);
}

TEST(PostJson, tries_again_what_may_mend) {
  int answered = 0;
  const LoopbackServer server([&](const std::string&) {
    return whole(++answered == 1 ? "503 Service Unavailable" : "204 No Content", "");
  });
  EXPECT_TRUE(post_json(server.address("/hook"), "{}", {.pause = Seconds(0)}));
  EXPECT_EQ(server.requests().size(), 2U);
}

TEST(PostJson, gives_up_when_interrupted) {
  const LoopbackServer server([](const std::string&) { return whole("503 Busy", ""); });
  const Fd interrupted(::eventfd(1, EFD_CLOEXEC));
  const auto posted = post_json(server.address("/hook"), "{}",
                                {.pause = Seconds(1e6), .interrupt_fd = interrupted.get()});
  ASSERT_FALSE(posted);
  EXPECT_LE(server.requests().size(), 1U);
}

}  // namespace
}  // namespace llem::sys
