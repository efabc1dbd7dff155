#include <gtest/gtest.h>

#include "base/field_io.hpp"
#include "unit/base/sample_study.hpp"

namespace llem::base {
namespace {

using namespace sample;  // NOLINT(google-build-using-namespace)

Expected<Deploy> read_deploy(std::string key, Tree value) {
  return read_struct<Deploy>(map({{std::move(key), {12, 3}, std::move(value)}}), "study.yaml",
                             "deploy");
}

Error refusal(std::string key, Tree value) {
  auto read = read_deploy(std::move(key), std::move(value));
  return read ? Error{ErrorKind::internal, "accepted", {}, {}, {}} : read.error();
}

TEST(ReadFields, names_the_nearest_valid_key) {
  const Error error = refusal("batch_szie", plain("8", {12, 15}));
  EXPECT_EQ(error.kind, ErrorKind::config);
  EXPECT_EQ(error.message, "unknown key `batch_szie`");
  EXPECT_EQ(error.hint, "did you mean `batch_size`?");
  EXPECT_EQ(error.context, std::vector<std::string>{"study.yaml:12:3 deploy.batch_szie"});
}

TEST(ReadFields, lists_the_visible_keys_when_none_is_near) {
  EXPECT_EQ(refusal("colour", plain("red")).hint,
            "valid keys: batch_size, idle_s, graph, batching, precision, limit, devices, weights, "
            "extra");
  EXPECT_TRUE(read_deploy("secret", plain("7")));
}

TEST(ReadFields, keeps_the_values_of_absent_keys) {
  Deploy deploy;
  deploy.batch_size = 4;
  deploy.devices = {1, 2};
  ASSERT_TRUE(read_fields(Deploy::table(), &deploy, map({{"graph", {}, plain("true")}}), "f"));
  EXPECT_EQ(deploy.batch_size, 4);
  EXPECT_TRUE(deploy.graph);
  EXPECT_EQ(deploy.devices, (std::vector<std::int64_t>{1, 2}));
}

TEST(ReadFields, points_at_the_value_or_at_its_key_where_the_value_has_no_place) {
  EXPECT_EQ(refusal("batch_size", plain("x", {12, 15})).context[0],
            "study.yaml:12:15 deploy.batch_size");
  EXPECT_EQ(refusal("batch_size", plain("x")).context[0], "study.yaml:12:3 deploy.batch_size");
}

TEST(ReadFields, takes_true_and_false_and_no_other_boolean) {
  EXPECT_TRUE(read_deploy("graph", plain("true"))->graph);
  EXPECT_EQ(refusal("graph", plain("yes")).message, "`yes` is no boolean: write true or false");
  EXPECT_EQ(refusal("graph", plain("True")).message, "`True` is no boolean: write true or false");
  EXPECT_EQ(refusal("graph", quoted("true")).message,
            "`graph` must be true or false, got the text `true`");
  EXPECT_EQ(refusal("graph", null_tree()).message, "`graph` must be true or false, got nothing");
}

TEST(ReadFields, says_what_an_integer_may_be) {
  EXPECT_EQ(read_deploy("batch_size", plain("0x10"))->batch_size, 16);
  EXPECT_EQ(refusal("batch_size", plain("abc")).message,
            "`batch_size` must be an integer, 1 or more, got `abc`");
  EXPECT_EQ(refusal("batch_size", plain("0")).message,
            "`batch_size` must be an integer, 1 or more, got `0`");
  EXPECT_EQ(refusal("batch_size", list({})).message,
            "`batch_size` must be an integer, 1 or more, got a list");
}

TEST(ReadFields, says_how_to_write_an_integer_that_is_written_otherwise) {
  EXPECT_EQ(refusal("batch_size", plain("1e3")).hint,
            "write 1000: an integer has no point and no exponent");
  EXPECT_EQ(refusal("batch_size", plain("2.0")).hint,
            "write 2: an integer has no point and no exponent");
  EXPECT_EQ(refusal("batch_size", plain("2.5")).hint, "");
  EXPECT_EQ(refusal("batch_size", plain("012")).hint,
            "a leading zero is ambiguous: write 12 (octal is 0o12)");
  EXPECT_EQ(refusal("batch_size", plain("9223372036854775808")).hint, "integers have 64 bits here");
  EXPECT_EQ(refusal("batch_size", quoted("5")).message,
            "`batch_size` must be an integer, 1 or more, got the text `5`");
  EXPECT_EQ(refusal("batch_size", quoted("5")).hint,
            "leave out the quotes: a quoted scalar is text");
}

TEST(ReadFields, takes_integers_for_numbers_and_heeds_open_bounds) {
  EXPECT_EQ(read_deploy("idle_s", plain("2"))->idle_s, 2.0);
  EXPECT_EQ(read_deploy("idle_s", plain("1.5e1"))->idle_s, 15.0);
  EXPECT_EQ(read_deploy("idle_s", plain("60"))->idle_s, 60.0);
  EXPECT_EQ(refusal("idle_s", plain("0")).message,
            "`idle_s` must be a number, above 0 and at most 60, got `0`");
  EXPECT_EQ(refusal("idle_s", plain("60.1")).message,
            "`idle_s` must be a number, above 0 and at most 60, got `60.1`");
  EXPECT_EQ(refusal("idle_s", plain(".inf")).message,
            "`idle_s` must be a number, above 0 and at most 60, got `.inf`");
}

TEST(ReadFields, reads_enumerations_by_their_words) {
  EXPECT_EQ(read_deploy("batching", plain("continuous"))->batching, Batching::continuous);
  const Error error = refusal("batching", plain("statc"));
  EXPECT_EQ(error.message, "`batching` must be one of static, continuous, got `statc`");
  EXPECT_EQ(error.hint, "did you mean `static`?");
}

TEST(ReadFields, takes_only_the_words_a_text_allows) {
  EXPECT_EQ(read_deploy("precision", quoted("f16"))->precision, "f16");
  const Error error = refusal("precision", plain("f61"));
  EXPECT_EQ(error.message, "`precision` must be one of f16, bf16, got `f61`");
  EXPECT_EQ(error.hint, "did you mean `f16`?");
}

TEST(ReadFields, takes_plain_scalars_as_their_text) {
  EXPECT_EQ(read_struct<Model>(map({{"name", {}, plain("012")}}), "f")->name, "012");
  EXPECT_EQ(read_struct<Model>(map({{"name", {}, plain("true")}}), "f")->name, "true");
  EXPECT_EQ(read_struct<Model>(map({{"name", {}, quoted("")}}), "f").error().message,
            "`name` must be text, not empty, got the text ``");
  EXPECT_EQ(read_struct<Model>(map({{"name", {}, plain("~")}}), "f").error().message,
            "`name` must be text, not empty, got nothing");
}

TEST(ReadFields, sets_and_clears_optional_values) {
  EXPECT_EQ(read_deploy("limit", plain("5"))->limit, 5);
  Deploy deploy;
  deploy.limit = 3;
  ASSERT_TRUE(read_fields(Deploy::table(), &deploy, map({{"limit", {}, plain("~")}}), "f"));
  EXPECT_EQ(deploy.limit, std::nullopt);
  EXPECT_EQ(refusal("limit", plain("11")).message, "`limit` must be an integer, 1 to 10, got `11`");
}

TEST(ReadFields, replaces_lists_and_counts_their_items) {
  Deploy deploy;
  deploy.devices = {7, 8};
  const Tree given = map({{"devices", {}, list({plain("0")})}});
  ASSERT_TRUE(read_fields(Deploy::table(), &deploy, given, "f"));
  EXPECT_EQ(deploy.devices, std::vector<std::int64_t>{0});
  EXPECT_EQ(refusal("devices", list({})).message,
            "`devices` must be a list of integers, 1 to 3 items, got 0 items");
}

TEST(ReadFields, takes_no_single_scalar_for_a_list) {
  const Error error = refusal("devices", plain("0"));
  EXPECT_EQ(error.message, "`devices` must be a list of integers, 1 to 3 items, got `0`");
  EXPECT_EQ(error.hint, "write [0]");
}

TEST(ReadFields, numbers_the_items_of_a_list_in_errors) {
  const Error error = refusal("devices", list({plain("0"), plain("x", {13, 9})}));
  EXPECT_EQ(error.message, "item 2 of `devices` must be an integer, got `x`");
  EXPECT_EQ(error.context[0], "study.yaml:13:9 deploy.devices[1]");
}

TEST(ReadFields, reads_maps_of_names) {
  const Tree shares = map({{"a", {13, 5}, plain("1")}, {"b", {14, 5}, plain("x")}});
  const Error error = refusal("weights", shares);
  EXPECT_EQ(error.message, "`b` must be a number, got `x`");
  EXPECT_EQ(error.context[0], "study.yaml:14:5 deploy.weights.b");
  EXPECT_EQ(read_deploy("weights", map({{"a", {}, plain("1")}}))->weights.at("a"), 1.0);
}

TEST(ReadFields, refuses_a_key_that_appears_twice) {
  const Tree twice = map({{"graph", {1, 1}, plain("true")}, {"graph", {2, 1}, plain("false")}});
  const Error error = read_struct<Deploy>(twice, "f").error();
  EXPECT_EQ(error.message, "the key `graph` appears twice");
  EXPECT_EQ(error.context[0], "f:2:1 graph");
}

TEST(ReadFields, keeps_any_value_as_json) {
  EXPECT_EQ(read_deploy("extra", map({{"x", {}, list({plain("1"), quoted("1")})}}))->extra,
            Json::object({{"x", Json::array({1, "1"})}}));
}

TEST(ReadFields, reads_a_scalar_into_the_shorthand_field) {
  const Tree tree = map({{"model", {1, 1}, plain("gpt2", {1, 8})},
                         {"drafts", {2, 1}, list({plain("a"), map({{"name", {}, plain("b")}})})},
                         {"judge", {3, 1}, plain("c")}});
  const auto study = read_struct<Study>(tree, "f");
  ASSERT_TRUE(study);
  EXPECT_EQ(study->model.name, "gpt2");
  EXPECT_EQ(study->drafts[1].name, "b");
  EXPECT_EQ(study->judge->name, "c");
}

TEST(ReadFields, names_the_key_a_person_wrote_when_a_shorthand_is_wrong) {
  const Error error =
      read_struct<Study>(map({{"model", {1, 1}, list({plain("x", {1, 9})})}}), "f").error();
  EXPECT_EQ(error.message, "`model` must be text, not empty, got a list");
  EXPECT_EQ(error.context[0], "f:1:1 model");
}

TEST(ReadFields, demands_required_fields_at_every_level) {
  EXPECT_EQ(read_struct<Study>(map({}), "f").error().message, "`model` is missing");
  const Error error = read_struct<Study>(map({{"model", {4, 1}, map({}, {4, 8})}}), "f").error();
  EXPECT_EQ(error.message, "`name` is missing");
  EXPECT_EQ(error.hint, "name: text, not empty");
  EXPECT_EQ(error.context[0], "f:4:8 model");
}

TEST(ReadFields, takes_an_empty_section_as_one_without_keys) {
  const Tree tree = map({{"model", {}, plain("m")}, {"deploy", {}, null_tree()}});
  EXPECT_EQ(read_struct<Study>(tree, "f")->deploy.batch_size, 1);
  EXPECT_EQ(read_struct<Study>(map({{"model", {}, null_tree()}}), "f").error().message,
            "`name` is missing");
}

TEST(ReadFields, refuses_a_scalar_where_only_a_map_makes_sense) {
  EXPECT_EQ(read_struct<Deploy>(plain("x"), "f").error().message,
            "the document must be a map, got `x`");
  const Error error =
      read_struct<Study>(map({{"model", {}, plain("m")}, {"deploy", {2, 1}, plain("x")}}), "f")
          .error();
  EXPECT_EQ(error.message, "`deploy` must be a map, got `x`");
  EXPECT_EQ(error.context[0], "f:2:1 deploy");
}

TEST(ReadJsonStruct, names_the_document) {
  const auto read = read_json_struct<Deploy>(*parse_json(R"({"batch_size": 0})"), "deploy.json");
  EXPECT_EQ(read.error().context[0], "deploy.json batch_size");
}

}  // namespace
}  // namespace llem::base
