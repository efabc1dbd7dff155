#pragma once

// Owns: the state of one trial while it is recorded. Private to this module; record() is its only
// user.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/random.hpp"
#include "domain/recording.hpp"
#include "engines/worker_engine.hpp"
#include "meters/sampler.hpp"
#include "trial/record.hpp"
#include "workload/schedule.hpp"

namespace llem::trial {

class Recorder {
 public:
  Recorder(const TrialSpec& spec, Ports& ports);
  domain::Recording run();

 private:
  Expected<void> all_phases();
  Expected<void> start_engine();
  /// Tokenises and schedules: the last part of the load phase.
  Expected<void> prepare();
  Expected<void> warm_up();
  void note_warmup_pass(domain::Serve pass);
  Expected<void> write_window_schedules();
  Expected<void> pad(domain::PhaseName name);
  Expected<void> serve_window(std::int64_t number);
  void stop_engine();
  void note_unused_devices();
  /// Who is on the GPUs now, and whether it is the worker.
  void note_device_processes();
  void finish();
  void fail(const Error& error);

  engines::Hooks hooks();
  void warn(const std::string& code, const std::string& text);
  Expected<void> rest(double seconds);
  void begin_phase(domain::PhaseName name, std::optional<double> expected = {});
  void close_phase();
  Event phase_event(EventKind kind) const;
  /// Sum over the power channels drained so far, in W.
  std::optional<double> latest_power() const;
  /// Tokens per second of the last warm-up pass.
  std::optional<double> latest_rate() const;
  std::uint64_t block() const;
  MonotonicTime phase_deadline(const std::optional<double>& limit_s) const;

  const TrialSpec& spec_;
  Ports& ports_;
  domain::Recording recording_;
  workload::Schedules schedules_;
  std::vector<std::int64_t> window_passes_;  // of distinct prompts, by window
  MonotonicTime deadline_;
  domain::PhaseName current_phase_ = domain::PhaseName::baseline;
  std::optional<domain::Phase> open_phase_;
  // The sampler reads the worker's meter until it is stopped, so it must end first: declared last.
  std::unique_ptr<meters::Meter> worker_meter_;
  std::unique_ptr<engines::WorkerEngine> engine_;
  std::unique_ptr<meters::Sampler> sampler_;
};

}  // namespace llem::trial
