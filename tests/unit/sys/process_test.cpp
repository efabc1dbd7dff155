#include "sys/process.hpp"

#include <signal.h>

#include <gtest/gtest.h>

#include "sys/affinity.hpp"
#include "sys/file.hpp"

namespace llem::sys {
namespace {

TEST(ExitStatus, reads_like_the_shell_s_words) {
  EXPECT_EQ(describe(ExitStatus{false, 3}), "exit code 3");
  EXPECT_EQ(describe(ExitStatus{true, SIGSEGV}), "killed by SIGSEGV");
  EXPECT_EQ(describe(ExitStatus{true, 40}), "killed by signal 40");
  EXPECT_EQ(describe(ExitStatus{false, -1}), "ended with an unknown status");
}

TEST(FindProgram, finds_executables_only) {
  ASSERT_TRUE(find_program("sh"));
  EXPECT_TRUE(Path(*find_program("sh")).is_absolute());
  EXPECT_EQ(find_program("/bin/sh"), "/bin/sh");
  EXPECT_FALSE(find_program("llem-no-such-program"));
  EXPECT_FALSE(find_program("/etc/passwd"));
  EXPECT_FALSE(find_program("/bin"));
  EXPECT_FALSE(find_program(""));
}

TEST(Spawn, of_a_missing_program_says_what_to_do) {
  const auto process = Process::spawn({{"llem-no-such-program", "--version"}, {}});
  ASSERT_FALSE(process);
  EXPECT_EQ(process.error().message,
            "cannot start `llem-no-such-program`: no such program in PATH");
  EXPECT_NE(process.error().hint.find("PATH"), std::string::npos);
  EXPECT_EQ(process.error().code, "program_not_found");
}

TEST(Spawn, of_a_file_that_is_no_program_says_so) {
  const TempDir folder = TempDir::make("llem-spawn-test").value();
  ASSERT_TRUE(write_file_atomic(folder.path() / "text", "hello"));
  const auto process = Process::spawn({{(folder.path() / "text").string()}, {}});
  ASSERT_FALSE(process);
  EXPECT_NE(process.error().message.find("no such executable file"), std::string::npos);
}

TEST(Spawn, of_a_script_without_its_interpreter_blames_the_interpreter) {
  const TempDir folder = TempDir::make("llem-spawn-test").value();
  const Path script = folder.path() / "script";
  ASSERT_TRUE(write_file_atomic(script, "#!/no/such/interpreter\n"));
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  const auto process = Process::spawn({{script.string()}, {}});
  ASSERT_FALSE(process);
  EXPECT_NE(process.error().hint.find("interpreter"), std::string::npos);
}

TEST(Spawn, into_a_missing_folder_s_log_names_the_file) {
  SpawnOptions options;
  options.stderr_path = "/nowhere/stderr.log";
  const auto process = Process::spawn({{"true"}, {}}, options);
  ASSERT_FALSE(process);
  EXPECT_NE(process.error().message.find("/nowhere/stderr.log"), std::string::npos);
}

TEST(Affinity, names_the_cpu_that_does_not_exist) {
  const auto scope = AffinityScope::enter("0,8191");
  ASSERT_FALSE(scope);
  EXPECT_EQ(scope.error().message, "the CPU list `0,8191` names CPU 8191, which does not exist");
  EXPECT_NE(scope.error().hint.find("this machine has the CPUs 0"), std::string::npos);
  EXPECT_EQ(scope.error().kind, ErrorKind::config);
}

TEST(Affinity, refuses_what_is_no_list) {
  EXPECT_FALSE(AffinityScope::enter("first two"));
  EXPECT_FALSE(AffinityScope::enter(","));
}

}  // namespace
}  // namespace llem::sys
