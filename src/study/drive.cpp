#include "study/drive.hpp"

#include <fmt/format.h>

#include "analysis/analyse.hpp"
#include "engines/worker_engine.hpp"
#include "predict/transformer.hpp"
#include "study/plan.hpp"
#include "sys/host.hpp"
#include "trial/record.hpp"

namespace llem::study {

namespace {

constexpr std::int64_t kFirstAttempt = 1;

/// A trial that was not started because its memory cannot suffice: a recording like any other,
/// without traces.
domain::Recording refused(const trial::TrialSpec& spec, const predict::MemoryFit& fit) {
  domain::Recording recording;
  recording.trial = spec.trial;
  recording.cycle = spec.cycle;
  recording.attempt = spec.attempt;
  recording.configuration = spec.configuration;
  recording.outcome.state = domain::OutcomeState::failed;
  recording.outcome.code = "out_of_memory";
  recording.outcome.phase = "load";
  recording.outcome.message = fmt::format(
      "not started: weights {:.0f} MiB, KV cache {:.0f} MiB, activations {:.0f} MiB and overhead "
      "{:.0f} MiB exceed the {:.0f} MiB there are (lower deploy.batch_size or "
      "deploy.context_length)",
      fit.weights_bytes / 1048576, fit.kv_cache_bytes / 1048576, fit.activation_bytes / 1048576,
      fit.overhead_bytes / 1048576, fit.available_bytes / 1048576);
  return recording;
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
    return std::move(outcome_);
  }

 private:
  Expected<void> all() {
    for (const domain::Trial& planned : inputs_.plan.trials) {
      LLEM_TRY(one(planned));
      if (outcome_.interrupted) {
        break;
      }
    }
    return {};
  }

  Expected<void> keep() {
    outcome_.summary = analysis::summarise(inputs_.plan, outcome_.results);
    LLEM_TRY(directory_.write_summary(outcome_.summary));
    return directory_.write_results_table(outcome_.results);
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
    LLEM_TRY(store::write_recording(place, recording));
    if (recording.outcome.state == domain::OutcomeState::completed) {
      engines::remove_exchanged_files(place);
    }
    LLEM_TRY(directory_.append_manifest(planned.index, kFirstAttempt, store::TrialState::recorded));
    domain::TrialResult result = analysis::analyse(recording);
    LLEM_TRY(store::write_result(place, result));
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
    LLEM_ASSIGN(const domain::Recording recording, store::read_recording(place));
    outcome.results.push_back(analysis::analyse(recording));
    LLEM_TRY(store::write_result(place, outcome.results.back()));
  }
  outcome.summary = analysis::summarise(plan, outcome.results);
  LLEM_TRY(directory.write_summary(outcome.summary));
  LLEM_TRY(directory.write_results_table(outcome.results));
  return outcome;
}

}  // namespace llem::study
