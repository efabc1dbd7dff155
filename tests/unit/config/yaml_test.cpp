#include <gtest/gtest.h>

#include "base/json.hpp"
#include "config/config.hpp"
#include "config/yaml_text.hpp"
#include "unit/config/errors.hpp"

namespace llem::config {
namespace {

using base::Tree;

std::string as_json(std::string_view yaml) {
  const auto tree = parse_yaml(yaml, "a.yaml");
  return tree ? base::write_json(base::json_from_tree(*tree)) : error_text(tree);
}

std::string refusal(std::string_view yaml) {
  return error_text(parse_yaml(yaml, "a.yaml"));
}

TEST(Yaml, keeps_the_place_of_every_key_and_value) {
  const auto tree = parse_yaml("a: 1\nb:\n  c: [x,  y]\n", "a.yaml");
  ASSERT_TRUE(tree);
  const Tree* c = tree->find("b")->find("c");
  EXPECT_EQ(tree->entries[1].mark.line, 2);
  EXPECT_EQ(tree->entries[1].mark.column, 1);
  EXPECT_EQ(c->mark.line, 3);
  EXPECT_EQ(c->mark.column, 6);
  EXPECT_EQ(c->items[1].mark.column, 11);
}

TEST(Yaml, tells_quoted_scalars_from_plain_ones) {
  EXPECT_EQ(as_json("a: 8\nb: '8'\nc: \"8\"\nd: yes\ne: true\nf: ~\ng:\nh: |\n  text\n"),
            R"({"a":8,"b":"8","c":"8","d":"yes","e":true,"f":null,"g":null,"h":"text\n"})");
}

TEST(Yaml, reads_json) {
  EXPECT_EQ(as_json(R"({"model": "x", "deploy": {"batch_size": 8, "devices": ["0"]}})"),
            R"({"model":"x","deploy":{"batch_size":8,"devices":["0"]}})");
}

TEST(Yaml, takes_an_empty_document_for_nothing) {
  for (const char* text : {"", "\n", "# only a comment\n", "---\n", "\xef\xbb\xbf"}) {
    EXPECT_EQ(as_json(text), "null") << text;
  }
}

TEST(Yaml, copies_what_an_alias_names) {
  EXPECT_EQ(as_json("a: &x {b: [1, 2]}\nc: *x\nd: [*x]\n"),
            R"({"a":{"b":[1,2]},"c":{"b":[1,2]},"d":[{"b":[1,2]}]})");
}

TEST(Yaml, refuses_a_duplicate_key_and_names_both_places) {
  EXPECT_EQ(refusal("deploy:\n  batch_size: 8\n  threads: 2\n  batch_size: 4\n"),
            "error: the key `batch_size` appears twice\n"
            "  at a.yaml:4:3 deploy.batch_size\n"
            "  at a.yaml:2:3 (the first one)\n"
            "  hint: keep one of them\n");
}

TEST(Yaml, refuses_tags) {
  const std::string hint =
      "  hint: leave it out: the field decides the type, and quotes make text\n";
  EXPECT_EQ(refusal("a: !!str 8\n"),
            "error: the tag `tag:yaml.org,2002:str` is not understood\n  at a.yaml:1:4 a\n" + hint);
  EXPECT_EQ(refusal("a: !mine {b: 1}\n"),
            "error: the tag `!mine` is not understood\n  at a.yaml:1:4 a\n" + hint);
  EXPECT_EQ(refusal("a: !mine\n"),
            "error: the tag `!mine` is not understood\n  at a.yaml:1:4 a\n" + hint);
  EXPECT_EQ(refusal("a: !!python/object:os.system [x]\n"),
            "error: the tag `tag:yaml.org,2002:python/object:os.system` is not understood\n"
            "  at a.yaml:1:4 a\n" +
                hint);
}

TEST(Yaml, refuses_a_second_document) {
  EXPECT_EQ(refusal("a: 1\n---\nb: 2\n"),
            "error: the file goes on after its document has ended\n  at a.yaml:2:1\n"
            "  hint: one file holds one document: remove the rest, or the `---` before it\n");
}

TEST(Yaml, refuses_keys_that_are_no_text) {
  EXPECT_EQ(refusal("? [a]\n: 1\n"),
            "error: a list or a map stands where a key should\n  at a.yaml:1:3\n"
            "  hint: a key is text; is a bracket or a brace left open?\n");
  EXPECT_EQ(refusal("~: 1\n"),
            "error: a key is empty\n  at a.yaml:1:1\n  hint: write text before the colon\n");
  EXPECT_EQ(refusal("a: &x b\n*x : 1\n"),
            "error: an alias stands where a key should\n  at a.yaml:2:1\n"
            "  hint: write the key out\n");
}

TEST(Yaml, refuses_a_value_that_holds_itself) {
  EXPECT_EQ(refusal("a: &x [*x]\n"),
            "error: an alias stands inside the value it names\n  at a.yaml:1:8 a[0]\n"
            "  hint: write the value out: nothing can hold itself\n");
}

TEST(Yaml, bounds_what_aliases_expand_to) {
  std::string laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) {
      laughs += (j > 0 ? ", *a" : "*a") + std::to_string(i - 1);
    }
    laughs += "]\n";
  }
  EXPECT_EQ(refusal(laughs),
            "error: the document holds more than 100000 values or 32.0 MiB once its aliases are "
            "written out\n  at a.yaml:5:40 a4[6]\n");
}

