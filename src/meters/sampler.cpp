#include "meters/sampler.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <ctime>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "base/error.hpp"
#include "meters/lateness.hpp"
#include "meters/opened.hpp"
#include "meters/sample_ring.hpp"
#include "sys/fd.hpp"

namespace llem::meters {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
/// stop() waits at most this long for the fast thread, however slow its rate.
constexpr std::int64_t kLongestSleep = kSecond / 5;
/// Between readings while quickened.
constexpr std::int64_t kQuickPeriod = kSecond / 1000;
/// The ring lasts this long when nobody drains it.
constexpr double kRingSeconds = 20;
constexpr double kQuickRingSeconds = 4;
/// Meters that can join the slow thread while it runs, from either side.
constexpr std::size_t kMostHandedOver = 128;

struct Entry {
  Meter* meter = nullptr;
  std::uint16_t first_channel = 0;
  std::int64_t period_ns = 0;
  std::int64_t next_ns = 0;  // slow thread: when it is due
  int slow_reads = 0;        // fast thread: reads in a row that took too long
};

/// Entries one thread appends and another takes up, in fixed storage.
class Handover {
 public:
  bool push(const Entry& entry) noexcept {
    const std::size_t size = size_.load(std::memory_order_relaxed);
    if (size == entries_.size()) {
      return false;
    }
    entries_[size] = entry;
    size_.store(size + 1, std::memory_order_release);
    return true;
  }

  /// The next entry not taken yet; reading end only.
  const Entry* take() noexcept {
    return taken_ < size_.load(std::memory_order_acquire) ? &entries_[taken_++] : nullptr;
  }

 private:
  std::array<Entry, kMostHandedOver> entries_;
  std::atomic<std::size_t> size_{0};
  std::size_t taken_ = 0;
};

std::int64_t thread_cpu_ns() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

void sleep_until(std::int64_t deadline_ns) noexcept {
  const timespec deadline{deadline_ns / kSecond, deadline_ns % kSecond};
  // Answers the error instead of setting errno; a signal only starts it again.
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, nullptr) == EINTR) {
  }
}

/// Reads one meter; the length of the read. What the block holds is published first when the meter
/// may not fit.
std::int64_t read_meter(const Entry& entry, domain::SampleBlock& block, SampleRing& ring) noexcept {
  if (block.room() < entry.meter->channels().size()) {
    ring.publish({block.samples.data(), block.size});
    block.size = 0;
  }
  const std::int64_t begin = now_ns();
  entry.meter->read(entry.first_channel, block);
  return now_ns() - begin;
}

}  // namespace

struct Sampler::State {
  State(std::vector<Meter*> list, double rate)
      : hz(rate),
        period_ns(static_cast<std::int64_t>(std::llround(1e9 / rate))),
        meters(std::move(list)) {
    std::size_t fast_channels = 0;
    for (Meter* meter : meters) {
      Entry entry = number(meter);
      if (entry.period_ns <= period_ns) {
        fast.push_back(entry);
        fast_channels += meter->channels().size();
      } else {
        slow.push_back(entry);
      }
    }
    slow.reserve(slow.size() + 2 * kMostHandedOver);  // all that can ever be handed over
    const double samples = std::max(hz * kRingSeconds, 1e9 / kQuickPeriod * kQuickRingSeconds) *
                           static_cast<double>(fast_channels);
    fast_ring =
        std::make_unique<SampleRing>(static_cast<std::size_t>(std::clamp(samples, 4096.0, 0x1p20)));
    slow_ring = std::make_unique<SampleRing>(
        static_cast<std::size_t>(std::clamp(samples / 4, 16384.0, 0x1p18)));
    wake = sys::Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  }

  /// Gives the meter's channels their numbers.
  Entry number(Meter* meter) {
    Entry entry;
    entry.meter = meter;
    entry.first_channel = static_cast<std::uint16_t>(channels.size());
    entry.period_ns =
        static_cast<std::int64_t>(std::llround(meter->period(Seconds(1 / hz)).count() * 1e9));
    for (domain::Channel channel : meter->channels()) {
      channel.index = static_cast<std::int64_t>(channels.size());
      channels.push_back(std::move(channel));
    }
    LLEM_ASSERT(channels.size() <= 65535, "a sample numbers its channel in 16 bits");
    return entry;
  }

  void run_fast() noexcept {
    ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    ::pthread_setname_np(::pthread_self(), "llem-sampler");
    std::int64_t next = start_ns;
    bool quick = false;
    while (!stopping.load(std::memory_order_acquire)) {
      const std::int64_t now = now_ns();
      if (quickened.load(std::memory_order_acquire) != quick) {
        quick = !quick;
        last_tick_ns = 0;
        next = now;
      }
      if (now < next) {
        sleep_until(std::min(next, now + kLongestSleep));
        continue;
      }
      if (!quick) {
        count_tick(next, now);
      }
      read_fast();
      const std::int64_t period = quick ? std::min(kQuickPeriod, period_ns) : period_ns;
      next += period;
      const std::int64_t behind = now_ns() - next;
      if (behind >= period) {
        const std::int64_t missed = behind / period;
        next += missed * period;
        missed_ticks.add(quick ? 0 : missed);
      }
      fast_cpu_ns.store(thread_cpu_ns(), std::memory_order_relaxed);
    }
    fast_cpu_ns.store(thread_cpu_ns(), std::memory_order_relaxed);
  }

