// Claim: analysing 10 min × 100 Hz × 16 channels and 10,000 requests × 500 tokens takes at most 2 s
// and 500 MB, one hour of them 3 s. The recording is made in memory; the peak includes it, as
// reading it from a file would.
//
// usage: bench_analyse [MINUTES]

#include "analysis/analyse.hpp"

#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <sys/resource.h>

namespace {

using namespace llem;

constexpr double kHertz = 100;
constexpr std::int64_t kRequests = 10'000;
constexpr std::int64_t kTokens = 500;
constexpr std::int64_t kBatch = 32;
constexpr std::int64_t kOrigin = 1'000'000'000'000;

std::int64_t at(double seconds) {
  return kOrigin + std::llround(seconds * 1e9);
}

void add_channel(domain::Recording& r, int index, double window_s) {
  domain::Channel channel;
  channel.index = index;
  channel.device = "gpu:" + std::to_string(index / 2);
  channel.scope = domain::Scope::gpu;
  const bool counter = index % 2 == 0;
  channel.signal = counter ? domain::Signal::energy : domain::Signal::power_instant;
  channel.update_period_s = 0.1;
  channel.averaging_window_s = 0.1;
  domain::Trace trace;
  const auto samples = static_cast<std::int64_t>(window_s * kHertz);
  trace.reserve(static_cast<std::size_t>(samples));
  for (std::int64_t i = 0; i < samples; ++i) {
    const double t = static_cast<double>(i) / kHertz;
    const double tick = std::floor(t * 10) / 10;
    const double joules = 300 * tick - 50 / 0.7 * (std::cos(0.7 * tick) - 1);
    trace.push_back({at(t), 20'000, counter ? joules : 300 + 50 * std::sin(0.7 * tick)});
  }
  r.channels.push_back(channel);
  r.traces.push_back(std::move(trace));
}

void add_requests(domain::Recording& r, double window_s) {
  domain::Serve serve;
  serve.label = "window";
  serve.t_begin_ns = at(1);
  serve.t_end_ns = at(window_s - 1);
  serve.passes = 1;
  serve.requests.reserve(kRequests);
  serve.token_ns.reserve(static_cast<std::size_t>(kRequests * kTokens));
  const double batch_s = (window_s - 2) * kBatch / kRequests;
  for (std::int64_t i = 0; i < kRequests; ++i) {
    const double begin = 1 + static_cast<double>(i / kBatch) * batch_s;
    domain::RequestRecord q;
    q.id = "p0r" + std::to_string(i);
    q.submitted_ns = serve.t_begin_ns;
    q.started_ns = at(begin);
    q.prompt_tokens = 200 + i % 100;
    q.output_tokens = kTokens;
    q.token_offset = i * kTokens;
    for (std::int64_t k = 0; k < kTokens; ++k) {
      const double wobble = 1e-6 * static_cast<double>((i * 7919 + k * 104729) % 1000);
      serve.token_ns.push_back(
          at(begin + batch_s * (0.1 + 0.89 * static_cast<double>(k) / kTokens) + wobble));
    }
    q.first_token_ns = serve.token_ns[static_cast<std::size_t>(q.token_offset)];
    q.end_ns = serve.token_ns.back();
    serve.requests.push_back(std::move(q));
  }
  const std::int64_t steps = kRequests / kBatch * kTokens;
  const double step_s = (window_s - 2) / static_cast<double>(steps);
  for (std::int64_t i = 0; i < steps; ++i) {
    const double begin = 1 + static_cast<double>(i) * step_s;
    serve.steps.push_back(
        {at(begin), at(begin + step_s), 0, kBatch, kBatch * (250 + i % kTokens), kBatch});
  }
  r.serves.push_back(std::move(serve));
}

domain::Recording synthetic(double window_s) {
  domain::Recording r;
  r.model.layers = 32;
  r.model.width = 4096;
  r.model.heads = 32;
  r.model.kv_heads = 8;
  r.model.vocabulary = 128256;
  r.model.ffn_width = 14336;
  for (int i = 0; i < 16; ++i) {
    add_channel(r, i, window_s);
    if (i % 2 == 0) {
      r.devices.push_back({r.channels.back().device, "NVIDIA H200", "gpu", true, {}});
    }
  }
  add_requests(r, window_s);
  return r;
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

int main(int count, char** arguments) {
  const double minutes = count > 1 ? std::atof(arguments[1]) : 10;
  if (count > 2 || !(minutes > 0.1)) {
    std::fprintf(stderr, "usage: bench_analyse [MINUTES], more than 0.1\n");
    return 2;
  }
  const auto begin = std::chrono::steady_clock::now();
  const domain::Recording recording = synthetic(60 * minutes);
  const double made_s = seconds_since(begin);
  const auto before = std::chrono::steady_clock::now();
  const auto cpu_before = std::clock();
  const auto result = analysis::analyse(recording);
  const double analysed_s = seconds_since(before);
  const double cpu_s = static_cast<double>(std::clock() - cpu_before) / CLOCKS_PER_SEC;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("made_s %.3f\nanalyse_s %.3f\nanalyse_cpu_s %.3f\npeak_mib %.1f\n", made_s,
              analysed_s, cpu_s, static_cast<double>(usage.ru_maxrss) / 1024);
  std::printf("j_per_token %.6f\nitl_n %lld\n", result.efficiency->gross_j_per_output_token->value,
              static_cast<long long>(result.latency->itl_s->n));
  return 0;
}
