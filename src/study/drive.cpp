#include "study/drive.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "analysis/analyse.hpp"
#include "engines/worker_engine.hpp"
#include "predict/transformer.hpp"
#include "study/plan.hpp"
#include "sys/host.hpp"
#include "sys/wait.hpp"
#include "trial/record.hpp"

namespace llem::study {

namespace {

constexpr std::int64_t kFirstAttempt = 1;

/// A failed trial of which nothing but its failure is kept: a recording like any other, without
/// traces.
domain::Recording failed(const domain::Recording& trial, std::string code, std::string message) {
  domain::Recording recording;
  recording.tool_version = trial.tool_version;
  recording.trial = trial.trial;
  recording.cycle = trial.cycle;
  recording.attempt = trial.attempt;
  recording.configuration = trial.configuration;
  recording.outcome.state = domain::OutcomeState::failed;
  recording.outcome.code = std::move(code);
  recording.outcome.message = std::move(message);
  return recording;
}

/// A trial that was not started because its memory cannot suffice.
domain::Recording refused(const trial::TrialSpec& spec, const predict::MemoryFit& fit) {
  domain::Recording trial;
  trial.trial = spec.trial;
  trial.cycle = spec.cycle;
  trial.attempt = spec.attempt;
  trial.configuration = spec.configuration;
  std::string message = fmt::format(
      "not started: weights {:.0f} MiB, KV cache {:.0f} MiB, activations {:.0f} MiB and overhead "
      "{:.0f} MiB exceed the {:.0f} MiB there are (lower deploy.batch_size or "
      "deploy.context_length)",
      fit.weights_bytes / 1048576, fit.kv_cache_bytes / 1048576, fit.activation_bytes / 1048576,
      fit.overhead_bytes / 1048576, fit.available_bytes / 1048576);
  domain::Recording recording = failed(trial, "out_of_memory", std::move(message));
  recording.outcome.phase = "load";
  return recording;
}

bool is_defect(const Expected<void>& outcome) {
  return !outcome && outcome.error().kind == ErrorKind::internal;
}

/// Writes what was recorded; where that has no written form the trial failed, and the study goes
/// on.
Expected<void> keep_recording(const sys::Path& place, domain::Recording& recording) {
  auto written = store::write_recording(place, recording);
  if (is_defect(written)) {
    recording = failed(recording, "internal", written.error().message);
    written = store::write_recording(place, recording);
  }
  return written;
}

/// Analyses and writes; a result that has no written form is that of a failed trial.
Expected<domain::TrialResult> keep_result(const sys::Path& place,
                                          const domain::Recording& recording) {
  domain::TrialResult result = analysis::analyse(recording);
  auto written = store::write_result(place, result);
  if (is_defect(written)) {
    result = analysis::analyse(failed(recording, "internal", written.error().message));
    written = store::write_result(place, result);
  }
  LLEM_TRY(written);
  return result;
}

std::string_view state_word(domain::ValidityState state) {
  return words(state)[static_cast<std::size_t>(state)];
}

store::TrialState manifest_state(const domain::Recording& recording,
                                 const domain::TrialResult& result) {
  if (recording.outcome.state == domain::OutcomeState::interrupted) {
    return store::TrialState::interrupted;
  }
  return result.validity.state == domain::ValidityState::invalid ? store::TrialState::failed
                                                                 : store::TrialState::done;
}

std::string result_line(const domain::TrialResult& result, const domain::Recording& recording) {
  if (recording.outcome.message) {
    return fmt::format("{}: {}", recording.outcome.code.value_or("failed"),
                       *recording.outcome.message);
  }
  if (!result.efficiency || !result.efficiency->gross_j_per_output_token || !result.throughput) {
    return "no energy";
  }
  const domain::Value& energy = *result.efficiency->gross_j_per_output_token;
  return fmt::format("{}{:.3g} J/output token, {:.3g} output tokens/s",
                     energy.source == domain::Provenance::estimated ? "~" : "", energy.value,
                     result.throughput->output_tokens_per_s);
}

class Driver {
 public:
  Driver(const DriveInputs& inputs, meters::MeterSet& meters, store::RunDirectory& directory)
      : inputs_(inputs), meters_(meters), directory_(directory) {
    if (inputs.dataset_substituted) {
      notes_.push_back({"dataset_substituted", "the bundled prompts were used"});
    }
  }

  Expected<DriveOutcome> run() {
    // A program that cannot write tables shall say so before the first trial, not after it.
    LLEM_TRY(directory_.write_results_table({}));
    const auto driven = all();
    if (!driven && outcome_.results.empty()) {
      return tl::unexpected(driven.error());
    }
    const auto kept = keep();
    LLEM_TRY(driven ? kept : driven);
    LLEM_TRY(look_for_interrupt());
    return std::move(outcome_);
  }

 private:
  Expected<void> all() {
    for (const domain::Trial& planned : inputs_.plan.trials) {
      LLEM_TRY(one(planned));
      LLEM_TRY(look_for_interrupt());
      if (outcome_.interrupted) {
        break;
      }
    }
    return {};
  }

  /// One that came while nothing was waited for: results were being written.
  Expected<void> look_for_interrupt() {
    std::array<sys::Waitable, 1> waiting{sys::Waitable{.fd = inputs_.interrupts.fd}};
    LLEM_ASSIGN(const bool came, sys::wait_any(waiting, MonotonicTime()));
    if (came) {
      watched_interrupts().read();
    }
    return {};
  }