  void count_tick(std::int64_t due, std::int64_t now) noexcept {
    lateness.add(now - due);
    if (last_tick_ns != 0) {
      between_ticks_ns.add(now - last_tick_ns);
      intervals.add();
    }
    last_tick_ns = now;
    ticks.add();
  }

  void read_fast() noexcept {
    fast_block.size = 0;
    const Entry* outgrown = nullptr;
    std::int64_t outgrown_took = 0;
    for (Entry& entry : fast) {
      if (entry.meter == nullptr) {
        continue;
      }
      const std::int64_t took = read_meter(entry, fast_block, *fast_ring);
      // One long read may be the scheduler's doing; three in a row are the device's.
      entry.slow_reads = took > period_ns / 4 ? entry.slow_reads + 1 : 0;
      if (entry.slow_reads >= 3 && outgrown == nullptr) {
        outgrown = &entry;
        outgrown_took = took;
      }
    }
    fast_ring->publish({fast_block.samples.data(), fast_block.size});
    if (outgrown != nullptr) {
      hand_over(fast[static_cast<std::size_t>(outgrown - fast.data())], outgrown_took);
    }
  }

  /// Moves a meter to the slow thread, after its samples so far have been published. There it is
  /// read so often that it keeps that thread busy a quarter of the time.
  void hand_over(Entry& entry, std::int64_t took) noexcept {
    Entry moved = entry;
    moved.period_ns = std::max<std::int64_t>(1, (4 * took + period_ns - 1) / period_ns) * period_ns;
    moved.next_ns = 0;
    if (outgrown_meters.push(moved)) {
      entry.meter = nullptr;
      ring_bell();
    }
  }

  void ring_bell() noexcept {
    const std::uint64_t one = 1;
    // A full counter is a bell that rings already.
    [[maybe_unused]] const ssize_t written = ::write(wake.get(), &one, sizeof one);
  }

  void run_slow() noexcept {
    ::pthread_setname_np(::pthread_self(), "llem-slow");
    for (Entry& entry : slow) {
      entry.next_ns = start_ns + entry.period_ns;
    }
    while (!stopping.load(std::memory_order_acquire)) {
      take_up(added_meters);
      take_up(outgrown_meters);
      slow_block.size = 0;
      std::int64_t due = now_ns() + 60 * kSecond;
      for (Entry& entry : slow) {
        const std::int64_t now = now_ns();
        if (entry.next_ns <= now) {
          read_meter(entry, slow_block, *slow_ring);
          entry.next_ns += ((now - entry.next_ns) / entry.period_ns + 1) * entry.period_ns;
        }
        due = std::min(due, entry.next_ns);
      }
      slow_ring->publish({slow_block.samples.data(), slow_block.size});
      slow_cpu_ns.store(thread_cpu_ns(), std::memory_order_relaxed);
      wait_for_bell(due);
    }
    slow_cpu_ns.store(thread_cpu_ns(), std::memory_order_relaxed);
  }

  void take_up(Handover& handover) noexcept {
    while (const Entry* entry = handover.take()) {
      slow.push_back(*entry);  // within the capacity reserved
      slow.back().next_ns = now_ns();
    }
  }

  void wait_for_bell(std::int64_t due) noexcept {
    const std::int64_t wait = due - now_ns();
    if (wait <= 0) {
      return;
    }
    pollfd bell{wake.get(), POLLIN, 0};
    const timespec timeout{wait / kSecond, wait % kSecond};
    if (::ppoll(&bell, 1, &timeout, nullptr) > 0) {
      std::uint64_t count = 0;
      [[maybe_unused]] const ssize_t size = ::read(wake.get(), &count, sizeof count);
    }
  }

  /// After the threads have ended: whatever was measured before, a reading follows it.
  void read_all_once_more() noexcept {
    take_up(added_meters);
    take_up(outgrown_meters);
    fast_block.size = 0;
    for (const Entry& entry : fast) {
      if (entry.meter != nullptr) {
        read_meter(entry, fast_block, *fast_ring);
      }
    }
    fast_ring->publish({fast_block.samples.data(), fast_block.size});
    read_slow_once();
  }

  /// Only where the slow thread does not run.
  void read_slow_once() noexcept {
    slow_block.size = 0;
    for (const Entry& entry : slow) {
      read_meter(entry, slow_block, *slow_ring);
    }
    slow_ring->publish({slow_block.samples.data(), slow_block.size});
  }

  std::int64_t all_failed_reads() const {
    std::int64_t sum = 0;
    for (const Meter* meter : meters) {
      sum += meter->failed_reads();
    }
    return sum;
  }

