// The sampler threads in real time. Limits on lateness are left to the benchmark: a test machine
// may be busy.

#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>

#include <gtest/gtest.h>

#include "meters/sampler.hpp"
#include "unit/meters/fake.hpp"

namespace llem::meters {
namespace {

void wait_seconds(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

/// Counts its readings; may take its time over them.
class CountingMeter final : public Meter {
 public:
  explicit CountingMeter(double period_s = 0, double read_s = 0, std::size_t channels = 1)
      : period_s_(period_s), read_s_(read_s), channels_(channels) {}

  std::span<const domain::Channel> channels() const override { return channels_; }

  void read(std::uint16_t first_channel, domain::SampleBlock& block) noexcept override {
    const auto begin = std::chrono::steady_clock::now();
    const auto end = begin + std::chrono::duration<double>(read_s_);
    auto now = begin;
    while (now < end) {
      now = std::chrono::steady_clock::now();
    }
    const int count = ++reads_;
    for (std::size_t i = 0; i < channels_.size(); ++i) {
      block.push(static_cast<std::uint16_t>(first_channel + i), count, to_ns(begin), to_ns(now));
    }
  }

  Seconds period(Seconds sampling_period) const override {
    return period_s_ > 0 ? Seconds(period_s_) : sampling_period;
  }

  std::int64_t failed_reads() const noexcept override { return reads_ / 10; }

  int reads() const { return reads_; }

 private:
  double period_s_;
  double read_s_;
  std::vector<domain::Channel> channels_;
  std::atomic<int> reads_{0};
};

void expect_in_order(const domain::Trace& trace) {
  for (std::size_t i = 1; i < trace.size(); ++i) {
    ASSERT_GT(trace[i].t_ns, trace[i - 1].t_ns);
    ASSERT_EQ(trace[i].value, trace[i - 1].value + 1) << "a reading is missing";
  }
}

TEST(Sampler, keeps_its_rate_without_drift_and_loses_nothing) {
  CountingMeter fast(0, 0, 2);
  CountingMeter slow(0.1);
  Sampler sampler({&fast, &slow}, 200);
  EXPECT_EQ(sampler.channels().size(), 3U);
  EXPECT_EQ(sampler.channels()[2].index, 2);
  sampler.start();
  std::vector<domain::Trace> traces;
  for (int i = 0; i < 10; ++i) {
    wait_seconds(0.1);
    sampler.drain(traces);
  }
  sampler.stop();
  sampler.drain(traces);
  ASSERT_EQ(traces.size(), 3U);
  const domain::SamplerRecord record = sampler.statistics();
  EXPECT_EQ(traces[0].size(), static_cast<std::size_t>(record.ticks) + 1);  // one when it stopped
  EXPECT_EQ(traces[1].size(), traces[0].size());
  EXPECT_EQ(fast.reads(), record.ticks + 1);
  expect_in_order(traces[0]);
  expect_in_order(traces[2]);
  // Ticks lie on a grid: read or skipped, none is lost and none is added.
  // (A thread that wakes up late and is told to stop no longer counts what it slept through.)
  EXPECT_NEAR(static_cast<double>(record.ticks + record.missed_ticks), record.duration_s * 200,
              3 + 200 * (record.lateness_max_s + 0.02));
  EXPECT_NEAR(static_cast<double>(traces[2].size()), record.duration_s * 10, 3);
  EXPECT_EQ(record.requested_hz, 200);
  EXPECT_GT(record.cpu_s, 0);
  EXPECT_GE(record.lateness_max_s, record.lateness_p99_s);
  EXPECT_GE(record.lateness_p99_s, record.lateness_p50_s);
  EXPECT_EQ(record.dropped_samples, 0);
  EXPECT_EQ(record.failed_reads, fast.failed_reads() + slow.failed_reads());
  // However late single ticks are, the last grid point is where it belongs.
  const double first = static_cast<double>(traces[0].front().t_ns) * 1e-9;
  const double last = static_cast<double>(traces[0].rbegin()[1].t_ns) * 1e-9;
  const double slots = static_cast<double>(record.ticks + record.missed_ticks - 1);
  EXPECT_NEAR(last - first, slots / 200, record.lateness_max_s + 0.006);
}

TEST(Sampler, reads_every_millisecond_while_quickened) {
  CountingMeter meter;
  Sampler sampler({&meter}, 20);
  std::vector<domain::Trace> traces;
  sampler.start();
  wait_seconds(0.3);
  const int before = meter.reads();
  sampler.quicken(true);
  wait_seconds(0.3);
  sampler.quicken(false);
  const int quick = meter.reads() - before;
  wait_seconds(0.3);
  sampler.stop();
  sampler.drain(traces);
  expect_in_order(traces[0]);
  EXPECT_GE(quick, 30) << "six at the usual rate";
  const domain::SamplerRecord record = sampler.statistics();
  EXPECT_LE(record.ticks, 20) << "what was read meanwhile is no tick";
  EXPECT_LE(record.achieved_hz, 25);
}

TEST(Sampler, moves_a_slow_meter_off_the_fast_thread_and_keeps_its_trace_whole) {
  CountingMeter quick;
  CountingMeter sluggish(0, 0.004);  // of a period of 10 ms
  Sampler sampler({&quick, &sluggish}, 100);
  sampler.start();
  std::vector<domain::Trace> traces;
  for (int i = 0; i < 30; ++i) {
    wait_seconds(0.02);
    sampler.drain(traces);
  }
  sampler.stop();
  sampler.drain(traces);
  expect_in_order(traces[0]);
  expect_in_order(traces[1]);
  EXPECT_EQ(traces[1].size(), static_cast<std::size_t>(sluggish.reads()));
  EXPECT_GE(sluggish.reads(), 4) << "it goes on";
  EXPECT_LT(sluggish.reads(), 45) << "at a lower rate";
}

TEST(Sampler, takes_up_a_meter_while_it_runs) {
  CountingMeter first;
  CountingMeter second(0.05);
  Sampler sampler({&first}, 50);
  sampler.start();
  wait_seconds(0.05);
  sampler.add(&second);
  EXPECT_EQ(sampler.channels().size(), 2U);
  wait_seconds(0.3);
  sampler.stop();
  std::vector<domain::Trace> traces;
  sampler.drain(traces);
  ASSERT_EQ(traces.size(), 2U);
  EXPECT_GE(traces[1].size(), 2U);
  expect_in_order(traces[1]);
}

TEST(Sampler, reads_every_meter_after_whatever_came_before) {
  CountingMeter fast;
  CountingMeter slow(1000);
  CountingMeter late(1000);
  Sampler sampler({&fast, &slow}, 1);
  sampler.start();
  wait_seconds(0.05);
  sampler.add(&late);
  const std::int64_t work_ended = to_ns(std::chrono::steady_clock::now());
  sampler.stop();
  std::vector<domain::Trace> traces;
  sampler.drain(traces);
  ASSERT_EQ(traces.size(), 3U);
  for (const domain::Trace& trace : traces) {
    ASSERT_FALSE(trace.empty());
    EXPECT_GE(trace.back().t_ns, work_ended);
    expect_in_order(trace);
  }
}

TEST(Sampler, stops_at_once_and_may_never_have_started) {
  CountingMeter meter(1000);
  {
    Sampler idle({&meter}, 10);
  }
  Sampler sampler({&meter}, 0.01);
  sampler.start();
  wait_seconds(0.05);
  const auto begin = std::chrono::steady_clock::now();
  sampler.stop();
  sampler.stop();
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), 2);
  EXPECT_EQ(meter.reads(), 2) << "when it began and when it stopped";
  const domain::SamplerRecord record = sampler.statistics();
  EXPECT_FALSE(record.achieved_hz) << "nothing is read at the sampling rate";
  wait_seconds(0.02);
  EXPECT_EQ(sampler.statistics().duration_s, record.duration_s);
}

TEST(Sampler, counts_what_nobody_drained_in_time) {
  CountingMeter wide(0, 0, 900);
  Sampler sampler({&wide}, 1000);
  sampler.start();
  for (int i = 0; i < 400 && sampler.statistics().dropped_samples == 0 && wide.reads() < 1300;
       ++i) {
    wait_seconds(0.01);
  }
  sampler.stop();
  std::vector<domain::Trace> traces;
  sampler.drain(traces);
  std::size_t samples = 0;
  for (const domain::Trace& trace : traces) {
    samples += trace.size();
  }
  EXPECT_EQ(static_cast<std::int64_t>(samples) + sampler.statistics().dropped_samples,
            std::int64_t{wide.reads()} * 900);
}

TEST(Sampler, measures_the_energy_of_a_fake_gpu_within_a_tick_of_the_truth) {
  FakeNvml fake(
      R"({"count": 2, "device": {"power": {"shape": "llm"}, "counter": {"period_s": 0.02}}})", -1);
  auto set = open_meters({.meters = {"nvml"}, .devices = {}, .gpus_used = true});
  ASSERT_TRUE(set) << set.error().message;
  std::vector<Meter*> meters;
  for (const auto& meter : set->meters) {
    meters.push_back(meter.get());
  }
  Sampler sampler(meters, 100);
  sampler.start();
  wait_seconds(1.2);
  sampler.stop();
  std::vector<domain::Trace> traces;
  sampler.drain(traces);
  int checked = 0;
  for (const domain::Channel& channel : sampler.channels()) {
    if (channel.signal != domain::Signal::energy) {
      continue;
    }
    const domain::Trace& trace = traces[static_cast<std::size_t>(channel.index)];
    ASSERT_GT(trace.size(), 2U);
    const auto seconds = [](const domain::TracePoint& point) {
      return static_cast<double>(point.t_ns) * 1e-9;
    };
    const double exact = fake.device().power.integral(seconds(trace.back())) -
                         fake.device().power.integral(seconds(trace.front()));
    const double slack =
        600 *
        (0.02 + static_cast<double>(trace.front().latency_ns + trace.back().latency_ns) * 1e-9);
    EXPECT_NEAR(trace.back().value - trace.front().value, exact, slack + 0.002);
    ++checked;
  }
  EXPECT_EQ(checked, 2);
}

}  // namespace
}  // namespace llem::meters
