// What planning and keeping account of large studies costs: expansion, hashing, order, plan.json,
// manifest, resume. CPU seconds where the disk is not the point; the manifest with and without
// waiting for the disk is told apart by its bytes and its CPU.

#include "study/plan.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>
#include <sys/resource.h>

#include <fmt/format.h>

#include "config/config.hpp"
#include "store/run_directory.hpp"
#include "study/progress.hpp"

namespace {

using namespace llem;

double cpu_s() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double wall_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

domain::Plan planned(int threads, int batches, int requests, std::int64_t cycles) {
  const std::string text = fmt::format(
      "model: m\nstudy: {{cycles: {}}}\nsweep:\n  deploy.threads: {{from: 1, to: {}, step: 1}}\n"
      "  deploy.batch_size: {{from: 1, to: {}, step: 1}}\n"
      "  workload.requests: {{from: 1, to: {}, step: 1}}\n",
      cycles, threads, batches, requests);
  const auto loaded = config::load_study(text, "study.yaml", {}, {});
  auto space = config::expand(*loaded, {.usable_cpus = 2},
                              [](const domain::Deploy&) { return Expected<void>(); });
  static const assets::ResolvedModel kModel{};
  static const assets::PromptSet kDataset{};
  const std::vector<study::PointAssets> assets(space->points.size(), {&kModel, &kDataset});
  return study::make_plan("bench", *std::move(space), assets, "0").value();
}

void plan_points(const char* name, int threads, int batches, int requests, std::int64_t cycles) {
  const double begin = cpu_s();
  const domain::Plan plan = planned(threads, batches, requests, cycles);
  std::printf(
      "%s: %zu configurations, %zu trials: expand, hash and order %.1f ms CPU, peak %.0f MiB\n",
      name, plan.configurations.size(), plan.trials.size(), 1e3 * (cpu_s() - begin), peak_mib());
}

void write_plan(const std::filesystem::path& folder) {
  const double begin = cpu_s();
  const domain::Plan plan = planned(40, 50, 10, 5);
  const auto run = store::RunDirectory::create(folder, plan, "model: m\n", "study.yaml");
  const double spent = cpu_s() - begin;
  std::printf(
      "plan of %zu trials (%zu configurations): expand, hash, order and write %.2f s CPU, "
      "plan.json %.1f MB, peak %.0f MiB\n",
      plan.trials.size(), plan.configurations.size(), spent,
      1e-6 * static_cast<double>(std::filesystem::file_size(run->path() / "plan.json")),
      peak_mib());
}

double bytes_in(const std::filesystem::path& folder) {
  double bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    bytes += static_cast<double>(entry.file_size());
  }
  return bytes;
}

/// CPU and wall time of one transition once the manifest holds so many trials, and what the scan
/// costs.
void manifest(const std::filesystem::path& folder, std::int64_t trials) {
  domain::Plan plan;
  plan.study_name = "manifest";
  plan.configurations.resize(1);
  plan.configurations.front().hash = "9f31ab02c4d1e7aa";
  for (std::int64_t i = 0; i < trials; ++i) {
    plan.trials.push_back({i, 0, i + 1});
  }
  auto run = store::RunDirectory::create(folder, plan, "", "").value();
  const double cpu_begin = cpu_s();
  for (std::int64_t i = 0; i < trials; ++i) {
    for (const auto state :
         {store::TrialState::started, store::TrialState::recorded, store::TrialState::done}) {
      if (!run.append_manifest(i, 1, state)) {
        return;
      }
    }
  }
  const double lines = 3 * static_cast<double>(trials);
  std::printf("manifest, %lld trials: %.1f us CPU a transition, %.2f s CPU and %.1f MB in all\n",
              static_cast<long long>(trials), 1e6 * (cpu_s() - cpu_begin) / lines,
              cpu_s() - cpu_begin, 1e-6 * bytes_in(run.path() / "manifest"));
  for (std::int64_t i = 0; i < trials; ++i) {
    const auto path = run.make_trial_directory({i, 0, i + 1}, plan.configurations.front().hash, 1);
    const std::unique_ptr<FILE, int (*)(FILE*)> file(
        std::fopen((*path / "recording.json").c_str(), "w"), &std::fclose);
  }
  const double scan_cpu = cpu_s();
  const double scan_wall = wall_s();
  const auto all = run.read_manifest();
  const auto attempts = run.attempts();
  const auto progress = study::progress_of(plan, store::fold_manifest(*all), *attempts);
  std::int64_t done = 0;
  for (const study::TrialProgress& one : progress) {
    done += one.standing == study::Standing::done ? 1 : 0;
  }
  std::printf("resume scan, %lld trials (%lld done): %.2f s CPU, %.2f s\n",
              static_cast<long long>(trials), static_cast<long long>(done), cpu_s() - scan_cpu,
              wall_s() - scan_wall);
}

}  // namespace

int main() {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const auto folder = sys::TempDir::make("llem-bench");
  plan_points("warm-up", 2, 2, 2, 1);
  for (int i = 0; i < 3; ++i) {
    plan_points("4,000 points", 40, 10, 10, 1);
  }
  write_plan(folder->path());
  for (const std::int64_t trials :
       {std::int64_t{100}, std::int64_t{4'000}, std::int64_t{10'000}, std::int64_t{100'000}}) {
    manifest(folder->path(), trials);
  }
  return 0;
}
