#include "base/field_path.hpp"

#include <gtest/gtest.h>

#include "unit/base/sample_study.hpp"

namespace llem::base {
namespace {

using namespace sample;  // NOLINT(google-build-using-namespace)

std::shared_ptr<const FieldPath> path(std::string_view text) {
  auto found = FieldPath::find(Study::table(), text);
  EXPECT_TRUE(found) << text << ": " << found.error().message;
  return std::make_shared<const FieldPath>(*found);
}

Assignment assignment(std::string_view text, const Tree& value) {
  auto read = Assignment::read(path(text), value, "f", "sweep");
  EXPECT_TRUE(read) << read.error().message;
  return *read;
}

std::string refusal(std::string_view text) {
  const auto found = FieldPath::find(Study::table(), text);
  return found ? "found" : found.error().message + "; " + found.error().hint;
}

TEST(FieldPath, refuses_what_is_not_there) {
  EXPECT_EQ(refusal("deploy.batch_szie"),
            "unknown key `batch_szie`; did you mean `deploy.batch_size`?");
  EXPECT_EQ(refusal("batch_size"), "unknown key `batch_size`; did you mean `deploy.batch_size`?");
  EXPECT_EQ(refusal("deploy.batch_size.x"),
            "`deploy.batch_size` is no map, so it has nothing named `x`; "
            "set `deploy.batch_size` itself");
  EXPECT_EQ(refusal("deploy..x"),
            "`deploy..x` is no path; a path is names joined by dots, as in deploy.batch_size");
  EXPECT_EQ(refusal("").substr(0, 13), "`` is no path");
  EXPECT_EQ(refusal("colour").substr(0, 33), "unknown key `colour`; valid keys:");
}

TEST(Assignment, puts_a_value_where_its_path_leads) {
  Study study;
  assignment("deploy.batch_size", plain("8")).apply(&study);
  assignment("deploy.limit", plain("3")).apply(&study);
  assignment("judge.name", plain("j")).apply(&study);
  EXPECT_EQ(study.judge->name, "j");
  assignment("deploy.weights.a", plain("0.5")).apply(&study);
  assignment("deploy.extra.a.b", plain("true")).apply(&study);
  EXPECT_EQ(study.deploy.batch_size, 8);
  EXPECT_EQ(study.deploy.limit, 3);
  EXPECT_EQ(study.deploy.weights.at("a"), 0.5);
  EXPECT_EQ(write_json(study.deploy.extra), R"({"a":{"b":true}})");
  assignment("deploy.limit", null_tree()).apply(&study);
  EXPECT_FALSE(study.deploy.limit);
}

TEST(Assignment, replaces_an_object_whole) {
  Study study;
  study.model.name = "old";
  study.model.revision = "r1";
  assignment("model", plain("new")).apply(&study);
  EXPECT_EQ(study.model.name, "new");
  EXPECT_FALSE(study.model.revision);
}

TEST(Assignment, may_be_put_into_many_objects) {
  Study first;
  Study second;
  const Assignment devices = assignment("deploy.devices", list({plain("1"), plain("2")}));
  devices.apply(&first);
  devices.apply(&second);
  first.deploy.devices[0] = 7;
  EXPECT_EQ(second.deploy.devices, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(write_json(devices.value()), "[1,2]");
}

TEST(Assignment, says_where_a_wrong_value_stands) {
  const auto read =
      Assignment::read(path("deploy.batch_size"), plain("many", {4, 9}), "f", "sweep.deploy");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message, "`batch_size` must be an integer, 1 or more, got `many`");
  EXPECT_EQ(read.error().context, std::vector<std::string>{"f:4:9 sweep.deploy"});
}

TEST(FieldPath, reads_a_value_and_makes_nothing) {
  const Study study;
  EXPECT_EQ(path("deploy.batch_size")->value_in(&study), Json(1));
  EXPECT_TRUE(path("deploy.limit")->value_in(&study).is_null());
  EXPECT_TRUE(path("deploy.weights.a")->value_in(&study).is_null());
  EXPECT_TRUE(path("deploy.extra.a.b")->value_in(&study).is_null());
  EXPECT_TRUE(study.deploy.weights.empty());
}

TEST(FieldPath, counts_whole_names_as_within) {
  EXPECT_TRUE(is_within("a.b", "a"));
  EXPECT_TRUE(is_within("a", "a"));
  EXPECT_TRUE(is_within("a[0]", "a"));
  EXPECT_FALSE(is_within("ab", "a"));
  EXPECT_FALSE(is_within("a", "a.b"));
  EXPECT_EQ(last_name("a.b.c"), "c");
  EXPECT_EQ(last_name("a"), "a");
}

TEST(Place, names_the_file_of_the_mark) {
  const std::vector<std::string> files{"top.yaml", "base.yaml"};
  EXPECT_EQ(place(files, {3, 1, 1}), "base.yaml:3:1");
  EXPECT_EQ(place(files, {0, 0, 1}), "base.yaml");
}

}  // namespace
}  // namespace llem::base