TEST(Yaml, bounds_the_bytes_aliases_expand_to) {
  std::string text = "a: &a " + std::string(1 << 20, 'x') + "\nb: [*a";
  for (int i = 0; i < 40; ++i) {
    text += ", *a";
  }
  EXPECT_NE(refusal(text + "]\n").find("more than 100000 values or 32.0 MiB"), std::string::npos);
}

TEST(Yaml, bounds_nesting) {
  const auto nested = [](std::size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(parse_yaml(nested(100), "a.yaml"));
  EXPECT_EQ(refusal(nested(101)).substr(0, 71),
            "error: values are nested more than 100 deep\n  at a.yaml:1:101 [0][0][0]");
  EXPECT_FALSE(parse_yaml(nested(100000), "a.yaml"));
}

TEST(Yaml, bounds_the_size_of_a_file) {
  EXPECT_EQ(refusal(std::string((16u << 20) + 1, ' ')),
            "error: the file has 16.0 MiB, more than the 16.0 MiB a configuration may have\n"
            "  at a.yaml\n  hint: is it the right file?\n");
}

TEST(Yaml, refuses_what_is_not_text) {
  EXPECT_EQ(refusal(std::string_view("a: 1\nb: \0x\n", 11)),
            "error: a control character 0x00\n  at a.yaml:2:4\n"
            "  hint: a configuration is UTF-8 text\n");
  // Text after this byte would silently be ignored.
  EXPECT_EQ(refusal("a: 1\n\x04\nb: 2\n"),
            "error: a control character 0x04\n  at a.yaml:2:1\n"
            "  hint: a configuration is UTF-8 text\n");
  EXPECT_EQ(refusal("a: \xff\n"),
            "error: a byte that is not UTF-8\n  at a.yaml:1:4\n  hint: save the file as UTF-8\n");
}

TEST(Yaml, says_where_a_file_is_broken) {
  EXPECT_EQ(refusal("a: [1, 2\nb: 3\n"),
            "error: this is not valid YAML: end of sequence flow not found\n  at a.yaml:2:2\n");
  EXPECT_EQ(refusal("a: *nowhere\n"),
            "error: this is not valid YAML: the referenced anchor is not defined\n"
            "  at a.yaml:1:4\n");
  EXPECT_EQ(refusal("a:\n\tb: 1\n").substr(0, 31), "error: this is not valid YAML: ");
}

TEST(Yaml, writes_text_that_reads_back_to_the_same_tree) {
  const std::string text =
      "model: {name: \"org/a b\", file: \"-\"}\n"
      "'odd: key': [1, -2.5e3, '8', \"\", ~, true, \"true\", [], {}, [[x], {y: z}]]\n"
      "text: \"line\\nbreak \\\"quoted\\\" \\\\ \xc3\xa9 #no comment\"\n"
      "null_text: 'null'\n'null': plain words\nstar: '*x'\n";
  const auto tree = parse_yaml(text, "a.yaml");
  ASSERT_TRUE(tree) << error_text(tree);
  const std::string written = write_yaml(*tree);
  EXPECT_EQ(as_json(written), as_json(text)) << written;
  EXPECT_EQ(write_yaml(*parse_yaml(written, "b.yaml")), written);
}

}  // namespace
}  // namespace llem::config
