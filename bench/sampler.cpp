// What the sampler costs and how punctual it is, on a fake GPU and a fake RAPL tree, so that the
// numbers are this program's own and not a driver's.
//
//   bench_sampler [--seconds 10] [--gpus 1] [--rates 10,100,1000] [--json]
//   bench_sampler --beside PID [--blocks 200] [--seconds 1]
//
// Lateness is what the machine allows: a bare clock_nanosleep loop at the same rate, before and
// after, tells how much of it is the sampler's own. With --beside it samples at 100 Hz in every
// second block, in random order within pairs, and prints when each block began and ended
// (CLOCK_MONOTONIC) and what CPU time process PID had by then: for bench/sampler_effect.py.

#include "meters/sampler.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "base/random.hpp"
#include "base/text.hpp"
#include "meters/meter.hpp"
#include "sys/file.hpp"

namespace {

using namespace llem;

struct Options {
  double seconds = 10;
  int gpus = 1;
  std::vector<double> rates{10, 100, 1000};
  bool json = false;
  int beside = 0;
  int blocks = 200;
};

struct Target {
  double hz;
  double cpu_share;
};

// The targets of docs/benchmarks.md.
constexpr Target kTargets[] = {{10, 0.001}, {100, 0.01}, {1000, 0.05}};
constexpr int kLatenessRuns = 5;
constexpr double kLateness = 1e-3;  // 99th percentile at 100 Hz, on a machine that is not loaded

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const std::string_view value = i + 1 < argc ? argv[i + 1] : "";
    if (flag == "--json") {
      options.json = true;
      continue;
    }
    if (flag == "--seconds") {
      options.seconds = base::parse_number(value).value_or(10);
    } else if (flag == "--beside") {
      options.beside = static_cast<int>(base::parse_integer(value).value_or(0));
    } else if (flag == "--blocks") {
      options.blocks = static_cast<int>(base::parse_integer(value).value_or(200));
    } else if (flag == "--gpus") {
      options.gpus = static_cast<int>(base::parse_integer(value).value_or(1));
    } else if (flag == "--rates") {
      options.rates.clear();
      for (const auto rate : base::split(value, ',')) {
        options.rates.push_back(base::parse_number(rate).value_or(100));
      }
    } else {
      fmt::print(stderr,
                 "usage: bench_sampler [--seconds S] [--gpus N] [--rates 10,100,1000] [--json]\n"
                 "       bench_sampler --beside PID [--blocks N] [--seconds S]\n");
      std::exit(2);
    }
    ++i;
  }
  return options;
}

void make_rapl_tree(const std::filesystem::path& root) {
  const auto zone = [&](const char* directory, const char* name) {
    const auto base = root / "sys/class/powercap" / directory;
    std::filesystem::create_directories(base);
    std::ofstream(base / "name") << name << "\n";
    std::ofstream(base / "energy_uj") << "123456789012\n";
    std::ofstream(base / "max_energy_range_uj") << "262143328850\n";
  };
  zone("intel-rapl:0", "package-0");
  zone("intel-rapl:0:0", "dram");
  std::filesystem::create_directory_symlink("/proc", root / "proc");
  std::filesystem::create_directory_symlink("/sys/fs", root / "sys/fs");
}

struct Run {
  std::size_t channels = 0;
  domain::SamplerRecord record;
};

/// All meters a trial has, drained as the wait loop drains them.
Run run(double hz, double seconds) {
  auto set = meters::open_meters({});
  if (!set) {
    fmt::print(stderr, "error: {}\n", set.error().message);
    std::exit(1);
  }
  set->meters.push_back(meters::make_process_meter(::getpgrp()));
  std::vector<meters::Meter*> list;
  for (const auto& meter : set->meters) {
    list.push_back(meter.get());
  }
  meters::Sampler sampler(list, hz);
  std::vector<domain::Trace> traces;
  sampler.start();
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    sampler.drain(traces);
  }
  sampler.stop();
  return {sampler.channels().size(), sampler.statistics()};
}

/// A thread that does nothing but sleep, as often: what it costs, and how late it is woken.
struct Bare {
  double cpu_share = 0;
  double lateness_p99_s = 0;
};

double thread_cpu_s() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

Bare bare_timer(double hz, double seconds) {
  const double cpu_begin = thread_cpu_s();
  const auto period = std::chrono::nanoseconds(static_cast<std::int64_t>(1e9 / hz));
  const auto begin = std::chrono::steady_clock::now();
  std::vector<double> late;
  for (std::int64_t k = 1; static_cast<double>(k) <= seconds * hz; ++k) {
    const auto due = begin + k * period;
    std::this_thread::sleep_until(due);
    late.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - due).count());
  }
  const double cpu_share = (thread_cpu_s() - cpu_begin) / seconds;
  const auto at = late.begin() + static_cast<std::ptrdiff_t>(late.size() * 99 / 100);
  std::nth_element(late.begin(), at, late.end());
  return {cpu_share, *at};
}

std::int64_t now_ns() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

