#include <algorithm>

#include "base/text.hpp"
#include "predict/transformer.hpp"

namespace llem::predict {

namespace {

// Contexts, kernels and allocator slack that no formula gives; 5 % of the rest, at least 64 MiB.
constexpr double kOverheadShare = 0.05;
constexpr double kLeastOverhead = 64.0 * 1024 * 1024;
constexpr double kDefaultMicroBatch = 512;  // llama.cpp's own n_ubatch

double weights_of(const domain::ModelFacts& facts, MemoryFit& fit) {
  if (facts.bytes) {
    return static_cast<double>(*facts.bytes);
  }
  if (facts.parameters) {
    fit.assumptions.emplace_back("weight bytes unknown: 2 bytes per parameter assumed");
    return 2 * static_cast<double>(*facts.parameters);
  }
  fit.assumptions.emplace_back("weight bytes unknown: not counted");
  return 0;
}

double kv_type_bytes(const domain::Deploy& deploy, MemoryFit& fit) {
  const auto known = kv_element_bytes(deploy.kv_cache.dtype);
  if (!known) {
    fit.assumptions.push_back("KV cache type " + deploy.kv_cache.dtype + " counted as f16");
  }
  return known.value_or(2);
}

/// Largest intermediate of one micro-batch: the MLP's hidden rows and the logits, in f32, with
/// their input.
double activations(const Shape& s, const domain::Deploy& deploy) {
  const double micro_batch = deploy.micro_batch_tokens
                                 ? static_cast<double>(*deploy.micro_batch_tokens)
                                 : kDefaultMicroBatch;
  const double rows = 4 * micro_batch * (2 * s.ffn_width + 4 * s.width);
  const double logits = 4 * static_cast<double>(deploy.batch_size) * s.vocabulary;
  return rows + logits;
}

}  // namespace

MemoryFit memory_fit(const domain::ModelFacts& facts, const domain::Deploy& deploy,
                     std::int64_t context_per_sequence, double available_bytes) {
  MemoryFit fit;
  fit.available_bytes = available_bytes;
  fit.weights_bytes = weights_of(facts, fit);
  if (const auto shape = make_shape(facts)) {
    const double tokens =
        static_cast<double>(context_per_sequence) * static_cast<double>(deploy.batch_size);
    fit.kv_cache_bytes = tokens * kv_bytes_per_token(*shape, kv_type_bytes(deploy, fit));
    fit.activation_bytes = activations(*shape, deploy);
    fit.assumptions.emplace_back("activations: hidden rows of one micro-batch and logits, in f32");
  } else {
    fit.assumptions.emplace_back("shape unknown: KV cache and activations not counted");
  }
  const double counted = fit.weights_bytes + fit.kv_cache_bytes + fit.activation_bytes;
  fit.overhead_bytes = std::max(kLeastOverhead, kOverheadShare * counted);
  fit.assumptions.emplace_back("overhead: 5 % of the rest, at least 64 MiB");
  fit.total_bytes = counted + fit.overhead_bytes;
  fit.fits = fit.total_bytes <= available_bytes;
  return fit;
}

}  // namespace llem::predict
