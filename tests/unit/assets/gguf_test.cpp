#include <fstream>

#include <gtest/gtest.h>

#include "assets/assets.hpp"
#include "assets/ggml_types.hpp"
#include "unit/assets/gguf_bytes.hpp"

namespace llem::assets {
namespace {

using test::GgufBytes;
using test::tiny_model;

Expected<domain::ModelFacts> parse(const std::string& bytes) {
  return parse_gguf(bytes, bytes.size());
}

Error failure_of(const std::string& bytes) {
  const auto facts = parse(bytes);
  EXPECT_FALSE(facts);
  return facts ? Error{} : facts.error();
}

TEST(Gguf, FactsOfASmallModel) {
  for (const std::uint32_t version : {2U, 3U}) {
    const auto facts = parse(tiny_model(version).file());
    ASSERT_TRUE(facts) << facts.error().message;
    EXPECT_EQ(facts->name, "Tiny");
    EXPECT_EQ(facts->architecture, "llama");
    EXPECT_EQ(facts->file_type, "Q4_0");
    EXPECT_EQ(facts->layers, 2);
    EXPECT_EQ(facts->width, 64);
    EXPECT_EQ(facts->ffn_width, 96);
    EXPECT_EQ(facts->heads, 4);
    EXPECT_EQ(facts->kv_heads, 2);
    EXPECT_EQ(facts->head_width, 16);
    EXPECT_EQ(facts->vocabulary, 100);
    EXPECT_EQ(facts->context_length, 512);
    EXPECT_EQ(facts->tied_embeddings, true);
    EXPECT_EQ(facts->gated_mlp, true);
    EXPECT_EQ(facts->experts, std::nullopt);
    EXPECT_EQ(facts->sliding_window, std::nullopt);
    EXPECT_EQ(facts->parameters, 64 * 100 + 2 * 64 * 96 + 64);
    EXPECT_EQ(facts->bytes, 36 * (100 + 2 * 96) + 256);
    EXPECT_EQ(facts->embedding_bytes, 3600);
    EXPECT_EQ(facts->output_bytes, std::nullopt);
  }
}

TEST(Gguf, AnOutputMatrixUntiesTheEmbeddings) {
  const auto facts = parse(tiny_model().tensor("output.weight", {64, 100}, 1, 12800).file());
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->tied_embeddings, false);
  EXPECT_EQ(facts->output_bytes, 12800);
}

TEST(Gguf, ExpertsWindowsAndLayersThatDiffer) {
  GgufBytes model;
  model.put("general.architecture", "moe")
      .put("moe.block_count", 2U)
      .put("moe.embedding_length", 64U)
      .put("moe.attention.head_count", std::vector<std::uint32_t>{4, 8})
      .put("moe.attention.key_length", 24U)
      .put("moe.attention.sliding_window", 128U)
      .put("moe.feed_forward_length", std::vector<std::uint32_t>{100, 201})
      .put("moe.expert_feed_forward_length", 32U)
      .put("moe.expert_count", 8U)
      .put("moe.expert_used_count", 2U)
      .tensor("token_embd.weight", {64, 10}, 30, 1280)
      .tensor("blk.0.ffn_up_exps.weight", {64, 32, 8}, 30, 32768);
  const auto facts = parse(model.file());
  ASSERT_TRUE(facts) << facts.error().message;
  EXPECT_EQ(facts->heads, 6);
  EXPECT_EQ(facts->kv_heads, 6);
  EXPECT_EQ(facts->head_width, 24);
  EXPECT_EQ(facts->sliding_window, 128);
  EXPECT_EQ(facts->experts, 8);
  EXPECT_EQ(facts->experts_active, 2);
  EXPECT_EQ(facts->ffn_width, 32);
  EXPECT_EQ(facts->gated_mlp, false);
  EXPECT_EQ(facts->file_type, "BF16") << "of most bytes, where the file does not say";
}

TEST(Gguf, GateAndUpInOneMatrixAreGated) {
  GgufBytes model;
  model.put("general.architecture", "phi3")
      .put("phi3.feed_forward_length", 96U)
      .tensor("blk.0.ffn_up.weight", {64, 192}, 0, 49152);
  EXPECT_EQ(parse(model.file())->gated_mlp, true);
}

TEST(Gguf, ForeignFilesSayThatTheyAre) {
  EXPECT_EQ(failure_of("").code, "not_gguf");
  EXPECT_EQ(failure_of("PK\x03\x04 a zip file").code, "not_gguf");
  EXPECT_EQ(failure_of("PK\x03\x04 a zip file").message, "is not a GGUF file");
  EXPECT_EQ(failure_of("GGUF").code, "truncated");
  EXPECT_EQ(failure_of(tiny_model(1).file()).message,
            "has GGUF version 1; this program reads 2 and 3");
  EXPECT_EQ(failure_of(tiny_model(4).file()).code, "unsupported_gguf");
  EXPECT_EQ(failure_of(tiny_model(0x03000000).file()).message, "is a big-endian GGUF file");
}

TEST(Gguf, EveryTruncationIsFound) {
  const std::string whole = tiny_model().file();
  const std::size_t header = tiny_model().header().size();
  for (std::size_t size = 4; size < whole.size() - 31; size += size < header ? 1 : 97) {
    const auto facts = parse(whole.substr(0, size));
    ASSERT_FALSE(facts) << size;
    ASSERT_EQ(facts.error().code, "truncated") << size << ": " << facts.error().message;
  }
  const Error late = failure_of(whole.substr(0, whole.size() - 1000));
  EXPECT_NE(late.message.find("its weights end at byte"), std::string::npos) << late.message;
}

TEST(Gguf, CountsThatLieCostNothing) {
  GgufBytes many = tiny_model();
  many.tensor_count = UINT64_MAX;
  EXPECT_EQ(failure_of(many.header()).code, "truncated");
  many = tiny_model();
  many.value_count = UINT64_MAX / 2;
  EXPECT_FALSE(parse(many.header()));
  // A text of 2^64 - 1 bytes, an array of 2^63 elements.
  EXPECT_FALSE(parse(GgufBytes().put("k", 8, GgufBytes::raw(UINT64_MAX)).header()));
  EXPECT_FALSE(parse(
      GgufBytes()
          .put("k", 9, GgufBytes::raw<std::uint32_t>(4) + GgufBytes::raw(std::uint64_t{1} << 63))
          .header()));
}

TEST(Gguf, AbsurdTensorsAreRefused) {
  const auto with = [](const std::vector<std::uint64_t>& shape, std::uint32_t type) {
    return failure_of(
               GgufBytes().put("general.architecture", "llama").tensor("t", shape, type, 0).file())
        .message;
  };
  EXPECT_EQ(with({0}, 0), "has a tensor `t` of an absurd shape");
  EXPECT_EQ(with({UINT64_MAX, 2}, 0), "has a tensor `t` of an absurd shape");
  EXPECT_EQ(with({1U << 30, 1U << 30, 1U << 30}, 0), "has a tensor `t` of an absurd shape");
  EXPECT_EQ(with({33}, 2), "has a tensor `t` whose rows are no whole Q4_0 blocks");
  EXPECT_NE(with({1, 1, 1, 1, 1}, 0).find("5 dimensions"), std::string::npos);
  EXPECT_NE(with({1024}, 0).find("is truncated"), std::string::npos);
}

TEST(Gguf, ATypeOfTheFutureLeavesTheBytesOpen) {
  const auto facts = parse(tiny_model().tensor("new", {64}, 200, 0).file());
  ASSERT_TRUE(facts) << facts.error().message;
  EXPECT_EQ(facts->bytes, std::nullopt);
  EXPECT_TRUE(facts->parameters);
}

TEST(Gguf, WhatIsNoSingleModelSaysSo) {
  EXPECT_EQ(failure_of(tiny_model().put("split.count", 3U).file()).message,
            "is one of 3 parts of a model");
  EXPECT_NE(failure_of(GgufBytes().put("general.architecture", "llama").file())
                .message.find("no weights"),
            std::string::npos);
  EXPECT_NE(failure_of(GgufBytes().tensor("t", {1}, 0, 4).file()).message.find("architecture"),
            std::string::npos);
  EXPECT_FALSE(parse(tiny_model().put("general.alignment", 24U).file()));
  EXPECT_FALSE(parse(tiny_model().put("general.name", "twice").file()));
  EXPECT_FALSE(parse(GgufBytes().put("k", 77, "").tensor("t", {1}, 0, 4).file()));
}

TEST(Gguf, NumbersThatAreNoneAreAbsent) {
  GgufBytes model = tiny_model();
  model.put("llama.expert_count", 12, GgufBytes::raw(1e300))
      .put("llama.attention.sliding_window", 6, GgufBytes::raw(-1.0F));
  const auto facts = parse(model.file());
  ASSERT_TRUE(facts);
  EXPECT_EQ(facts->experts, std::nullopt);
  EXPECT_EQ(facts->sliding_window, std::nullopt);
}

TEST(Gguf, AFileWithALongVocabularyIsReadInSteps) {
  auto folder = sys::TempDir::make("llem-gguf");
  ASSERT_TRUE(folder);
  std::string words = GgufBytes::raw<std::uint32_t>(8) + GgufBytes::raw<std::uint64_t>(400'000);
  for (int i = 0; i < 400'000; ++i) {
    words += GgufBytes::text("token" + std::to_string(i));
  }
  GgufBytes model = tiny_model();
  model.put("tokenizer.ggml.tokens", 9, words);
  const Path path = folder->path() / "model.gguf";
  std::ofstream(path, std::ios::binary) << model.file();
  const auto facts = read_gguf_facts(path);
  ASSERT_TRUE(facts) << facts.error().message;
  EXPECT_EQ(facts->vocabulary, 100);

  std::ofstream(path, std::ios::binary) << "not a model";
  EXPECT_EQ(read_gguf_facts(path).error().message, "`" + path.string() + "` is not a GGUF file");
  EXPECT_EQ(read_gguf_facts(folder->path() / "none").error().kind, ErrorKind::io);
}

TEST(GgmlTypes, SizesOfTheUsualOnes) {
  EXPECT_EQ(find_ggml_type(0)->block_bytes, 4U);
  EXPECT_EQ(find_ggml_type(12)->name, "Q4_K");
  EXPECT_EQ(find_ggml_type(12)->block_bytes, 144U);
  EXPECT_EQ(find_ggml_type(4), nullptr);
  EXPECT_EQ(find_ggml_type(1000), nullptr);
  EXPECT_EQ(file_type_name(3), "Q4_1");
  EXPECT_EQ(file_type_name(15), "Q4_K_M");
  EXPECT_EQ(file_type_name(32), "BF16");
  EXPECT_EQ(file_type_name(-1), "");
}

}  // namespace
}  // namespace llem::assets
