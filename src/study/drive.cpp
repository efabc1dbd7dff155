#include "study/drive.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "analysis/analyse.hpp"
#include "engines/worker_engine.hpp"
#include "study/block_watch.hpp"
#include "study/device_locks.hpp"
#include "study/device_state.hpp"
#include "study/forecast.hpp"
#include "study/foreign.hpp"
#include "study/gather.hpp"
#include "study/keep.hpp"
#include "study/plan.hpp"
#include "study/progress.hpp"
#include "study/rest.hpp"
#include "sys/clock.hpp"
#include "sys/host.hpp"
#include "sys/wait.hpp"
#include "trial/record.hpp"

namespace llem::study {

namespace {

/// A trial that was not started.
domain::Recording refused(const trial::TrialSpec& spec, const Error& error) {
  domain::Recording trial;
  trial.trial = spec.trial;
  trial.cycle = spec.cycle;
  trial.attempt = spec.attempt;
  trial.role = spec.role;
  trial.configuration = spec.configuration;
  domain::Recording recording = failed_recording(
      trial, error.code, fmt::format("not started: {} ({})", error.message, error.hint));
  recording.outcome.phase = "load";
  return recording;
}

Error too_large(const predict::MemoryFit& fit) {
  Error error;
  error.code = "out_of_memory";
  error.message = fmt::format(
      "weights {:.0f} MiB, KV cache {:.0f} MiB, activations {:.0f} MiB and overhead {:.0f} MiB "
      "exceed the {:.0f} MiB there are",
      fit.weights_bytes / 1048576, fit.kv_cache_bytes / 1048576, fit.activation_bytes / 1048576,
      fit.overhead_bytes / 1048576, fit.available_bytes / 1048576);
  error.hint = "lower deploy.batch_size or deploy.context_length";
  return error;
}

std::string_view state_word(domain::ValidityState state) {
  return words(state)[static_cast<std::size_t>(state)];
}

store::TrialState manifest_state(const domain::TrialResult& result, bool interrupted) {
  if (interrupted) {
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

bool uses_gpu(const meters::MeterSet& meters) {
  return std::ranges::any_of(meters.devices,
                             [](const domain::Device& device) { return device.used_gpu(); });
}

class Driver {
 public:
  Driver(const DriveInputs& inputs, store::RunDirectory& directory)
      : inputs_(inputs),
        directory_(directory),
        forecast_(inputs.plan),
        blocks_(inputs.plan, sys::MonotonicClock().now()) {}

  Expected<DriveOutcome> run() {
    // A program that cannot write tables shall say so before the first trial, not after it.
    LLEM_TRY(directory_.check_results_table());
    LLEM_ASSIGN(const auto lines, directory_.read_manifest());
    LLEM_ASSIGN(const auto attempts, directory_.attempts());
    progress_ = progress_of(inputs_.plan, store::fold_manifest(lines), attempts);
    LLEM_TRY(blocks_.take_up(directory_, inputs_.factors, results_));
    note_start();
    announce_study();
    const auto driven = all();
    // What was measured is summed up even when the disk refused the next trial.
    auto gathered =
        gather(inputs_.plan, directory_, std::move(results_), inputs_.factors, inputs_.events);
    DriveOutcome outcome;
    Expected<void> summary;
    Expected<void> table;
    if (gathered) {
      outcome.unread = std::move(gathered->unread);
      outcome.summary = analysis::summarise(inputs_.plan, gathered->results, blocks_.latest());
      outcome.summary.stopped = driven ? stopped_ : std::optional(driven.error().message);
      summary = directory_.write_summary(outcome.summary);
      table = directory_.write_results_table(gathered->results);
    }
    LLEM_TRY(driven);
    LLEM_TRY(gathered);
    LLEM_TRY(table);
    LLEM_TRY(summary);
    LLEM_TRY(look_for_interrupt());
    outcome.interrupted = interrupted_;
    return outcome;
  }

 private:
  bool mine(std::size_t position) const {
    return static_cast<std::int64_t>(position) % inputs_.shard.n == inputs_.shard.k - 1;
  }

  bool wanted(std::size_t position) const {
    const TrialProgress& progress = progress_[position];
    if (!mine(position) || !blocks_.needs(position) || progress.standing == Standing::done) {
      return false;
    }
    return progress.standing != Standing::failed || inputs_.retry_failed ||
           progress.failures <= inputs_.plan.study.retries;
  }

  void note_start() {
    expect_from(0);
    if (!inputs_.means.empty()) {
      start_celsius_ = hottest(*inputs_.means.front().meters);
    }
    const domain::Study& study = inputs_.plan.study;
    if (!start_celsius_ &&
        (study.gap.temperature_within_c || study.cycle_gap.temperature_within_c)) {
      warn(inputs_.events, "no sensor tells a temperature, so there is no rest between trials");
    }
  }

  /// What is to come, the trials before this position being over.
  void expect_from(std::size_t position) {
    forecast_.expect_nothing();
    for (std::size_t i = position; i < progress_.size(); ++i) {
      const std::int64_t configuration = inputs_.plan.trials[i].configuration;
      if (wanted(i) && blocks_.surely_needs(i)) {
        forecast_.expect(configuration);
      } else if (wanted(i)) {
        forecast_.expect_perhaps(configuration);
      }
    }
  }

  void add_left(Event& event) const {
    const config::TimeRange left = blocks_.left(forecast_, sys::MonotonicClock().now());
    event.remaining_low_s = left.low_s;
    event.remaining_high_s = left.high_s;
  }

  void announce_study() {
    Event event;
    event.kind = EventKind::study_started;
    event.text = directory_.path().string();
    event.trials = static_cast<std::int64_t>(inputs_.plan.trials.size());
    event.done = static_cast<double>(std::ranges::count_if(
        progress_, [](const TrialProgress& p) { return p.standing == Standing::done; }));
    add_left(event);
    inputs_.events(event);
  }

  Expected<void> all() {
    for (std::size_t i = 0; i < inputs_.plan.trials.size() && !over(); ++i) {
      LLEM_TRY(at(i));
      LLEM_TRY(decide(i));
    }
    return {};
  }

  Expected<void> at(std::size_t position) {
    if (!wanted(position)) {
      return {};
    }
    const domain::Trial& planned = inputs_.plan.trials[position];
    TrialProgress& progress = progress_[position];
    if (progress.standing == Standing::recorded) {
      LLEM_TRY(take_over(planned, progress));
      if (!wanted(position)) {
        forecast_.drop(planned.configuration);
        return {};
      }
    }
    const bool measured = planned.role == domain::TrialRole::measured;
    const domain::Study& study = inputs_.plan.study;
    if (any_) {
      gap_ = measured && last_cycle_ && *last_cycle_ != planned.cycle ? study.cycle_gap : study.gap;
    }
    any_ = true;
    last_cycle_ = measured ? planned.cycle : last_cycle_;
    LLEM_TRY(with_retries(planned, progress));
    return look_for_interrupt();
  }

  /// Whether the study goes on, where a block has become whole.
  Expected<void> decide(std::size_t position) {
    const auto decision =
        over() ? std::nullopt : blocks_.due_at(position, results_, sys::MonotonicClock().now());
    if (!decision) {
      return {};
    }
    LLEM_TRY(directory_.append_decision(*decision));
    blocks_.take(*decision);
    expect_from(position + 1);
    announce(EventKind::block_decided, inputs_.plan.trials[position], blocks_.words(results_),
             blocks_.verdict());
    return {};
  }

  bool over() const { return interrupted_ || stopped_.has_value(); }

  /// A recording whose result was not written before the program ended.
  Expected<void> take_over(const domain::Trial& planned, TrialProgress& progress) {
    const auto recording = store::read_recording(*progress.recording);
    if (!recording) {
      warn(inputs_.events, fmt::format("`{}`: {}: the trial is run again",
                                       progress.recording->string(), recording.error().message));
      progress.standing = Standing::open;
      return {};
    }
    LLEM_ASSIGN(Settled settled, settle(planned, *progress.recording, *recording));
    const bool failed = settled.state == store::TrialState::failed;
    const bool open = settled.state == store::TrialState::interrupted;
    progress.standing = open ? Standing::open : failed ? Standing::failed : Standing::done;
    progress.failures += failed ? 1 : 0;
    results_.insert_or_assign(std::pair(planned.index, recording->attempt),
                              std::move(settled.result));
    return {};
  }

  struct Settled {
    domain::TrialResult result;
    store::TrialState state;
  };

  /// What becomes of a trial whose recording is kept.
  Expected<Settled> settle(const domain::Trial& planned, const sys::Path& place,
                           const domain::Recording& recording) {
    LLEM_ASSIGN(domain::TrialResult result, keep_result(place, recording, inputs_.factors));
    const bool interrupted = recording.outcome.state == domain::OutcomeState::interrupted;
    const store::TrialState state = manifest_state(result, interrupted);
    LLEM_TRY(directory_.append_manifest(planned.index, recording.attempt, state,
                                        recording.outcome.code));
    return Settled{std::move(result), state};
  }

  Expected<void> with_retries(const domain::Trial& planned, TrialProgress& progress) {
    // Attempts that failed before an interruption count, unless failed trials are asked for again.
    const std::int64_t before = inputs_.retry_failed ? 0 : progress.failures;
    for (std::int64_t tries = before; !over(); ++tries) {
      if (tries > before) {
        gap_ = inputs_.plan.study.gap;
        forecast_.expect(planned.configuration);
      }
      LLEM_ASSIGN(const bool ok, one(planned, progress.next_attempt++));
      if (over()) {
        return {};
      }
      if (ok || tries >= inputs_.plan.study.retries) {
        note_outcome(planned, ok);
        break;
      }
    }
    return {};
  }

  /// The circuit breaker: what fails again and again will not mend itself.
  void note_outcome(const domain::Trial& planned, bool ok) {
    failures_in_a_row_ = ok ? 0 : failures_in_a_row_ + 1;
    if (!ok && inputs_.plan.study.stop_on_failure) {
      stopped_ = fmt::format("trial {} failed and study.stop_on_failure is set", planned.index + 1);
    } else if (failures_in_a_row_ >= inputs_.plan.study.max_consecutive_failures) {
      stopped_ = fmt::format("{} trials in a row failed, the last with {}", failures_in_a_row_,
                             last_code_.empty() ? "an invalid result" : last_code_);
    }
  }

  /// With the devices held: they rest whoever used them last.
  Expected<void> rest(meters::MeterSet& meters, const domain::Measure& measure) {
    const RestInputs inputs{.gap = gap_,
                            .start_celsius = start_celsius_,
                            .interrupts = inputs_.interrupts,
                            .skip = inputs_.skip_rest,
                            .events = inputs_.events};
    LLEM_ASSIGN(StopRequest request, rest_between(inputs, meters));
    if (request == StopRequest::none && measure.foreign == domain::Foreign::wait) {
      LLEM_ASSIGN(request, wait_until_free(inputs, meters));
    }
    interrupted_ = interrupted_ || request != StopRequest::none;
    return {};
  }

  const Means& means_of(const domain::Trial& trial) const {
    return inputs_.means[static_cast<std::size_t>(trial.configuration)];
  }

  /// Whether the trial has a result that counts.
  Expected<bool> one(const domain::Trial& planned, std::int64_t attempt) {
    const Means& means = means_of(planned);
    DeviceLocks locks;
    if (inputs_.lock_devices) {
      LLEM_ASSIGN(locks, lock_devices(needed_devices(means.meters->devices),
                                      {inputs_.interrupts, inputs_.events}));
    }
    interrupted_ = interrupted_ || locks.request != StopRequest::none;
    const domain::Configuration& configuration =
        inputs_.plan.configurations[static_cast<std::size_t>(planned.configuration)];
    if (!interrupted_) {
      LLEM_TRY(rest(*means.meters, configuration.measure));
    }
    if (interrupted_) {
      return false;
    }
    LLEM_ASSIGN(const sys::Path place,
                directory_.make_trial_directory(planned, configuration.hash, attempt));
    trial::TrialSpec spec{.configuration = configuration,
                          .trial = planned.index,
                          .trials = static_cast<std::int64_t>(inputs_.plan.trials.size()),
                          .cycle = planned.cycle,
                          .attempt = attempt,
                          .role = planned.role,
                          .sample = planned.sample(),
                          .timeout = Seconds(*inputs_.plan.study.timeout_s),
                          .timeouts = inputs_.plan.study.timeouts,
                          .directory = place,
                          .worker = means.worker,
                          .prompts = *means.prompts,
                          .notes = {}};
    if (means.dataset_substituted) {
      spec.notes.push_back({"dataset_substituted", "the bundled prompts were used"});
    }
    LLEM_TRY(directory_.append_manifest(planned.index, attempt, store::TrialState::started));
    announce_start(planned, configuration);
    const MonotonicTime begin = sys::MonotonicClock().now();
    domain::Recording recording = record(spec, means);
    recording.tool_version = inputs_.tool_version;
    if (recording.outcome.state == domain::OutcomeState::completed) {
      forecast_.took(planned.configuration, Seconds(sys::MonotonicClock().now() - begin).count());
    } else {
      forecast_.drop(planned.configuration);
    }
    return keep(planned, place, std::move(recording));
  }

  Expected<bool> keep(const domain::Trial& planned, const sys::Path& place,
                      domain::Recording recording) {
    LLEM_TRY(keep_recording(place, recording));
    if (recording.outcome.state == domain::OutcomeState::completed) {
      engines::remove_exchanged_files(place);
    }
    LLEM_TRY(
        directory_.append_manifest(planned.index, recording.attempt, store::TrialState::recorded));
    LLEM_ASSIGN(Settled settled, settle(planned, place, recording));
    announce(EventKind::trial_finished, planned, result_line(settled.result, recording),
             std::string(state_word(settled.result.validity.state)));
    last_code_ = recording.outcome.code.value_or("");
    results_.emplace(std::pair(planned.index, recording.attempt), std::move(settled.result));
    return settled.state == store::TrialState::done;
  }

  domain::Recording record(const trial::TrialSpec& spec, const Means& means) {
    if (!uses_gpu(*means.meters) &&
        spec.configuration.deploy.engine == domain::EngineKind::llamacpp) {
      const auto available =
          static_cast<double>(sys::usable_memory_bytes(sys::read_host_facts(sys::system_root())));
      const PointPrediction point = predict_point(spec.configuration, *means.model, available);
      if (!point.memory.fits) {
        return refused(spec, too_large(point.memory));
      }
    }
    if (spec.configuration.measure.foreign == domain::Foreign::fail) {
      if (const auto free = check_free(*means.meters); !free) {
        return refused(spec, free.error());
      }
    }
    auto limits =
        set_device_state(means.meters->devices, spec.configuration.deploy, spec.directory);
    if (!limits) {
      return refused(spec, limits.error());
    }
    trial::Ports ports{*means.meters, inputs_.placement, watched_interrupts(), inputs_.events};
    domain::Recording recording = trial::record(spec, ports);
    restore_device_state(*limits, recording);
    return recording;
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

  /// Whatever becomes of the trial that an interrupt meets, no other follows it.
  Interrupts watched_interrupts() {
    return {inputs_.interrupts.fd, [this] {
              const StopRequest request = inputs_.interrupts.read();
              interrupted_ = interrupted_ || request != StopRequest::none;
              return request;
            }};
  }

  void announce_start(const domain::Trial& planned, const domain::Configuration& configuration) {
    Event event = event_of(EventKind::trial_started, planned);
    event.text = configuration.label;
    add_left(event);
    inputs_.events(event);
  }

  void announce(EventKind kind, const domain::Trial& planned, std::string text, std::string state) {
    Event event = event_of(kind, planned);
    event.text = std::move(text);
    event.state = std::move(state);
    inputs_.events(event);
  }

  Event event_of(EventKind kind, const domain::Trial& planned) const {
    Event event;
    event.kind = kind;
    event.trial = planned.index + 1;
    event.trials = static_cast<std::int64_t>(inputs_.plan.trials.size());
    event.cycle = planned.cycle;
    return event;
  }

  const DriveInputs& inputs_;
  store::RunDirectory& directory_;
  Forecast forecast_;
  BlockWatch blocks_;
  std::vector<TrialProgress> progress_;
  ResultsByAttempt results_;
  std::optional<double> start_celsius_;
  domain::Gap gap_;                         // before the next trial
  std::optional<std::int64_t> last_cycle_;  // of a measured trial: sentinels count their own
  bool any_ = false;                        // trial has run
  std::int64_t failures_in_a_row_ = 0;
  std::string last_code_;
  std::optional<std::string> stopped_;
  bool interrupted_ = false;
};

}  // namespace

Expected<DriveOutcome> drive(const DriveInputs& inputs, store::RunDirectory& directory) {
  return Driver(inputs, directory).run();
}

}  // namespace llem::study
