#include "assets/assets.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "assets/catalogue.hpp"
#include "assets/embedded.hpp"
#include "assets/hash_cache.hpp"
#include "base/hash.hpp"
#include "unit/assets/gguf_bytes.hpp"

namespace llem::assets {
namespace {

namespace fs = std::filesystem;

/// A machine of its own: no cache, no network, no catalogue but the built-in one.
class Assets : public testing::Test {
 protected:
  void SetUp() override {
    auto folder = sys::TempDir::make("llem-assets");
    ASSERT_TRUE(folder) << folder.error().message;
    folder_.emplace(*std::move(folder));
    ::setenv("XDG_CACHE_HOME", (folder_->path() / "cache").c_str(), 1);
    ::setenv("HF_HUB_OFFLINE", "1", 1);
    ::unsetenv("LLEM_CATALOGUE");
  }

  Path write(const std::string& name, std::string_view content) const {
    const Path path = folder_->path() / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  static domain::Model model(const std::string& name) {
    domain::Model made;
    made.name = name;
    return made;
  }

  static domain::Dataset dataset(const std::string& name) {
    domain::Dataset made;
    made.name = name;
    return made;
  }

  static Error model_failure(const domain::Model& model) {
    const auto resolved = resolve_model(model, Fetch::no);
    EXPECT_FALSE(resolved);
    return resolved ? Error{} : resolved.error();
  }

  static Error dataset_failure(const domain::Dataset& dataset) {
    const auto resolved = resolve_dataset(dataset, Fetch::no, false);
    EXPECT_FALSE(resolved);
    return resolved ? Error{} : resolved.error();
  }

  std::optional<sys::TempDir> folder_;
};

TEST_F(Assets, TheBuiltInCatalogueIsTheFileInTheTree) {
  EXPECT_EQ(embedded_catalogue(), sys::read_file(LLEM_SOURCE_DIR "/assets/catalogue.json").value());
  EXPECT_EQ(embedded_prompts(), sys::read_file(LLEM_SOURCE_DIR "/assets/prompts.txt").value());
  const auto entries = catalogue();
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].alias, "smollm2-135m");
  EXPECT_EQ(entries[0].kind, "model");
  EXPECT_EQ(entries[0].bytes, 98362432);
  EXPECT_FALSE(entries[0].cached);
  EXPECT_EQ(entries[1].alias, "aienergyscore");
  EXPECT_EQ(entries[1].kind, "dataset");
}

TEST_F(Assets, ACatalogueIsReadStrictly) {
  const auto with = [&](std::string_view text) {
    ::setenv("LLEM_CATALOGUE", write("catalogue.json", text).c_str(), 1);
    const auto read = read_catalogue();
    return read ? std::string() : read.error().message;
  };
  EXPECT_NE(with("{"), "");
  EXPECT_NE(with(R"({"v":2,"entries":[]})"), "");
  EXPECT_EQ(with(R"({"v":1,"entries":[]})"), "");
  EXPECT_NE(with(R"({"v":1,"entries":[],"extra":1})"), "");
  const std::string entry = R"({"alias":"a","kind":"model","name":"A","file":"a.gguf","sha256":")" +
                            std::string(64, '0') +
                            R"(","sources":[{"hub":{"repository":"o/r","file":"a.gguf"}}]})";
  EXPECT_EQ(with(R"({"v":1,"entries":[)" + entry + "]}"), "");
  EXPECT_EQ(with(R"({"v":1,"entries":[)" + entry + "," + entry + "]}"), "`a` stands there twice");
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string text = entry;
    text.replace(text.find(from), from.size(), to);
    return with(R"({"v":1,"entries":[)" + text + "]}");
  };
  EXPECT_EQ(changed(R"("sha256":"0)", R"("sha256":"g)"),
            "`a`: sha256 must be 64 lower-case hexadecimal digits");
  EXPECT_EQ(changed(R"("file":"a.gguf","sha)", R"("file":"../a.gguf","sha)"),
            "`a`: file must be a plain file name");
  EXPECT_EQ(changed("o/r", "../r"), "`a`: hub: repository and file must be relative paths");
  EXPECT_EQ(changed(R"({"hub":{"repository":"o/r","file":"a.gguf"}})", "{}"),
            "`a`: a source is either hub or wheel");
  ::setenv("LLEM_CATALOGUE", (folder_->path() / "none.json").c_str(), 1);
  EXPECT_FALSE(read_catalogue());
  EXPECT_TRUE(catalogue().empty());
}

