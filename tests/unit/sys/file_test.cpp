#include "sys/file.hpp"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sys/system_error.hpp"

namespace llem::sys {
namespace {

TempDir a_folder() {
  return TempDir::make("llem-file-test").value();
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::vector<std::string> names_in(const Path& folder) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    out.push_back(entry.path().filename().string());
  }
  return out;
}

TEST(File, reads_back_what_it_wrote_byte_for_byte) {
  const TempDir folder = a_folder();
  std::string content(700'000, '\0');
  for (std::size_t i = 0; i < content.size(); ++i) {
    content[i] = static_cast<char>(i * 31);
  }
  ASSERT_TRUE(write_file_atomic(folder.path() / "data", content));
  EXPECT_EQ(read_file(folder.path() / "data").value(), content);
}

TEST(File, replaces_a_file_and_leaves_no_temporary_one) {
  const TempDir folder = a_folder();
  ASSERT_TRUE(write_file_atomic(folder.path() / "a", "a longer first text"));
  ASSERT_TRUE(write_file_atomic(folder.path() / "a", "second"));
  EXPECT_EQ(read_file(folder.path() / "a").value(), "second");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"a"});
}

TEST(File, keeps_the_old_file_when_the_new_one_cannot_be_put_in_place) {
  const TempDir folder = a_folder();
  ASSERT_TRUE(make_directories(folder.path() / "taken/inside"));
  const auto outcome = write_file_atomic(folder.path() / "taken", "text");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().kind, ErrorKind::io);
  EXPECT_TRUE(contains(outcome.error().message, (folder.path() / "taken").string()));
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"taken"});
}

TEST(File, says_which_file_is_missing) {
  const auto outcome = read_file("/nowhere/at/all");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().message, "cannot read `/nowhere/at/all`: No such file or directory");
  EXPECT_EQ(outcome.error().hint, "check the spelling of the path");
}

TEST(File, says_that_a_directory_is_no_file) {
  const TempDir folder = a_folder();
  const auto outcome = read_file(folder.path());
  ASSERT_FALSE(outcome);
  EXPECT_TRUE(contains(outcome.error().message, "Is a directory"));
}

TEST(File, says_path_reason_and_remedy_for_each_full_or_closed_file_system) {
  struct Case {
    int reason;
    const char* words;
    const char* remedy;
    const char* code;
  };

  for (const Case& one :
       {Case{ENOSPC, "No space left on device", "free some space", "no_space"},
        Case{EDQUOT, "Disk quota exceeded", "quota", "no_space"},
        Case{EROFS, "Read-only file system", "choose another directory", ""},
        Case{EACCES, "Permission denied", "check the owner and the permissions", ""}}) {
    const Error error = io_failure("write", "/data/run/result.json", one.reason).value();
    EXPECT_TRUE(contains(error.message, "`/data/run/result.json`")) << error.message;
    EXPECT_TRUE(contains(error.message, one.words)) << error.message;
    EXPECT_TRUE(contains(error.hint, one.remedy)) << error.hint;
    EXPECT_EQ(error.code, one.code);
  }
}

TEST(File, reports_a_full_device_by_its_path) {
  const auto full = open_append("/dev/full");
  ASSERT_TRUE(full);
  const auto outcome = append_line(*full, "line");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().message, "cannot append to `/dev/full`: No space left on device");
  EXPECT_EQ(outcome.error().code, "no_space");
}

TEST(File, keeps_the_old_file_when_the_disk_is_full) {
  const TempDir folder = a_folder();
  ASSERT_TRUE(write_file_atomic(folder.path() / "result.json", "old"));
  std::filesystem::create_symlink("/dev/full",
                                  folder.path() / fmt::format("result.json.{}.tmp", ::getpid()));
  const auto outcome = write_file_atomic(folder.path() / "result.json", "new");
  ASSERT_FALSE(outcome);
  EXPECT_TRUE(contains(outcome.error().message, "result.json`: No space left on device"));
  EXPECT_EQ(read_file(folder.path() / "result.json").value(), "old");
  EXPECT_EQ(names_in(folder.path()), std::vector<std::string>{"result.json"});
}

TEST(File, takes_back_the_part_of_a_line_that_still_found_room) {
  const TempDir folder = a_folder();
  const Path path = folder.path() / "log.jsonl";
  const Fd log = open_append(path).value();
  ASSERT_TRUE(append_line(log, "first"));
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit small{10, limit.rlim_max};  // a disk with room for half the next line
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const auto torn = append_line(log, "the second line");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  std::signal(SIGXFSZ, before);
  EXPECT_FALSE(torn);
  ASSERT_TRUE(append_line(log, "third"));
  EXPECT_EQ(read_file(path).value(), "first\nthird\n");
}

