#include "engines/served_files.hpp"

#include <gtest/gtest.h>

namespace llem::engines {
namespace {

TEST(ReadIntegers, gives_all_of_a_file_and_refuses_a_torn_one) {
  const auto folder = sys::TempDir::make("llem-served");
  ASSERT_TRUE(folder) << folder.error().message;
  const sys::Path path = folder->path() / "tokens.bin";
  const std::vector<std::int64_t> numbers{1, -2, 1'000'000'000'000};
  const std::string bytes(reinterpret_cast<const char*>(numbers.data()), 3 * sizeof(std::int64_t));
  ASSERT_TRUE(sys::write_file(path, bytes));
  EXPECT_EQ(read_integers(path).value(), numbers);
  ASSERT_TRUE(sys::write_file(path, ""));
  EXPECT_TRUE(read_integers(path).value().empty());
  ASSERT_TRUE(sys::write_file(path, bytes.substr(0, 20)));
  const auto torn = read_integers(path);
  ASSERT_FALSE(torn);
  EXPECT_EQ(torn.error().kind, ErrorKind::engine);
  EXPECT_EQ(torn.error().code, "protocol_error");
}

TEST(ReadIntegers, of_what_is_no_file_are_an_error) {
  const auto folder = sys::TempDir::make("llem-served");
  ASSERT_TRUE(folder) << folder.error().message;
  for (const sys::Path& path : {folder->path(), folder->path() / "missing"}) {
    const auto read = read_integers(path);
    ASSERT_FALSE(read) << path;
    EXPECT_EQ(read.error().kind, ErrorKind::io) << path;
  }
}

}  // namespace
}  // namespace llem::engines
