#include "predict/transformer.hpp"

#include <cmath>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace llem::predict {
namespace {

struct Numbers {
  std::int64_t layers, width, ffn, heads, kv_heads, head_width, vocabulary;
};

domain::ModelFacts facts_of(const Numbers& n, bool tied = false) {
  domain::ModelFacts f;
  f.layers = n.layers;
  f.width = n.width;
  f.ffn_width = n.ffn;
  f.heads = n.heads;
  f.kv_heads = n.kv_heads;
  f.head_width = n.head_width;
  f.vocabulary = n.vocabulary;
  f.gated_mlp = true;
  f.tied_embeddings = tied;
  return f;
}

Shape llama_8b() {
  return *make_shape(facts_of({32, 4096, 14336, 32, 8, 128, 128256}));
}

Shape llama_70b() {
  return *make_shape(facts_of({80, 8192, 28672, 64, 8, 128, 128256}));
}

Shape mixtral() {
  auto facts = facts_of({32, 4096, 14336, 32, 8, 128, 32000});
  facts.experts = 8;
  facts.experts_active = 2;
  return *make_shape(facts);
}

Shape qwen_half_b() {
  return *make_shape(facts_of({24, 896, 4864, 14, 2, 64, 151936}, true));
}

std::string giga(double value, int digits) {
  return fmt::format("{:.{}f}", value * 1e-9, digits);
}

std::string tera(double value, int digits) {
  return fmt::format("{:.{}f}", value * 1e-12, digits);
}

double prefill(const Shape& s, double tokens) {
  return prefill_flops(s, 0, tokens, true);
}

// The literals below are the published shapes put into the formulas by hand
// (docs/methodology/compute.md).
TEST(Flops, of_llama_8b_match_the_table_to_every_printed_digit) {
  const Shape s = llama_8b();
  EXPECT_EQ(giga(matmul_parameters(s), 3), "7.505");
  EXPECT_EQ(giga(decode_flops(s, 0), 2), "15.01");
  EXPECT_DOUBLE_EQ(decode_flops(s, 1) - decode_flops(s, 0), 524288);
  EXPECT_EQ(tera(prefill(s, 128), 4), "1.7921");
  EXPECT_EQ(tera(prefill(s, 2048), 4), "29.6884");
  EXPECT_EQ(tera(prefill(s, 8192), 4), "131.9446");
  EXPECT_EQ(giga(decode_flops(s, 128), 3), "15.076");
  EXPECT_EQ(giga(decode_flops(s, 2048), 3), "16.083");
  EXPECT_EQ(giga(decode_flops(s, 8192), 3), "19.304");
}

TEST(Flops, with_logits_for_every_prompt_token_match_the_table) {
  const Shape s = llama_8b();
  // Decoding the prompt token by token computes logits for each.
  EXPECT_EQ(tera(decode_flops(s, 0, 128), 4), "1.9255");
  EXPECT_EQ(tera(decode_flops(s, 0, 2048), 4), "31.8391");
  EXPECT_EQ(tera(decode_flops(s, 0, 8192), 4), "140.5507");
}

TEST(Flops, of_llama_70b_match_the_table) {
  const Shape s = llama_70b();
  EXPECT_EQ(giga(matmul_parameters(s), 3), "69.502");
  EXPECT_EQ(giga(decode_flops(s, 0), 2), "139.00");
  EXPECT_DOUBLE_EQ(decode_flops(s, 1) - decode_flops(s, 0), 2621440);
  EXPECT_EQ(tera(prefill(s, 128), 4), "17.5472");
  EXPECT_EQ(tera(prefill(s, 2048), 4), "285.8778");
  EXPECT_EQ(tera(prefill(s, 8192), 4), "1209.4756");
}

TEST(Flops, of_a_mixture_of_experts_count_the_active_ones_and_the_router) {
  const Shape s = mixtral();
  EXPECT_EQ(giga(matmul_parameters(s), 3), "12.749");
  EXPECT_EQ(giga(decode_flops(s, 0), 2), "25.50");
  EXPECT_EQ(tera(prefill(s, 128), 4), "3.2347");
  EXPECT_EQ(tera(prefill(s, 2048), 4), "52.7817");
  EXPECT_EQ(tera(prefill(s, 8192), 4), "224.3200");
}

TEST(Flops, of_a_model_with_tied_embeddings_count_the_output_matrix_once) {
  const Shape s = qwen_half_b();
  EXPECT_EQ(giga(matmul_parameters(s), 3), "0.494");
  EXPECT_EQ(giga(decode_flops(s, 0), 3), "0.988");
  EXPECT_DOUBLE_EQ(decode_flops(s, 1) - decode_flops(s, 0), 86016);
  EXPECT_EQ(tera(prefill(s, 128), 6), "0.092586");
  EXPECT_EQ(tera(prefill(s, 2048), 6), "1.646407");
  EXPECT_EQ(tera(prefill(s, 8192), 6), "8.749473");
}

TEST(Flops, of_a_span_are_the_sum_of_its_tokens) {
  auto facts = facts_of({2, 64, 256, 4, 2, 16, 1000});
  for (const std::int64_t window : {0, 10, 20, 1000}) {
    facts.sliding_window = window;
    const Shape s = *make_shape(facts);
    double sum = 0;
    for (int context = 8; context <= 27; ++context) {
      sum += decode_flops(s, context);
    }
    EXPECT_DOUBLE_EQ(decode_flops(s, 7, 20), sum) << window;
  }
}

TEST(Flops, of_chunks_add_up_to_the_whole_prompt) {
  const Shape s = llama_8b();
  const double whole = prefill_flops(s, 0, 2048, true);
  EXPECT_DOUBLE_EQ(prefill_flops(s, 0, 512, false) + prefill_flops(s, 512, 1536, true), whole);
}

TEST(KvBytes, per_token_match_the_table_in_bf16) {
  EXPECT_EQ(kv_bytes_per_token(llama_8b(), 2), 131072);
  EXPECT_EQ(kv_bytes_per_token(llama_70b(), 2), 327680);
  EXPECT_EQ(kv_bytes_per_token(mixtral(), 2), 131072);
  EXPECT_EQ(kv_bytes_per_token(qwen_half_b(), 2), 12288);
}

TEST(KvBytes, of_quantised_types_include_the_scales) {
  EXPECT_EQ(kv_element_bytes("f16"), 2);
  EXPECT_EQ(kv_element_bytes("Q8_0"), 34.0 / 32);  // 32 bytes and one half-precision scale
  EXPECT_EQ(kv_element_bytes("q4_0"), 18.0 / 32);
  EXPECT_FALSE(kv_element_bytes("auto"));
}

TEST(StepBytes, of_a_dense_model_are_the_weights_but_the_embedding_plus_the_cache) {
  auto facts = facts_of({32, 4096, 14336, 32, 8, 128, 128256});
  facts.bytes = 16060522496;           // 8.030 billion parameters in bf16
  facts.embedding_bytes = 1050673152;  // 128256 x 4096 x 2
  const Shape s = *make_shape(facts);
  // 15.01 GB: 4.48 ms at 3.35 TB/s.
  EXPECT_EQ(giga(step_bytes(s, 1, 0, 2), 2), "15.01");
  EXPECT_DOUBLE_EQ(step_bytes(s, 4, 1000, 2), 15009849344.0 + 131072000.0);
}

TEST(StepBytes, of_experts_grow_with_the_batch_towards_all_of_them) {
  const Shape s = mixtral();
  const double one = step_bytes(s, 1, 0, 2);
  const double many = step_bytes(s, 64, 0, 2);
  EXPECT_EQ(giga(one / 2, 2), "12.75");   // two of eight experts
  EXPECT_EQ(giga(many / 2, 2), "46.57");  // 46.703 billion less the input embedding of 0.131
}

TEST(Shape, says_what_it_filled_in) {
  domain::ModelFacts facts;
  EXPECT_FALSE(make_shape(facts));
  facts.layers = 2;
  facts.width = 64;
  facts.heads = 4;
  facts.vocabulary = 100;
  const auto shape = make_shape(facts);
  ASSERT_TRUE(shape);
  EXPECT_EQ(shape->head_width, 16);
  EXPECT_EQ(shape->kv_heads, 4);
  EXPECT_EQ(shape->assumptions.size(), 5U);
}

TEST(MemoryFit, counts_weights_cache_and_slack_and_compares) {
  auto facts = facts_of({32, 4096, 14336, 32, 8, 128, 128256});
  facts.bytes = 16060522496;
  domain::Deploy deploy;
  deploy.batch_size = 8;
  const auto fit = memory_fit(facts, deploy, 4096, 24e9);
  EXPECT_DOUBLE_EQ(fit.kv_cache_bytes, 8 * 4096 * 131072.0);  // 4.3 GB
  EXPECT_TRUE(fit.fits);
  EXPECT_FALSE(memory_fit(facts, deploy, 32768, 24e9).fits);
  EXPECT_FALSE(fit.assumptions.empty());
}

TEST(Peak, is_found_by_product_name_whatever_its_spelling) {
  EXPECT_EQ(gpu_peak("NVIDIA A100-SXM4-80GB", "bf16")->bytes_per_s, 2039e9);
  EXPECT_EQ(gpu_peak("NVIDIA A100 80GB PCIe", "bf16")->bytes_per_s, 1935e9);
  EXPECT_EQ(gpu_peak("NVIDIA H100 80GB HBM3", "f16")->flops_per_s, 989e12);
  EXPECT_EQ(gpu_peak("NVIDIA H200", "fp8")->flops_per_s, 1979e12);
  EXPECT_EQ(gpu_peak("NVIDIA L40S", "Q4_1")->flops_per_s, 362e12);
  EXPECT_EQ(gpu_peak("NVIDIA L4", "f16")->flops_per_s, 121e12);
  EXPECT_EQ(gpu_peak("NVIDIA L4", "f16")->source, "NVIDIA L4 datasheet, dense");
}

TEST(Peak, is_absent_for_what_the_table_does_not_know) {
  EXPECT_FALSE(gpu_peak("AMD EPYC 7763", "f16"));
  EXPECT_FALSE(gpu_peak("Tesla V100-SXM2-16GB", "fp8"));
  EXPECT_FALSE(gpu_peak("Tesla V100-SXM2-16GB", "bf16"));  // no bf16 units before Ampere
  EXPECT_FALSE(gpu_peak("NVIDIA A100-SXM4-80GB", "fp8"));  // int8 only
  EXPECT_FALSE(gpu_peak("NVIDIA H200", "f32"));
  EXPECT_FALSE(gpu_peak("", "f16"));
}

}  // namespace
}  // namespace llem::predict