double cpu_s_of(int pid) {
  clockid_t clock{};
  timespec time{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) {
    fmt::print(stderr, "error: process {} is gone\n", pid);
    std::exit(1);
  }
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// One line a block: rate, begin and end in ns, CPU seconds of the process at both.
void sample_beside(const Options& options) {
  auto set = meters::open_meters({});
  if (!set) {
    fmt::print(stderr, "error: {}\n", set.error().message);
    std::exit(1);
  }
  set->meters.push_back(meters::make_process_meter(options.beside));
  std::vector<meters::Meter*> list;
  for (const auto& meter : set->meters) {
    list.push_back(meter.get());
  }
  base::Random random(1);
  bool first_samples = false;
  for (int block = 0; block < options.blocks; ++block) {
    first_samples = block % 2 == 0 ? random.uniform() < 0.5 : first_samples;
    const bool samples = first_samples == (block % 2 == 0);
    meters::Sampler sampler(list, 100);
    std::vector<domain::Trace> traces;
    if (samples) {
      sampler.start();
    }
    const std::int64_t begin = now_ns();
    const double cpu_begin = cpu_s_of(options.beside);
    std::this_thread::sleep_for(std::chrono::duration<double>(options.seconds));
    const double cpu_end = cpu_s_of(options.beside);
    const std::int64_t end = now_ns();
    if (samples) {
      sampler.stop();
      sampler.drain(traces);
    }
    fmt::print("{} {} {} {:.9f} {:.9f}\n", samples ? 100 : 0, begin, end, cpu_begin, cpu_end);
    std::fflush(stdout);
  }
}

/// CPU time of one reading of each meter.
void print_reads() {
  auto set = meters::open_meters({});
  if (!set) {
    return;
  }
  set->meters.push_back(meters::make_process_meter(::getpgrp()));
  for (const auto& meter : set->meters) {
    constexpr int kReads = 400;
    domain::SampleBlock block;
    const double begin = thread_cpu_s();
    for (int i = 0; i < kReads; ++i) {
      block.size = 0;
      meter->read(0, block);
    }
    const double us = 1e6 * (thread_cpu_s() - begin) / kReads;
    const domain::Channel& first = meter->channels().front();
    fmt::print("{:>14} {:<16} {:>2} channels {:>8.1f} us a read, every {} s at 100 Hz\n",
               first.meter, first.device.substr(0, 16), meter->channels().size(), us,
               meter->period(Seconds(0.01)).count());
  }
}

double target_of(double hz) {
  for (const Target& target : kTargets) {
    if (hz <= target.hz) {
      return target.cpu_share;
    }
  }
  return 1;
}

void print_row(double hz, const Run& run, const Bare& bare, bool json) {
  const domain::SamplerRecord& r = run.record;
  const double share = r.cpu_s / r.duration_s;
  if (json) {
    fmt::print(
        "{{\"requested_hz\": {}, \"achieved_hz\": {:.4f}, \"channels\": {}, \"cpu_ratio\": {:.6f}, "
        "\"bare_timer_cpu_ratio\": {:.6f}, \"lateness_p50_s\": {:.3g}, \"lateness_p99_s\": {:.3g}, "
        "\"lateness_max_s\": {:.3g}, "
        "\"ticks\": {}, "
        "\"missed_ticks\": {}, \"dropped_samples\": {}}}\n",
        hz, r.achieved_hz.value_or(0), run.channels, share, bare.cpu_share, r.lateness_p50_s,
        r.lateness_p99_s, r.lateness_max_s, r.ticks, r.missed_ticks, r.dropped_samples);
    return;
  }
  fmt::print(
      "{:>6} {:>11.3f} {:>9} {:>9.3f} % {:>9.3f} % {:>8.1f} % {:>9.0f} {:>9.0f} {:>9.0f} {:>7} "
      "{:>8}\n",
      hz, r.achieved_hz.value_or(0), run.channels, share * 100, bare.cpu_share * 100,
      target_of(hz) * 100, r.lateness_p50_s * 1e6, r.lateness_p99_s * 1e6, r.lateness_max_s * 1e6,
      r.ticks, r.missed_ticks);
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const auto directory = sys::TempDir::make("llem-bench");
  if (!directory) {
    fmt::print(stderr, "error: {}\n", directory.error().message);
    return 1;
  }
  make_rapl_tree(directory->path());
  ::setenv("LLEM_SYSFS_ROOT", directory->path().c_str(), 1);
  ::setenv("LLEM_NVML_LIBRARY", LLEM_FAKE_NVML_LIBRARY, 1);
  ::setenv(
      "LLEM_FAKE_NVML",
      fmt::format(R"({{"count": {}, "device": {{"power": {{"shape": "llm"}}}}}})", options.gpus)
          .c_str(),
      1);
  if (options.beside > 0) {
    sample_beside(options);
    return 0;
  }
  if (!options.json) {
    fmt::print("{:>6} {:>11} {:>9} {:>11} {:>11} {:>10} {:>9} {:>9} {:>9} {:>7} {:>8}\n", "Hz",
               "achieved", "channels", "of a core", "bare timer", "target", "p50 us", "p99 us",
               "max us", "ticks", "skipped");
  }
  for (const double hz : options.rates) {
    print_row(hz, run(hz, options.seconds), bare_timer(hz, options.seconds), options.json);
  }
  if (!options.json) {
    fmt::print("lateness at 100 Hz, p99 of {} s each: target {:.0f} us, unloaded\n",
               options.seconds, kLateness * 1e6);
    for (int i = 0; i < kLatenessRuns; ++i) {
      const Bare bare = bare_timer(100, options.seconds);
      fmt::print("  bare timer {:>6.0f} us   sampler {:>6.0f} us\n", bare.lateness_p99_s * 1e6,
                 run(100, options.seconds).record.lateness_p99_s * 1e6);
    }
    print_reads();
  }
  return 0;
}
