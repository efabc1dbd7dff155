#include <cmath>

#include <gtest/gtest.h>

#include "base/field_io.hpp"
#include "base/finite.hpp"
#include "base/random.hpp"
#include "unit/base/sample_study.hpp"

namespace llem::base {
namespace {

using namespace sample;  // NOLINT(google-build-using-namespace)

std::string hashed(const Study& study) {
  const Study defaults;
  return write_json(hashed_fields(Study::table(), &study, &defaults), JsonStyle::canonical);
}

TEST(WriteFields, writes_every_field_but_absent_ones) {
  Deploy deploy;
  deploy.devices = {3};
  deploy.weights = {{"b", 2}, {"a", 1}};
  deploy.extra = Json::object({{"k", true}});
  EXPECT_EQ(write_json(write_struct(deploy)),
            R"({"batch_size":1,"idle_s":0.5,"graph":false,"batching":"static","precision":"bf16",)"
            R"("devices":[3],"weights":{"a":1.0,"b":2.0},"extra":{"k":true},"secret":0})");
}

TEST(WriteFields, leaves_a_number_that_is_none_to_be_found_by_its_place) {
  Deploy deploy;
  deploy.idle_s = std::nan("");
  EXPECT_EQ(find_not_finite(write_struct(deploy)), "idle_s");
}

TEST(WriteFields, reads_back_to_the_same_values) {
  Random random(9);
  for (int i = 0; i < 300; ++i) {
    Study study;
    study.model.name = "m" + std::to_string(random.below(100));
    study.deploy.batch_size = 1 + static_cast<std::int64_t>(random.below(1000));
    study.deploy.idle_s = 60 * (1 - random.uniform());
    study.deploy.graph = random.below(2) == 0;
    study.deploy.batching = random.below(2) == 0 ? Batching::fixed : Batching::continuous;
    study.deploy.devices.resize(1 + random.below(3), 5);
    study.deploy.weights["012"] = random.normal();
    study.deploy.extra = random.below(2) == 0 ? Json("true") : Json(1.0);
    if (random.below(2) == 0) {
      study.deploy.limit = 1 + static_cast<std::int64_t>(random.below(10));
      study.judge = Model{"~", "null"};
    }
    const Json written = write_struct(study);
    const auto text = write_json(written);
    const auto back = read_json_struct<Study>(*parse_json(text), "study.json");
    ASSERT_TRUE(back) << text << back.error().message;
    ASSERT_EQ(write_struct(*back), written);
  }
}

TEST(HashedFields, holds_only_what_differs_from_the_defaults) {
  Study study;
  EXPECT_EQ(hashed(study), "{}");
  study.model.name = "m";
  study.deploy.batch_size = 8;
  study.deploy.limit = 2;
  EXPECT_EQ(hashed(study), R"({"deploy":{"batch_size":8,"limit":2},"model":{"name":"m"}})");
}

TEST(HashedFields, leaves_out_what_does_not_belong_to_the_configuration) {
  Study study;
  study.deploy.secret = 5;
  EXPECT_EQ(hashed(study), "{}");
}

TEST(HashedFields, writes_whole_lists_maps_and_present_optionals) {
  Study study;
  study.drafts = {{"a", std::nullopt}, {"b", "r"}};
  study.judge = Model{};
  EXPECT_EQ(hashed(study),
            R"({"drafts":[{"name":"a"},{"name":"b","revision":"r"}],"judge":{"name":""}})");
}

TEST(HashedFields, says_that_a_default_was_cleared) {
  Deploy defaults;
  defaults.limit = 5;
  const Deploy cleared;
  EXPECT_EQ(write_json(hashed_fields(Deploy::table(), &cleared, &defaults)), R"({"limit":null})");
}

TEST(HashedFields, do_not_depend_on_the_order_or_kind_of_free_values) {
  Study one;
  one.deploy.extra = *parse_json(R"({"a": 1, "b": 2.0})");
  Study other;
  other.deploy.extra = *parse_json(R"({"b": 2, "a": 1.0})");
  EXPECT_EQ(hashed(one), hashed(other));
}

TEST(MakeSchema, describes_bounds_units_words_and_required_keys) {
  const Json schema = make_schema(Study::table(), "https://example.org/study.json", "Study");
  EXPECT_EQ(schema.text_or("$schema", ""), "https://json-schema.org/draft/2020-12/schema");
  EXPECT_EQ(schema.text_or("$id", ""), "https://example.org/study.json");
  EXPECT_EQ(schema.text_or("title", ""), "Study");
  EXPECT_FALSE(schema.bool_or("additionalProperties", true));
  EXPECT_EQ(write_json(*schema.find("required")), R"(["model"])");
  const Json& deploy = *schema.find("$defs")->find("deploy");
  EXPECT_FALSE(deploy.bool_or("additionalProperties", true));
  const Json& fields = *deploy.find("properties");
  EXPECT_EQ(write_json(*fields.find("batch_size")),
            R"({"description":"Requests at once","type":"integer","minimum":1})");
  EXPECT_EQ(
      write_json(*fields.find("idle_s")),
      R"({"description":"Pause","x-unit":"s","type":"number","exclusiveMinimum":0,"maximum":60})");
  EXPECT_EQ(write_json(*fields.find("graph")),
            R"({"description":"Capture graphs","type":"boolean"})");
  EXPECT_EQ(
      write_json(*fields.find("batching")),
      R"({"description":"How requests are batched","type":"string","enum":["static","continuous"]})");
  EXPECT_EQ(write_json(*fields.find("precision")),
            R"({"description":"Number format","type":"string","enum":["f16","bf16"]})");
  EXPECT_EQ(write_json(*fields.find("limit")),
            R"({"description":"Most tokens","type":["integer","null"],"minimum":1,"maximum":10})");
  EXPECT_EQ(
      write_json(*fields.find("devices")),
      R"({"description":"Cards","type":"array","minItems":1,"maxItems":3,"items":{"type":"integer"}})");
  EXPECT_EQ(write_json(*fields.find("weights")),
            R"({"description":"Shares","type":"object","additionalProperties":{"type":"number"}})");
  EXPECT_EQ(write_json(*fields.find("extra")), R"({"description":"Engine arguments"})");
}

TEST(MakeSchema, offers_the_shorthand_or_the_map) {
  const Json schema = make_schema(Study::table(), "id", "t");
  EXPECT_EQ(
      write_json(*schema.find("$defs")->find("model")),
      R"({"description":"A model","anyOf":[{"description":"Which model","type":"string","minLength":1},)"
      R"({"type":"object","additionalProperties":false,"properties":{)"
      R"("name":{"description":"Which model","type":"string","minLength":1},)"
      R"("revision":{"description":"Which version of it","type":["string","null"]}},)"
      R"("required":["name"]}]})");
  EXPECT_EQ(write_json(*schema.find("properties")->find("judge")),
            R"({"description":"Judge","anyOf":[{"$ref":"#/$defs/model"},{"type":"null"}]})");
}

TEST(DescribeType, tells_a_person_what_to_write) {
  std::map<std::string_view, std::string> told;
  for (const FieldInfo& field : Study::table().fields) {
    told[field.name] = describe_type(field);
  }
  for (const FieldInfo& field : Deploy::table().fields) {
    told[field.name] = describe_type(field);
  }
  EXPECT_EQ(told["model"], "text, not empty, or map");
  EXPECT_EQ(told["deploy"], "map");
  EXPECT_EQ(told["batch_size"], "integer, 1 or more");
  EXPECT_EQ(told["idle_s"], "number, above 0 and at most 60");
  EXPECT_EQ(told["graph"], "true or false");
  EXPECT_EQ(told["batching"], "one of static, continuous");
  EXPECT_EQ(told["devices"], "list of integers, 1 to 3 items");
  EXPECT_EQ(told["weights"], "map of names to numbers");
  EXPECT_EQ(told["extra"], "any value");
  EXPECT_EQ(told["drafts"], "list of maps");
}

}  // namespace
}  // namespace llem::base
