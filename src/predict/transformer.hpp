#pragma once

// Owns: FLOPs, bytes and memory of a decoder-only transformer from its shape
// (docs/methodology/compute.md).

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "domain/recording.hpp"

namespace llem::predict {

/// The shape with everything present that the formulas need; assumptions say what was filled in.
struct Shape {
  double layers = 0, width = 0, ffn_width = 0, heads = 0, kv_heads = 0, head_width = 0,
         vocabulary = 0;
  double experts = 0, experts_active = 0;
  bool gated_mlp = true;
  bool tied_embeddings = false;
  std::optional<double> sliding_window;
  double weight_bytes =
      0;  // read per step: all weights but the input embedding when it is not tied
  std::vector<std::string> assumptions;
};

/// Absent when layers, width, heads or vocabulary are unknown.
std::optional<Shape> make_shape(const domain::ModelFacts& facts);

/// Parameters multiplied per token: L·(attention + MLP, k of E experts) + V·d.
double matmul_parameters(const Shape& shape);
/// FLOPs of decoding one token with context c (itself included): 2·N + 4·L·h·dh·c.
double decode_flops(const Shape& shape, double context);
/// The sum of that over `count` tokens in a row, the first of which has `past` tokens before it.
double decode_flops(const Shape& shape, double past, double count);
/// FLOPs of prefilling tokens [past, past + count) of one sequence, causal; logits for the last
/// only when `last`.
double prefill_flops(const Shape& shape, double past, double count, bool last);
/// Bytes of KV cache per token over all layers, for `bytes_per_element` of K and V (quantised types
/// are fractional).
double kv_bytes_per_token(const Shape& shape, double bytes_per_element);
/// Bytes read by one engine step: active weights once, plus the KV cache of its context tokens.
/// `sequences` matters for MoE: distinct experts E·(1 − (1 − k/E)^B).
double step_bytes(const Shape& shape, double sequences, double context_tokens,
                  double kv_element_bytes);
/// Bytes per element of a KV cache type ("f16" 2, "q8_0" 34/32, "q4_0" 18/32 …); absent for unknown
/// names.
std::optional<double> kv_element_bytes(std::string_view type);

struct MemoryFit {
  double weights_bytes = 0;
  double kv_cache_bytes = 0;
  double activation_bytes = 0;
  double overhead_bytes = 0;
  double total_bytes = 0;
  double available_bytes = 0;
  bool fits = true;
  std::vector<std::string> assumptions;
};

/// Memory one point needs, before it runs.
MemoryFit memory_fit(const domain::ModelFacts& facts, const domain::Deploy& deploy,
                     std::int64_t context_per_sequence, double available_bytes);

struct Peak {
  double flops_per_s = 0;
  double bytes_per_s = 0;
  std::string source;
};

/// Dense peak of a GPU by NVML product name and weight type; absent when the table does not know
/// it.
std::optional<Peak> gpu_peak(std::string_view product, std::string_view compute_type);

}  // namespace llem::predict