  // Set before the threads start, or used by the owner's thread alone.
  double hz;
  std::int64_t period_ns;
  std::vector<Meter*> meters;
  std::vector<domain::Channel> channels;
  std::int64_t failed_before = 0;
  bool running = false;
  std::int64_t stop_ns = 0;
  std::thread fast_thread;
  std::thread slow_thread;

  // Written before the threads start.
  std::int64_t start_ns = 0;
  sys::Fd wake;

  // The fast thread's.
  std::vector<Entry> fast;
  domain::SampleBlock fast_block;
  std::int64_t last_tick_ns = 0;  // 0: none since the rate changed
  // The slow thread's.
  std::vector<Entry> slow;
  domain::SampleBlock slow_block;

  // Between threads.
  std::unique_ptr<SampleRing> fast_ring;
  std::unique_ptr<SampleRing> slow_ring;
  Handover added_meters;     // from the owner
  Handover outgrown_meters;  // from the fast thread
  std::atomic<bool> stopping{false};
  std::atomic<bool> quickened{false};
  LatenessHistogram lateness;
  Tally ticks;
  Tally missed_ticks;
  Tally intervals;
  Tally between_ticks_ns;
  std::atomic<std::int64_t> fast_cpu_ns{0};
  std::atomic<std::int64_t> slow_cpu_ns{0};
};

Sampler::Sampler(std::vector<Meter*> meters, double hz)
    : state_(std::make_unique<State>(std::move(meters), hz)) {}

Sampler::~Sampler() {
  stop();
}

void Sampler::start() {
  State& state = *state_;
  LLEM_ASSERT(!state.running && state.start_ns == 0, "a sampler runs once");
  state.failed_before = state.all_failed_reads();
  state.read_slow_once();
  state.start_ns = now_ns();
  state.running = true;
  if (!state.fast.empty()) {
    state.fast_thread = std::thread([&state] { state.run_fast(); });
  }
  state.slow_thread = std::thread([&state] { state.run_slow(); });
}

void Sampler::stop() {
  State& state = *state_;
  if (!state.running) {
    return;
  }
  state.stopping.store(true, std::memory_order_release);
  state.ring_bell();
  for (std::thread* thread : {&state.fast_thread, &state.slow_thread}) {
    if (thread->joinable()) {
      thread->join();
    }
  }
  state.read_all_once_more();
  state.stop_ns = now_ns();
  state.running = false;
}

void Sampler::add(Meter* meter) {
  State& state = *state_;
  state.meters.push_back(meter);
  state.failed_before += meter->failed_reads();
  const bool room = state.added_meters.push(state.number(meter));
  LLEM_ASSERT(room, "a trial adds a handful of meters");
  state.ring_bell();
}

void Sampler::quicken(bool on) {
  state_->quickened.store(on, std::memory_order_release);
}

const std::vector<domain::Channel>& Sampler::channels() const {
  return state_->channels;
}

void Sampler::drain(std::vector<domain::Trace>& traces) {
  State& state = *state_;
  traces.resize(std::max(traces.size(), state.channels.size()));
  const auto append = [&traces](const domain::Sample& sample) {
    traces[sample.channel].push_back({sample.t_ns, sample.latency_ns, sample.value});
  };
  // A meter that moved has its older samples in the fast ring: looking at the slow ring first, and
  // emptying it last, keeps each trace in time order.
  const std::uint64_t slow_end = state.slow_ring->published();
  state.fast_ring->consume(state.fast_ring->published(), append);
  state.slow_ring->consume(slow_end, append);
}

domain::SamplerRecord Sampler::statistics() const {
  const State& state = *state_;
  domain::SamplerRecord record;
  record.requested_hz = state.hz;
  record.ticks = state.ticks.count();
  record.missed_ticks = state.missed_ticks.count();
  const std::int64_t between_ns = state.between_ticks_ns.count();
  if (between_ns > 0) {
    record.achieved_hz =
        1e9 * static_cast<double>(state.intervals.count()) / static_cast<double>(between_ns);
  }
  record.lateness_p50_s = static_cast<double>(state.lateness.quantile(0.5)) * 1e-9;
  record.lateness_p99_s = static_cast<double>(state.lateness.quantile(0.99)) * 1e-9;
  record.lateness_max_s = static_cast<double>(state.lateness.max()) * 1e-9;
  record.cpu_s = static_cast<double>(state.fast_cpu_ns.load(std::memory_order_relaxed) +
                                     state.slow_cpu_ns.load(std::memory_order_relaxed)) *
                 1e-9;
  record.duration_s =
      state.start_ns == 0
          ? 0
          : seconds_between(state.start_ns, state.running ? now_ns() : state.stop_ns);
  record.failed_reads = state.all_failed_reads() - state.failed_before;
  record.dropped_samples = state.fast_ring->dropped() + state.slow_ring->dropped();
  return record;
}

}  // namespace llem::meters
