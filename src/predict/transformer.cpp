#include "predict/transformer.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <utility>

#include "base/text.hpp"

namespace llem::predict {

namespace {

double number_or(const std::optional<std::int64_t>& value, double fallback) {
  return value ? static_cast<double>(*value) : fallback;
}

double attention_parameters(const Shape& s) {
  const double queries_and_output = 2 * s.width * s.heads * s.head_width;
  const double keys_and_values = 2 * s.width * s.kv_heads * s.head_width;
  return queries_and_output + keys_and_values;
}

double expert_parameters(const Shape& s) {
  return (s.gated_mlp ? 3 : 2) * s.width * s.ffn_width;
}

double mlp_parameters(const Shape& s, double experts_read) {
  if (s.experts <= 0) {
    return expert_parameters(s);
  }
  const double router = s.width * s.experts;
  return experts_read * expert_parameters(s) + router;
}

double all_parameters(const Shape& s) {
  const double embedding = s.tied_embeddings ? 0 : s.vocabulary * s.width;
  return s.layers * (attention_parameters(s) + mlp_parameters(s, s.experts)) +
         s.vocabulary * s.width + embedding;
}

/// Sum of min(c, window) for c in (past, past + count]: what causal attention looks at.
double attended(const Shape& s, double past, double count) {
  const double end = past + count;
  if (!s.sliding_window || end <= *s.sliding_window) {
    return (end * (end + 1) - past * (past + 1)) / 2;
  }
  const double window = *s.sliding_window;
  if (past >= window) {
    return window * count;
  }
  return (window * (window + 1) - past * (past + 1)) / 2 + window * (end - window);
}

double attention_flops(const Shape& s, double attended_tokens) {
  return 4 * s.layers * s.heads * s.head_width * attended_tokens;
}

/// The input embedding is a look-up of a few rows: a matrix of its own is stored but not read by a
/// step.
double bytes_read_per_step(const domain::ModelFacts& facts, Shape& shape) {
  if (!facts.bytes) {
    shape.assumptions.emplace_back("weight bytes unknown: 2 bytes per parameter assumed");
    const double embedding = shape.tied_embeddings ? 0 : shape.vocabulary * shape.width;
    return 2 * (all_parameters(shape) - embedding);
  }
  const auto total = static_cast<double>(*facts.bytes);
  if (shape.tied_embeddings) {
    return total;
  }
  if (facts.embedding_bytes) {
    return std::max(0.0, total - static_cast<double>(*facts.embedding_bytes));
  }
  shape.assumptions.emplace_back("embedding bytes unknown: weights assumed of one precision");
  return total * (1 - shape.vocabulary * shape.width / all_parameters(shape));
}

}  // namespace

std::optional<Shape> make_shape(const domain::ModelFacts& facts) {
  if (!facts.layers || !facts.width || !facts.heads || !facts.vocabulary || *facts.heads <= 0) {
    return std::nullopt;
  }
  Shape s;
  s.layers = number_or(facts.layers, 0);
  s.width = number_or(facts.width, 0);
  s.heads = number_or(facts.heads, 0);
  s.vocabulary = number_or(facts.vocabulary, 0);
  s.head_width = number_or(facts.head_width, s.width / s.heads);
  s.kv_heads = number_or(facts.kv_heads, s.heads);
  s.ffn_width = number_or(facts.ffn_width, 4 * s.width);
  s.experts = number_or(facts.experts, 0);
  s.experts_active = number_or(facts.experts_active, s.experts);
  s.gated_mlp = facts.gated_mlp.value_or(true);
  s.tied_embeddings = facts.tied_embeddings.value_or(false);
  if (facts.sliding_window && *facts.sliding_window > 0) {
    s.sliding_window = static_cast<double>(*facts.sliding_window);
    s.assumptions.emplace_back("the sliding window is applied to every layer");
  }
  const std::array<std::pair<bool, std::string_view>, 5> filled{{
      {facts.kv_heads.has_value(), "KV heads unknown: as many as query heads assumed"},
      {facts.ffn_width.has_value(), "MLP width unknown: 4 times the model width assumed"},
      {facts.gated_mlp.has_value(), "MLP form unknown: gated (three matrices) assumed"},
      {facts.tied_embeddings.has_value(), "embeddings assumed not tied"},
      {s.experts <= 0 || facts.experts_active.has_value(), "all experts assumed active"},
  }};
  for (const auto& [known, text] : filled) {
    if (!known) {
      s.assumptions.emplace_back(text);
    }
  }
  s.weight_bytes = bytes_read_per_step(facts, s);
  return s;
}

double matmul_parameters(const Shape& s) {
  return s.layers * (attention_parameters(s) + mlp_parameters(s, s.experts_active)) +
         s.vocabulary * s.width;
}

double decode_flops(const Shape& shape, double context) {
  return decode_flops(shape, context - 1, 1);
}

double decode_flops(const Shape& shape, double past, double count) {
  return 2 * matmul_parameters(shape) * count +
         attention_flops(shape, attended(shape, past, count));
}

double prefill_flops(const Shape& shape, double past, double count, bool last) {
  const double head = shape.vocabulary * shape.width;
  const double body = 2 * (matmul_parameters(shape) - head) * count;
  return body + (last ? 2 * head : 0) + attention_flops(shape, attended(shape, past, count));
}

double kv_bytes_per_token(const Shape& s, double bytes_per_element) {
  return 2 * s.layers * s.kv_heads * s.head_width * bytes_per_element;
}

double step_bytes(const Shape& s, double sequences, double context_tokens,
                  double kv_element_bytes) {
  double weights = s.weight_bytes;
  if (s.experts > 0) {
    const double unused = std::pow(1 - s.experts_active / s.experts, sequences);
    const double in_experts = s.layers * s.experts * expert_parameters(s);
    const double read_once =
        s.tied_embeddings ? all_parameters(s) : all_parameters(s) - s.vocabulary * s.width;
    weights *= 1 - unused * in_experts / read_once;
  }
  return weights + context_tokens * kv_bytes_per_token(s, kv_element_bytes);
}

std::optional<double> kv_element_bytes(std::string_view type) {
  // Block types: bytes of a block of 32 values with its scales (ggml-common.h).
  static constexpr std::array<std::pair<std::string_view, double>, 13> table{{
      {"f32", 4},
      {"f16", 2},
      {"bf16", 2},
      {"fp8", 1},
      {"fp8_e4m3", 1},
      {"fp8_e5m2", 1},
      {"q8_0", 34.0 / 32},
      {"q5_1", 24.0 / 32},
      {"q5_0", 22.0 / 32},
      {"q4_1", 20.0 / 32},
      {"q4_0", 18.0 / 32},
      {"iq4_nl", 18.0 / 32},
      {"i8", 1},
  }};
  const std::string lower = base::lower(type);
  for (const auto& [name, bytes] : table) {
    if (name == lower) {
      return bytes;
    }
  }
  return std::nullopt;
}

}  // namespace llem::predict
