#include "base/tree.hpp"

#include <gtest/gtest.h>

namespace llem::base {
namespace {

Tree scalar(std::string text, bool quoted = false) {
  Tree tree;
  tree.kind = Tree::Kind::scalar;
  tree.scalar = std::move(text);
  tree.quoted = quoted;
  return tree;
}

TEST(JsonFromTree, resolves_plain_scalars_by_the_yaml_core_schema) {
  EXPECT_EQ(json_from_tree(scalar("~")), Json());
  EXPECT_EQ(json_from_tree(scalar("null")), Json());
  EXPECT_EQ(json_from_tree(scalar("true")), Json(true));
  EXPECT_EQ(json_from_tree(scalar("yes")), Json("yes"));
  EXPECT_EQ(json_from_tree(scalar("12")), Json(12));
  EXPECT_EQ(json_from_tree(scalar("0x10")), Json(16));
  EXPECT_EQ(json_from_tree(scalar("012")), Json("012"));
  EXPECT_EQ(json_from_tree(scalar("1e3")), Json(1000.0));
  EXPECT_EQ(json_from_tree(scalar("abc")), Json("abc"));
}

TEST(JsonFromTree, takes_quoted_scalars_as_strings) {
  EXPECT_EQ(json_from_tree(scalar("12", true)), Json("12"));
  EXPECT_EQ(json_from_tree(scalar("", true)), Json(""));
  EXPECT_EQ(json_from_tree(scalar("null", true)), Json("null"));
}

TEST(TreeFromJson, keeps_all_a_document_says) {
  const Json json = *parse_json(
      R"({"i": 7, "d": 5.0, "b": false, "s": "12", "n": null, "l": [1, {"x": 1e22}], "e": {}})");
  EXPECT_EQ(json_from_tree(tree_from_json(json)), json);
}

TEST(SetPath, makes_the_maps_on_the_way) {
  Tree tree;
  set_path(tree, "a.b.c", scalar("1"));
  set_path(tree, "a.d", scalar("x"));
  set_path(tree, "a.b.c", scalar("2"));
  EXPECT_EQ(write_json(json_from_tree(tree)), R"({"a":{"b":{"c":2},"d":"x"}})");
}

TEST(SetPath, replaces_a_scalar_that_stands_in_the_way) {
  Tree tree;
  set_path(tree, "a", scalar("1"));
  set_path(tree, "a.b", scalar("2"));
  EXPECT_EQ(write_json(json_from_tree(tree)), R"({"a":{"b":2}})");
}

TEST(Place, leaves_out_what_is_unknown) {
  EXPECT_EQ(place("study.yaml", {12, 3}), "study.yaml:12:3");
  EXPECT_EQ(place("study.yaml", {}), "study.yaml");
}

}  // namespace
}  // namespace llem::base
