#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "analysis/parts.hpp"
#include "base/text.hpp"
#include "predict/transformer.hpp"

namespace llem::analysis {

namespace {

/// Exactly the token set: each prompt once, without what a cache answered; each output token after
/// the first, which the prefill's logits give, is decoded with the context before it.
void count_flops(domain::Compute& c, const predict::Shape& shape, const Window& window) {
  for (const auto& request : window.serve->requests) {
    if (!served(request)) {
      continue;
    }
    const auto prompt = static_cast<double>(request.prompt_tokens);
    const double cached = std::clamp(static_cast<double>(request.cached_tokens), 0.0, prompt);
    c.prefill_flops += predict::prefill_flops(shape, cached, prompt - cached, true);
    if (request.output_tokens > 1) {
      c.decode_flops +=
          predict::decode_flops(shape, prompt, static_cast<double>(request.output_tokens - 1));
    }
  }
  c.flops = c.prefill_flops + c.decode_flops;
  c.flops_per_s = c.flops / window.duration_s;
  if (window.output_tokens > 0) {
    c.gflops_per_output_token = c.flops / static_cast<double>(window.output_tokens) * 1e-9;
  }
}

std::string cache_type(const domain::Recording& recording) {
  for (const auto* json : {&recording.worker.effective, &recording.worker.declared}) {
    for (const std::string_view key : {"type_k", "kv_cache_dtype", "kv_cache.dtype"}) {
      if (const auto* type = json->find(key); type != nullptr && type->is_string()) {
        return type->string();
      }
    }
  }
  return recording.configuration.deploy.kv_cache.dtype;
}

void count_bytes(domain::Compute& c, const domain::Recording& recording,
                 const predict::Shape& shape, const Window& window) {
  const auto& steps = window.serve->steps;
  if (steps.empty()) {
    c.assumptions.emplace_back("the engine reports no steps: bytes read and MBU are absent");
    return;
  }
  const auto element = predict::kv_element_bytes(cache_type(recording));
  if (!element) {
    c.assumptions.emplace_back("KV cache counted as f16");
  }
  double bytes = 0;
  for (const auto& step : steps) {
    const std::int64_t tokens = std::max(step.sequences, step.prefill_tokens + step.decode_tokens);
    bytes += predict::step_bytes(shape, static_cast<double>(tokens),
                                 static_cast<double>(step.context_tokens), element.value_or(2));
  }
  c.bytes_read_bytes = bytes;
  c.bytes_per_s = bytes / window.duration_s;
}

std::string compute_type(const domain::Recording& recording) {
  const std::string type = recording.model.file_type.value_or("f16");
  return type.empty() ? "f16" : type;
}

std::optional<predict::Peak> peak_of(std::string_view device, const std::string& type,
                                     std::span<const domain::DevicePeak> stated) {
  const auto found = std::ranges::find_if(stated, [&](const domain::DevicePeak& peak) {
    return peak.device == device && (!peak.type || base::lower(*peak.type) == base::lower(type));
  });
  return found != stated.end()
             ? predict::Peak{found->flops_per_s, found->bytes_per_s, found->source}
             : predict::gpu_peak(device, type);
}

void compare_with_peaks(domain::Compute& c, const domain::Recording& recording,
                        std::span<const domain::DevicePeak> stated) {
  std::vector<std::string_view> devices;
  for (const auto& device : recording.devices) {
    if (device.used_gpu()) {
      devices.emplace_back(device.name);
    }
  }
  if (devices.empty()) {
    devices.emplace_back("cpu");
  }
  double flops = 0;
  double bytes = 0;
  std::string source;
  for (const std::string_view device : devices) {
    const auto peak = peak_of(device, compute_type(recording), stated);
    if (!peak) {
      c.assumptions.push_back(fmt::format(
          "no peak is known for {}: MFU and MBU are absent",
          device == "cpu" ? "a CPU" : fmt::format("{} with {}", device, compute_type(recording))));
      return;
    }
    flops += peak->flops_per_s;
    bytes += peak->bytes_per_s;
    source = peak->source;
  }
  c.peak_flops_per_s = flops;
  c.peak_bytes_per_s = bytes;
  c.peak_source = source;
  c.mfu_ratio = c.flops_per_s / flops;
  if (c.bytes_per_s) {
    c.mbu_ratio = *c.bytes_per_s / bytes;
  }
}

}  // namespace

std::optional<domain::Compute> compute(const domain::Recording& recording, const Window& window,
                                       std::span<const domain::DevicePeak> peaks) {
  const auto shape = predict::make_shape(recording.model);
  if (!shape) {
    return std::nullopt;
  }
  domain::Compute c;
  c.method = "algorithmic: matrix products and causal attention of the tokens served";
  c.assumptions = shape->assumptions;
  count_flops(c, *shape, window);
  count_bytes(c, recording, *shape, window);
  compare_with_peaks(c, recording, peaks);
  return c;
}

}  // namespace llem::analysis