TEST_F(Assets, ALocalModelHasFactsAndHash) {
  const std::string bytes = test::tiny_model().file();
  const Path path = write("models/tiny.Q4_0.gguf", bytes);
  domain::Model asked = model(path.string());
  const auto resolved = resolve_model(asked, Fetch::no);
  ASSERT_TRUE(resolved) << resolved.error().message;
  EXPECT_EQ(resolved->path, path);
  EXPECT_EQ(resolved->sha256, base::sha256_hex(bytes));
  EXPECT_EQ(resolved->name, "tiny.Q4_0");
  EXPECT_EQ(resolved->facts.layers, 2);

  asked.sha256 = base::sha256_hex(bytes);
  EXPECT_TRUE(resolve_model(asked, Fetch::no));
  asked.sha256 = std::string(64, 'A');
  const Error wrong = model_failure(asked);
  EXPECT_EQ(wrong.code, "wrong_hash");
  EXPECT_NE(wrong.message.find("expected sha256 AAAA"), std::string::npos);
  EXPECT_NE(wrong.message.find("got " + base::sha256_hex(bytes)), std::string::npos);
  EXPECT_TRUE(fs::exists(path)) << "a user's own file is never deleted";
  asked.sha256 = "abc";
  EXPECT_EQ(model_failure(asked).kind, ErrorKind::config);
}

TEST_F(Assets, AMissingModelComesWithTheNearestFile) {
  write("models/tiny.gguf", "x");
  const Error near = model_failure(model((folder_->path() / "models/tiney.gguf").string()));
  EXPECT_EQ(near.code, "model_missing");
  EXPECT_EQ(near.hint, "did you mean `" + (folder_->path() / "models/tiny.gguf").string() + "`?");
  const Error far = model_failure(model((folder_->path() / "models/something.gguf").string()));
  EXPECT_EQ(far.hint, "in that folder: tiny.gguf; aliases: smollm2-135m");
  const Error folder = model_failure(model((folder_->path() / "models").string()));
  EXPECT_EQ(folder.code, "model_is_directory");
  EXPECT_EQ(folder.hint, "name one of its files: tiny.gguf");
  EXPECT_EQ(model_failure(model((folder_->path() / "models/tiny.gguf").string())).code, "not_gguf");
}

TEST_F(Assets, UnknownNamesComeWithTheNearestAlias) {
  const Error near = model_failure(model("smollm2-153m"));
  EXPECT_EQ(near.kind, ErrorKind::config);
  EXPECT_EQ(near.hint, "did you mean `smollm2-135m`?");
  EXPECT_EQ(model_failure(model("entirely-else")).code, "model_unknown");
  EXPECT_EQ(dataset_failure(dataset("aienergyscor")).hint, "did you mean `aienergyscore`?");
  EXPECT_EQ(dataset_failure(dataset("entirely-else")).code, "dataset_unknown");
}

TEST_F(Assets, RepositoriesNeedAFile) {
  EXPECT_EQ(model_failure(model("owner/name")).hint,
            "model: {name: owner/name, file: <name>.gguf}");
  domain::Model asked = model("owner/name");
  asked.file = "../x.gguf";
  EXPECT_EQ(model_failure(asked).kind, ErrorKind::config);
  asked.file = "x.gguf";
  EXPECT_EQ(model_failure(asked).code, "not_cached");
  domain::Model alias = model("smollm2-135m");
  alias.file = "x.gguf";
  EXPECT_EQ(model_failure(alias).kind, ErrorKind::config);
}

TEST_F(Assets, WithoutNetworkAnAliasNeedsTheCache) {
  const Error model_error = model_failure(model("smollm2-135m"));
  EXPECT_EQ(model_error.code, "not_cached");
  EXPECT_EQ(model_error.message,
            "`smollm2-135m` is not on this machine and HF_HUB_OFFLINE forbids fetching it");
  const Error error = dataset_failure(dataset("aienergyscore"));
  EXPECT_EQ(error.code, "not_cached");
  EXPECT_NE(error.hint.find("`bundled`"), std::string::npos);
}

