#include <algorithm>
#include <map>

#include "analysis/parts.hpp"

namespace llem::analysis {

namespace {

/// Time spent at each number of sequences. Steps that decode count; a step that only prefills holds
/// part of a batch.
std::map<std::int64_t, double> time_at_batch(const domain::Serve& serve) {
  const bool decodes = std::any_of(serve.steps.begin(), serve.steps.end(),
                                   [](const auto& s) { return s.decode_tokens > 0; });
  std::map<std::int64_t, double> time;
  for (const auto& step : serve.steps) {
    if (step.decode_tokens > 0 || !decodes) {
      time[step.sequences] += seconds_between(step.begin_ns, step.end_ns);
    }
  }
  return time;
}

void fill_batch(domain::Throughput& throughput, const domain::Serve& serve) {
  const auto time = time_at_batch(serve);
  double total = 0;
  double weighted = 0;
  for (const auto& [sequences, seconds] : time) {
    total += seconds;
    weighted += static_cast<double>(sequences) * seconds;
  }
  if (total <= 0) {
    return;
  }
  throughput.mean_batch = weighted / total;
  double passed = 0;
  for (const auto& [sequences, seconds] : time) {
    passed += seconds;
    if (passed >= total / 2) {
      throughput.median_batch = static_cast<double>(sequences);
      return;
    }
  }
}

}  // namespace

domain::Throughput throughput(const Window& window) {
  domain::Throughput t;
  t.window_s = window.duration_s;
  t.passes = window.serve->passes;
  t.requests = window.requests;
  t.failed_requests = window.failed;
  t.output_tokens = window.output_tokens;
  t.input_tokens = window.input_tokens;
  t.output_tokens_per_s = static_cast<double>(window.output_tokens) / window.duration_s;
  t.total_tokens_per_s =
      static_cast<double>(window.output_tokens + window.input_tokens) / window.duration_s;
  t.requests_per_s = static_cast<double>(window.requests) / window.duration_s;
  fill_batch(t, *window.serve);
  return t;
}

}  // namespace llem::analysis
