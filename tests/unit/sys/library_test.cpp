#include "sys/library.hpp"

#include <gtest/gtest.h>

namespace llem::sys {
namespace {

TEST(DynamicLibrary, opens_the_first_that_is_there) {
  const auto library = DynamicLibrary::open({"libllem-no-such.so.1", "libm.so.6"});
  ASSERT_TRUE(library);
  EXPECT_EQ(library->name(), "libm.so.6");
  auto* cosine = library->symbol<double(double)>("cos");
  ASSERT_NE(cosine, nullptr);
  EXPECT_DOUBLE_EQ(cosine(0.0), 1.0);
}

TEST(DynamicLibrary, has_null_for_a_symbol_it_lacks) {
  const auto library = DynamicLibrary::open({"libm.so.6"});
  ASSERT_TRUE(library);
  EXPECT_EQ(library->symbol<void()>("llem_no_such_symbol"), nullptr);
}

TEST(DynamicLibrary, names_every_file_it_tried) {
  const auto library = DynamicLibrary::open({"libllem-a.so", "libllem-b.so"});
  ASSERT_FALSE(library);
  EXPECT_NE(library.error().message.find("`libllem-a.so` or `libllem-b.so`"), std::string::npos)
      << library.error().message;
  EXPECT_EQ(library.error().code, "library_not_found");
  EXPECT_FALSE(library.error().hint.empty());
}

TEST(DynamicLibrary, stays_open_when_it_is_moved) {
  auto first = DynamicLibrary::open({"libm.so.6"});
  ASSERT_TRUE(first);
  const DynamicLibrary second = std::move(*first);
  EXPECT_NE(second.symbol<double(double)>("sin"), nullptr);
}

}  // namespace
}  // namespace llem::sys