TEST_F(Assets, TheQuickProfileFallsBackToTheBundledPrompts) {
  const auto set = resolve_dataset(dataset("aienergyscore"), Fetch::yes, true);
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_TRUE(set->substituted);
  EXPECT_EQ(set->name, "bundled");
  const auto bundled = resolve_dataset(dataset("bundled"), Fetch::no, false);
  ASSERT_TRUE(bundled);
  EXPECT_FALSE(bundled->substituted);
  EXPECT_EQ(bundled->sha256, set->sha256);
  EXPECT_GE(bundled->prompts.size(), 40U);
}

TEST_F(Assets, ACachedFileOfTheWrongContentNeverPasses) {
  const Path path = folder_->path() / "cache/llem/datasets/aienergyscore/aienergyscore.jsonl";
  write(fs::relative(path, folder_->path()).string(), "{\"prompt\":\"a\"}\n");
  EXPECT_EQ(dataset_failure(dataset("aienergyscore")).code, "not_cached");
}

TEST_F(Assets, LocalDataSets) {
  const Path jsonl = write("mine.jsonl", "{\"prompt\":\"a\"}\n\n{\"prompt\":\"b\"}\n");
  const auto set = resolve_dataset(dataset(jsonl.string()), Fetch::no, false);
  ASSERT_TRUE(set) << set.error().message;
  EXPECT_EQ(set->name, "mine");
  EXPECT_EQ(set->prompts.size(), 2U);
  EXPECT_EQ(set->skipped, 1);
  EXPECT_EQ(set->sha256, base::sha256_hex("{\"prompt\":\"a\"}\n\n{\"prompt\":\"b\"}\n"));
  EXPECT_EQ(set->path, jsonl);

  const Path text = write("mine.txt", "a\nb\nc\n");
  EXPECT_EQ(resolve_dataset(dataset(text.string()), Fetch::no, false)->prompts.size(), 3U);
  domain::Dataset field = dataset(text.string());
  field.field = "prompt";
  EXPECT_EQ(dataset_failure(field).kind, ErrorKind::config);

  const Path empty = write("empty.jsonl", "{\"prompt\":\"\"}\n");
  EXPECT_EQ(dataset_failure(dataset(empty.string())).message,
            "`" + empty.string() + "`: empty prompt at line 1");
  EXPECT_EQ(dataset_failure(dataset("none.jsonl")).code, "dataset_missing");
  EXPECT_EQ(dataset_failure(dataset(folder_->path().string())).code, "dataset_missing");
  EXPECT_EQ(dataset_failure(dataset(write("x.csv", "a").string())).kind, ErrorKind::config);
}

TEST_F(Assets, SyntheticPromptsAreMadeLater) {
  const auto set = resolve_dataset(dataset("synthetic"), Fetch::no, false);
  ASSERT_TRUE(set);
  EXPECT_TRUE(set->prompts.empty());
}

TEST_F(Assets, AHashIsComputedOncePerContent) {
  const Path path = write("file", "one");
  EXPECT_EQ(cached_sha256(path).value(), base::sha256_hex("one"));
  const Path cache = folder_->path() / "cache/llem/hashes.json";
  ASSERT_TRUE(fs::exists(cache));
  // What stands in the cache is believed while size, time and inode are the same …
  std::string text = sys::read_file(cache).value();
  const std::string hash = base::sha256_hex("one");
  text.replace(text.find(hash), hash.size(), std::string(64, '1'));
  std::ofstream(cache) << text;
  EXPECT_EQ(cached_sha256(path).value(), std::string(64, '1'));
  // … and not longer.
  std::ofstream(path) << "other";
  EXPECT_EQ(cached_sha256(path).value(), base::sha256_hex("other"));
  std::ofstream(cache) << "broken";
  EXPECT_EQ(cached_sha256(path).value(), base::sha256_hex("other"));
  EXPECT_FALSE(cached_sha256(folder_->path() / "none"));
}

}  // namespace
}  // namespace llem::assets