TEST(File, appends_lines_after_what_is_there) {
  const TempDir folder = a_folder();
  const Path path = folder.path() / "events.jsonl";
  {
    const Fd log = open_append(path).value();
    ASSERT_TRUE(append_line(log, "{\"a\":1}"));
  }
  const Fd log = open_append(path).value();
  ASSERT_TRUE(append_line(log, ""));
  ASSERT_TRUE(append_line(log, "{\"a\":2}"));
  EXPECT_EQ(read_file(path).value(), "{\"a\":1}\n\n{\"a\":2}\n");
}

TEST(File, reads_virtual_files_whole_and_trimmed) {
  const TempDir folder = a_folder();
  ASSERT_TRUE(write_file_atomic(folder.path() / "energy_uj", " 12345\n"));
  EXPECT_EQ(read_line(folder.path() / "energy_uj"), "12345");
  EXPECT_EQ(read_line(folder.path() / "missing"), std::nullopt);
  EXPECT_EQ(read_line(folder.path()), std::nullopt);
  EXPECT_GT(read_file("/proc/self/status").value().size(), 100U);  // its size reads 0
}

TEST(File, tells_new_directories_from_old_ones) {
  const TempDir folder = a_folder();
  EXPECT_TRUE(make_new_directory(folder.path() / "run").value());
  EXPECT_FALSE(make_new_directory(folder.path() / "run").value());
  EXPECT_FALSE(make_new_directory(folder.path() / "no/parent"));
}

TEST(File, makes_nested_directories_and_names_what_is_in_the_way) {
  const TempDir folder = a_folder();
  ASSERT_TRUE(make_directories(folder.path() / "a/b/c"));
  ASSERT_TRUE(make_directories(folder.path() / "a/b/c"));
  ASSERT_TRUE(write_file_atomic(folder.path() / "a/file", ""));
  const auto outcome = make_directories(folder.path() / "a/file/deeper");
  ASSERT_FALSE(outcome);
  EXPECT_TRUE(contains(outcome.error().hint, "in the way")) << outcome.error().message;
  EXPECT_FALSE(make_directories(folder.path() / "a/file"));
}

TEST(File, hashes_what_is_in_a_file) {
  const TempDir folder = a_folder();
  ASSERT_TRUE(write_file_atomic(folder.path() / "abc", "abc"));
  // FIPS 180-4's own example.
  EXPECT_EQ(sha256_of_file(folder.path() / "abc").value(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_FALSE(sha256_of_file(folder.path() / "missing"));
}

TEST(File, tells_free_space_of_a_directory_yet_to_be_made) {
  const TempDir folder = a_folder();
  EXPECT_GT(free_bytes(folder.path()).value(), 0U);
  EXPECT_GT(free_bytes(folder.path() / "not/yet/there").value(), 0U);
}

TEST(TempDir, removes_everything_in_it_at_the_end) {
  Path path;
  {
    TempDir first = a_folder();
    path = first.path();
    ASSERT_TRUE(make_directories(path / "deep/er"));
    ASSERT_TRUE(write_file_atomic(path / "deep/er/file", "x"));
    const TempDir second = std::move(first);
    EXPECT_EQ(second.path(), path);
    EXPECT_TRUE(std::filesystem::exists(path / "deep/er/file"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(FileLock, names_the_holder_to_the_second_who_asks) {
  const TempDir folder = a_folder();
  const Path path = folder.path() / "gpu0.lock";
  const auto first = FileLock::acquire(path, "llem run study.yaml (process 4711)");
  ASSERT_TRUE(first);
  const auto second = FileLock::acquire(path, "somebody else");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::preflight);
  EXPECT_EQ(second.error().message,
            "`" + path.string() + "` is held by llem run study.yaml (process 4711)");
  EXPECT_EQ(second.error().code, "locked");
}

TEST(FileLock, is_free_again_after_its_holder_and_shows_the_new_one) {
  const TempDir folder = a_folder();
  const Path path = folder.path() / "lock";
  {
    ASSERT_TRUE(FileLock::acquire(path, "a holder with a long name"));
  }
  const auto next = FileLock::acquire(path, "short");
  ASSERT_TRUE(next);
  EXPECT_EQ(read_line(path), "short");
}

TEST(FileLock, says_where_it_cannot_be_made) {
  const auto outcome = FileLock::acquire("/nowhere/lock", "me");
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().kind, ErrorKind::io);
  EXPECT_TRUE(contains(outcome.error().message, "/nowhere/lock"));
}

TEST(Fd, hands_over_ownership_and_closes_once) {
  Fd first(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int number = first.get();
  Fd second(std::move(first));
  EXPECT_EQ(second.get(), number);
  EXPECT_FALSE(second.get() < 0);
  second = Fd();
  EXPECT_FALSE(second);
  EXPECT_LT(::fcntl(number, F_GETFD), 0);
}

}  // namespace
}  // namespace llem::sys
