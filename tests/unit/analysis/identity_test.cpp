#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "analysis/analyse.hpp"
#include "base/field_io.hpp"
#include "unit/analysis/recording_builder.hpp"

namespace llem::analysis {
namespace {

using domain::Behaviour;
using domain::Scope;
using domain::Signal;
using test::a_recording;
using test::Poll;
using test::RecordingBuilder;
using test::Wave;

/// Recordings by every method and of awkward lengths.
std::vector<domain::Recording> recordings() {
  std::vector<domain::Recording> all;
  for (const double seconds : {0.7, 3.3, 30.0, 61.7}) {
    const Wave wave = RecordingBuilder::plain_wave(seconds);
    const auto base = [&] { return a_recording().window_s(seconds).batch(3, 21).lengths(11, 7); };
    all.push_back(base().counter("package-0", Scope::package, wave, 0.001).build());
    all.push_back(base()
                      .counter("package-0", Scope::package, wave, 0.0976)
                      .counter("package-1", Scope::package, wave.scaled(0.7), 0.0976)
                      .counter("dram-0", Scope::dram, wave.scaled(0.13), 0.0976)
                      .build());
    all.push_back(base().gauge("package-0", Scope::package, wave, 0.1, 0.1).build());
    all.push_back(base()
                      .counter("gpu:a", Scope::gpu, wave, 0.1013)
                      .device("gpu:a", "NVIDIA H200", "gpu")
                      .build());
    all.push_back(base()
                      .signal(
                          "host", Signal::cpu_busy, Behaviour::counter,
                          [](double t) { return 1.3 * t; }, Poll{0.05})
                      .build());
  }
  return all;
}

void expect_close(double a, double b) {
  EXPECT_NEAR(a, b, 1e-9 * std::abs(b));
}

TEST(Identity, energy_per_token_times_token_rate_is_mean_power) {
  for (const auto& recording : recordings()) {
    const auto r = analyse(recording);
    ASSERT_TRUE(r.efficiency);
    expect_close(r.efficiency->gross_j_per_output_token->value * r.throughput->output_tokens_per_s,
                 *r.efficiency->mean_power_w);
    expect_close(r.efficiency->gross_j_per_request->value * r.throughput->requests_per_s,
                 *r.efficiency->mean_power_w);
    expect_close(*r.efficiency->output_tokens_per_j * r.efficiency->gross_j_per_output_token->value,
                 1);
  }
}

TEST(Identity, net_is_gross_less_idle_power_times_time) {
  for (const auto& recording : recordings()) {
    const auto r = analyse(recording);
    const double window_s = r.throughput->window_s;
    ASSERT_TRUE(r.energy->headline_net_j);
    expect_close(r.energy->headline_net_j->value,
                 r.energy->headline_gross_j->value - *r.energy->headline_idle_w * window_s);
    for (const auto& scope : r.energy->scopes) {
      expect_close(scope.net->value, scope.gross.value - scope.idle->power_w * window_s);
      expect_close(*scope.mean_power_w * window_s, scope.gross.value);
    }
  }
}

TEST(Identity, flops_per_second_is_flops_over_time) {
  for (const auto& recording : recordings()) {
    const auto r = analyse(recording);
    expect_close(r.compute->flops_per_s * r.throughput->window_s, r.compute->flops);
    expect_close(r.compute->prefill_flops + r.compute->decode_flops, r.compute->flops);
    expect_close(*r.compute->bytes_per_s * r.throughput->window_s, *r.compute->bytes_read_bytes);
  }
}

TEST(Identity, energy_of_requests_and_the_unattributed_rest_is_that_of_the_window) {
  for (const auto& recording : recordings()) {
    const auto r = analyse(recording);
    ASSERT_TRUE(r.request_energy);
    for (const auto& d : r.request_energy->definitions) {
      expect_close(d.sum_j + d.unattributed_j, r.energy->headline_gross_j->value);
    }
  }
}

TEST(Identity, analysing_again_gives_the_same_bytes) {
  for (const auto& recording : recordings()) {
    const auto first = base::write_json(base::write_struct(analyse(recording)));
    const auto second = base::write_json(base::write_struct(analyse(recording)));
    EXPECT_EQ(first, second);
    EXPECT_EQ(first.find("nan"), std::string::npos);
  }
}

}  // namespace
}  // namespace llem::analysis