  Expected<void> keep() {
    outcome_.summary = analysis::summarise(inputs_.plan, outcome_.results);
    const auto summary = directory_.write_summary(outcome_.summary);
    LLEM_TRY(directory_.write_results_table(outcome_.results));
    return summary;
  }

  Expected<void> one(const domain::Trial& planned) {
    const domain::Configuration& configuration =
        inputs_.plan.configurations[static_cast<std::size_t>(planned.configuration)];
    LLEM_ASSIGN(const sys::Path place,
                directory_.make_trial_directory(planned, configuration.hash, kFirstAttempt));
    const trial::TrialSpec spec{.configuration = configuration,
                                .trial = planned.index,
                                .trials = static_cast<std::int64_t>(inputs_.plan.trials.size()),
                                .cycle = planned.cycle,
                                .attempt = kFirstAttempt,
                                .timeout = Seconds(inputs_.plan.timeout_s),
                                .directory = place,
                                .worker = inputs_.worker,
                                .prompts = inputs_.prompts,
                                .notes = notes_};
    LLEM_TRY(directory_.append_manifest(planned.index, kFirstAttempt, store::TrialState::started));
    announce(EventKind::trial_started, planned, configuration.label, {});
    domain::Recording recording = record(spec);
    recording.tool_version = inputs_.plan.tool_version;
    LLEM_TRY(keep_recording(place, recording));
    if (recording.outcome.state == domain::OutcomeState::completed) {
      engines::remove_exchanged_files(place);
    }
    LLEM_TRY(directory_.append_manifest(planned.index, kFirstAttempt, store::TrialState::recorded));
    LLEM_ASSIGN(domain::TrialResult result, keep_result(place, recording));
    LLEM_TRY(directory_.append_manifest(planned.index, kFirstAttempt,
                                        manifest_state(recording, result), recording.outcome.code));
    announce(EventKind::trial_finished, planned, result_line(result, recording),
             std::string(state_word(result.validity.state)));
    outcome_.results.push_back(std::move(result));
    return {};
  }

  domain::Recording record(const trial::TrialSpec& spec) {
    const auto available =
        static_cast<double>(sys::usable_memory_bytes(sys::read_host_facts(sys::system_root())));
    const bool on_cpu =
        meters_.devices.empty() ||
        std::none_of(meters_.devices.begin(), meters_.devices.end(),
                     [](const domain::Device& d) { return d.kind == "gpu" && d.used; });
    if (on_cpu && spec.configuration.deploy.engine == domain::EngineKind::llamacpp) {
      const PointPrediction point = predict_point(spec.configuration, inputs_.model, available);
      if (!point.memory.fits) {
        return refused(spec, point.memory);
      }
    }
    trial::Ports ports{meters_, inputs_.placement, watched_interrupts(),
                       [this](const Event& event) { publish(event); }};
    return trial::record(spec, ports);
  }

  /// Whatever becomes of the trial that an interrupt meets, no other follows it.
  Interrupts watched_interrupts() {
    return {inputs_.interrupts.fd, [this] {
              const StopRequest request = inputs_.interrupts.read();
              outcome_.interrupted = outcome_.interrupted || request != StopRequest::none;
              return request;
            }};
  }

  void announce(EventKind kind, const domain::Trial& planned, std::string text, std::string state) {
    Event event;
    event.kind = kind;
    event.trial = planned.index + 1;
    event.trials = static_cast<std::int64_t>(inputs_.plan.trials.size());
    event.cycle = planned.cycle;
    event.text = std::move(text);
    event.state = std::move(state);
    publish(event);
  }

  void publish(const Event& event) { inputs_.events(event); }

  const DriveInputs& inputs_;
  meters::MeterSet& meters_;
  store::RunDirectory& directory_;
  std::vector<domain::Note> notes_;
  DriveOutcome outcome_;
};

}  // namespace

Expected<DriveOutcome> drive(const DriveInputs& inputs, meters::MeterSet& meters,
                             store::RunDirectory& directory) {
  return Driver(inputs, meters, directory).run();
}

Expected<DriveOutcome> analyse_again(store::RunDirectory& directory) {
  LLEM_ASSIGN(const domain::Plan plan, directory.read_plan());
  LLEM_ASSIGN(const auto trials, directory.recorded_trials());
  if (trials.empty()) {
    return failure(ErrorKind::io, fmt::format("`{}` holds no recording", directory.path().string()),
                   "name a run directory with at least one finished trial");
  }
  DriveOutcome outcome;
  for (const sys::Path& place : trials) {
    const auto recording = store::read_recording(place);
    if (!recording) {
      outcome.unread.push_back(recording.error().message);
      // What an earlier analysis said of it stands: nothing better can be had.
      if (auto before = store::read_result(place)) {
        outcome.results.push_back(*std::move(before));
      }
      continue;
    }
    LLEM_ASSIGN(outcome.results.emplace_back(), keep_result(place, *recording));
  }
  if (outcome.results.empty()) {
    return failure(ErrorKind::io, outcome.unread.front(), "no recording here can be read");
  }
  outcome.summary = analysis::summarise(plan, outcome.results);
  LLEM_TRY(directory.write_summary(outcome.summary));
  LLEM_TRY(directory.write_results_table(outcome.results));
  return outcome;
}

}  // namespace llem::study
