#include "trial/record.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "engines/worker_engine.hpp"
#include "meters/sampler.hpp"
#include "stats/regression.hpp"
#include "sys/clock.hpp"
#include "sys/host.hpp"
#include "sys/memory.hpp"
#include "sys/wait.hpp"
#include "trial/recorder.hpp"
#include "workload/bounds.hpp"

namespace llem::trial {

namespace {

// Passes of disjoint prompts made ready for each window; a window that needs more starts again at
// its first, with the engine's cache emptied.
constexpr std::int64_t kDistinctPasses = 16;  // of a window
constexpr std::int64_t kMostPasses = 64;      // of all; each window has one at least
constexpr std::int64_t kLargestClockBoundNs = 1'000'000;
constexpr Seconds kStopGrace{5};
constexpr Seconds kHurriedGrace{2};  // of an engine whose result is wanted by a user in a hurry
constexpr const char* kWarmup = "warmup";

std::string timeout_code(domain::PhaseName phase) {
  switch (phase) {
    case domain::PhaseName::load:
      return "timeout_load";
    case domain::PhaseName::warmup:
      return "timeout_warmup";
    case domain::PhaseName::window:
      return "timeout_window";
    case domain::PhaseName::baseline:
    case domain::PhaseName::loaded_idle:
    case domain::PhaseName::pad_before:
    case domain::PhaseName::pad_after:
    case domain::PhaseName::cooldown:
      break;
  }
  return "worker_silent";
}

domain::Anchor anchor() {
  const sys::ClockAnchor now = sys::read_clock_anchor();
  return {now.monotonic_ns, now.boottime_ns, now.realtime_ns, sys::utc_text(now.realtime_ns)};
}

domain::HostRecord host_record() {
  const sys::HostFacts facts = sys::read_host_facts(sys::system_root());
  return {facts.hostname,     facts.kernel,       facts.os,           facts.cpu_model,
          facts.logical_cpus, facts.machine_cpus, facts.memory_bytes, facts.governor,
          facts.hypervisor,   facts.container};
}

/// Identifies what was asked, token for token: prompts and output limits of every pass in order.
std::string hash_of_requests(const std::vector<workload::Pass>& passes) {
  base::Sha256 hash;
  for (const workload::Pass& pass : passes) {
    for (const workload::PlannedRequest& request : pass) {
      const std::int64_t limits[] = {static_cast<std::int64_t>(request.prompt_tokens.size()),
                                     request.max_tokens, request.min_tokens};
      hash.update(limits, sizeof limits);
      hash.update(request.prompt_tokens.data(),
                  request.prompt_tokens.size() * sizeof(std::int64_t));
    }
  }
  return hash.hex_digest();
}

protocol::Schedule wire_schedule(const std::vector<workload::Pass>& passes,
                                 const domain::Configuration& configuration, std::uint64_t block) {
  protocol::Schedule schedule;
  schedule.mode = std::string(words(
      configuration.deploy.batching)[static_cast<std::size_t>(configuration.deploy.batching)]);
  schedule.batch_size = configuration.deploy.batch_size;
  // JSON integers are signed; the seed loses its top bit on the wire and nowhere else.
  schedule.sampling_seed =
      static_cast<std::int64_t>(workload::sampling_seed(configuration.workload, block) >> 1);
  for (const workload::Pass& pass : passes) {
    protocol::SchedulePass& out = schedule.passes.emplace_back();
    for (const workload::PlannedRequest& request : pass) {
      out.requests.push_back({request.id, request.prompt_tokens, request.max_tokens,
                              request.min_tokens, request.stop_at_eos, std::nullopt});
    }
  }
  return schedule;
}

}  // namespace

Recorder::Recorder(const TrialSpec& spec, Ports& ports) : spec_(spec), ports_(ports) {
  recording_.trial = spec.trial;
  recording_.cycle = spec.cycle;
  recording_.attempt = spec.attempt;
  recording_.role = spec.role;
  recording_.configuration = spec.configuration;
  recording_.notes = spec.notes;
  recording_.devices = ports.meters.devices;
  recording_.host = host_record();
  recording_.anchor_begin = anchor();
  deadline_ = sys::MonotonicClock().now() +
              std::chrono::duration_cast<MonotonicTime::duration>(spec.timeout);
}

domain::Recording Recorder::run() {
  std::vector<meters::Meter*> meters;
  for (const auto& meter : ports_.meters.meters) {
    meters.push_back(meter.get());
  }
  sampler_ = std::make_unique<meters::Sampler>(meters, *spec_.configuration.measure.sample_hz);
  sampler_->start();
  if (auto outcome = all_phases(); !outcome) {
    fail(outcome.error());
  }
  close_phase();
  finish();
  return std::move(recording_);
}

Expected<void> Recorder::all_phases() {
  const domain::Measure& measure = spec_.configuration.measure;
  begin_phase(domain::PhaseName::baseline, measure.baseline.bare_s);
  LLEM_TRY(rest(*measure.baseline.bare_s));
  LLEM_TRY(start_engine());
  LLEM_TRY(prepare());
  begin_phase(domain::PhaseName::loaded_idle, measure.baseline.loaded_s);
  LLEM_TRY(rest(*measure.baseline.loaded_s));
  LLEM_TRY(warm_up());
  LLEM_TRY(write_window_schedules());
  note_device_processes();
  LLEM_TRY(pad(domain::PhaseName::pad_before));
  for (std::int64_t window = 0; window < measure.windows_per_trial; ++window) {
    LLEM_TRY(serve_window(window));
    // Also the pad before the next window.
    LLEM_TRY(pad(domain::PhaseName::pad_after));
  }
  note_device_processes();
  // With the engine loaded: idle after the work is measured, too. finish() ends it.
  begin_phase(domain::PhaseName::cooldown, measure.cooldown_s);
  // Everything is measured: an interrupt now ends the study, not this trial, and an engine that
  // dies takes nothing with it.
  const auto rested = rest(*measure.cooldown_s);
  if (!rested && rested.error().kind != ErrorKind::interrupted) {
    recording_.notes.push_back({"engine_warning", "in cooldown: " + rested.error().message});
  }
  return {};
}

MonotonicTime Recorder::phase_deadline(const std::optional<double>& limit_s) const {
  return limit_s ? std::min(deadline_, sys::deadline_after(Seconds(*limit_s))) : deadline_;
}

Expected<void> Recorder::start_engine() {
  begin_phase(domain::PhaseName::load);
  const MonotonicTime deadline = phase_deadline(spec_.timeouts.load_s);
  protocol::WorkerConfig config;
  config.trial = spec_.trial;
  config.config_hash = spec_.configuration.hash;
  config.model_path = spec_.configuration.model_path;
  config.deploy = spec_.configuration.deploy;
  config.workload = spec_.configuration.workload;
  config.max_request_tokens = workload::longest_request(config.workload);
  LLEM_ASSIGN(engine_,
              engines::WorkerEngine::start(runners::place(ports_.placement, spec_.worker),
                                           std::move(config), spec_.directory, hooks(), deadline));
  engine_->watch_silence(Seconds(spec_.timeouts.silence_s.value_or(0)));
  recording_.worker.worker = engine_->hello().worker;
  recording_.worker.engine = engine_->hello().engine;
  recording_.worker.engine_version = engine_->hello().engine_version;
  recording_.worker.protocol = engine_->hello().protocol;
  recording_.worker.pid = engine_->hello().pid;
  recording_.worker.capabilities = engine_->hello().capabilities;
  recording_.clock_offset = engine_->clock_offset();
  if (recording_.clock_offset.bound_ns > kLargestClockBoundNs) {
    return failure(ErrorKind::engine,
                   fmt::format("host and worker clocks agree only to {} us",
                               recording_.clock_offset.bound_ns / 1000),
                   "free the machine of other load", "clock_offset_large");
  }
  worker_meter_ = meters::make_process_meter(engine_->process_group());
  sampler_->add(worker_meter_.get());
  return engine_->load(deadline);
}

Expected<void> Recorder::prepare() {
  const domain::Workload& workload = spec_.configuration.workload;
  const domain::Deploy& deploy = spec_.configuration.deploy;
  const std::int64_t windows = spec_.configuration.measure.windows_per_trial;
  const std::int64_t passes = std::min(kDistinctPasses * windows, std::max(kMostPasses, windows));
  std::int64_t empty_prompts = 0;
  protocol::PromptRequest request;
  request.chat_template =
      std::string(words(workload.chat_template)[static_cast<std::size_t>(workload.chat_template)]);
  if (workload.dataset.name == "synthetic") {
    LLEM_ASSIGN(request.synthetic_lengths,
                workload::synthetic_lengths(workload, deploy, block(), passes));
    request.synthetic_seed = static_cast<std::int64_t>(
        base::derive_seed(static_cast<std::uint64_t>(workload.seed), "synthetic", block()) >> 1);
  } else {
    LLEM_ASSIGN(const workload::PromptChoice choice,
                workload::choose_prompts(workload, deploy, spec_.prompts, block(), passes));
    empty_prompts = choice.empty_prompts;
    for (const std::int64_t index : choice.indices) {
      request.texts.push_back(spec_.prompts[static_cast<std::size_t>(index)]);
    }
  }
  LLEM_ASSIGN(protocol::PromptTokens answer, engine_->tokenize(request, deadline_));
  std::vector<std::vector<std::int64_t>> tokens;
  for (protocol::TokenList& prompt : answer.prompts) {
    tokens.push_back(std::move(prompt.tokens));
  }
  LLEM_ASSIGN(schedules_, workload::make_schedules(
                              workload, deploy, tokens,
                              deploy.context_length.value_or(answer.context_length), block()));
  recording_.schedule = schedules_.record;
  recording_.schedule.skipped_prompts += empty_prompts;
  recording_.schedule.requests_sha256 = hash_of_requests(schedules_.window);
  recording_.schedule.dataset = workload.dataset.name;
  recording_.schedule.dataset_prompts = static_cast<std::int64_t>(spec_.prompts.size());
  return {};
}

Expected<void> Recorder::warm_up() {
  const domain::Measure& measure = spec_.configuration.measure;
  const double longest = *measure.warmup.max_s;
  if (longest <= 0) {
    return {};
  }
  begin_phase(domain::PhaseName::warmup, measure.warmup.min_s);
  const MonotonicTime begin = sys::MonotonicClock().now();
  const auto elapsed = [begin] { return Seconds(sys::MonotonicClock().now() - begin).count(); };
  const protocol::Schedule schedule =
      wire_schedule(schedules_.warmup, spec_.configuration, block());
  const MonotonicTime deadline = phase_deadline(spec_.timeouts.warmup_s);
  LLEM_TRY(engine_->write_schedule(kWarmup, schedule));
  engine_->watch_silence(Seconds(0));  // a serve says nothing; the phase's deadline bounds it
  for (double left = longest; left > 0; left = longest - elapsed()) {
    protocol::Repeat once;
    once.max_passes = 1;
    once.max_s = left;
    LLEM_ASSIGN(auto outcome, engine_->serve(kWarmup, once, deadline));
    note_warmup_pass(std::move(outcome.serve));
    if (engine_->interrupted()) {
      return failure(ErrorKind::interrupted, "interrupted", {}, "interrupted");
    }
    if (recording_.warmup.steady && elapsed() >= *measure.warmup.min_s) {
      break;
    }
  }
  return {};
}

void Recorder::note_warmup_pass(domain::Serve pass) {
  const bool whole = pass.passes > 0;  // else its time was up
  std::int64_t tokens = 0;
  for (const domain::RequestRecord& request : pass.requests) {
    tokens += request.prompt_tokens + request.output_tokens;
  }
  if (whole) {
    recording_.warmup.blocks.push_back({pass.t_begin_ns, pass.t_end_ns, tokens});
    std::vector<double> times;
    std::vector<double> rates;
    for (const domain::WarmupBlock& block : recording_.warmup.blocks) {
      times.push_back(1e-9 * static_cast<double>(block.t_begin_ns + block.t_end_ns) / 2);
      rates.push_back(static_cast<double>(block.tokens) /
                      seconds_between(block.t_begin_ns, block.t_end_ns));
    }
    stats::SteadyCriteria criteria;
    criteria.blocks = spec_.configuration.measure.profile == domain::Profile::quick
                          ? stats::SteadyCriteria::kQuickBlocks
                          : criteria.blocks;
    const stats::SteadyVerdict verdict = stats::judge_steady(times, rates, criteria);
    recording_.warmup.steady = verdict.steady;
    if (verdict.enough_blocks) {
      recording_.warmup.cv_ratio = verdict.cv;
      recording_.warmup.slope_ratio = verdict.relative_slope;
    }
  }
  if (recording_.serves.empty()) {
    recording_.serves.push_back(std::move(pass));
    return;
  }
  domain::Serve& all = recording_.serves.front();
  const auto offset = static_cast<std::int64_t>(all.token_ns.size());
  for (domain::RequestRecord& request : pass.requests) {
    request.pass += all.passes;
    request.id = fmt::format("p{}r{}", request.pass, request.id.substr(request.id.find('r') + 1));
    request.token_offset += offset;
    all.requests.push_back(std::move(request));
  }
  all.token_ns.insert(all.token_ns.end(), pass.token_ns.begin(), pass.token_ns.end());
  all.steps.insert(all.steps.end(), pass.steps.begin(), pass.steps.end());
  all.passes += pass.passes;
  all.t_end_ns = pass.t_end_ns;
}

/// Before the pads, so that nothing but idle time lies between them and the windows.
Expected<void> Recorder::write_window_schedules() {
  const std::int64_t windows = spec_.configuration.measure.windows_per_trial;
  for (std::int64_t window = 0; window < windows; ++window) {
    const auto passes = workload::window_share(schedules_.window, window, windows);
    LLEM_TRY(engine_->write_schedule(domain::window_label(window),
                                     wire_schedule(passes, spec_.configuration, block())));
    window_passes_.push_back(static_cast<std::int64_t>(passes.size()));
  }
  recording_.schedule.prompts_repeat |=
      static_cast<std::int64_t>(schedules_.window.size()) < windows;
  sys::release_free_memory();  // of tokenising and scheduling
  return {};
}

Expected<void> Recorder::pad(domain::PhaseName name) {
  const double seconds = *spec_.configuration.measure.window.pad_s;
  begin_phase(name, seconds);
  sampler_->quicken(true);
  LLEM_TRY(rest(seconds));
  sampler_->quicken(false);
  return {};
}

Expected<void> Recorder::serve_window(std::int64_t number) {
  const domain::Window& window = spec_.configuration.measure.window;
  protocol::Repeat repeat;
  repeat.min_s = *window.min_s;
  repeat.min_requests = window.min_requests.value_or(0);
  begin_phase(domain::PhaseName::window, repeat.min_s);
  engine_->watch_silence(Seconds(0));
  auto outcome =
      engine_->serve(domain::window_label(number), repeat, phase_deadline(spec_.timeouts.window_s));
  if (!outcome) {
    return tl::unexpected(outcome.error());
  }
  // The window is what the engine served, on its own marks; the pad before it reaches up to its
  // begin.
  const domain::Serve& served = outcome->serve;
  if (!recording_.phases.empty()) {
    recording_.phases.back().t_end_ns = served.t_begin_ns;
  }
  recording_.phases.push_back({domain::PhaseName::window, served.t_begin_ns, served.t_end_ns});
  open_phase_.reset();
  recording_.schedule.prompts_repeat |=
      served.passes > window_passes_[static_cast<std::size_t>(number)];
  recording_.serves.push_back(std::move(outcome->serve));
  if (outcome->cancelled || engine_->interrupted()) {
    return failure(ErrorKind::interrupted, "interrupted", {}, "interrupted");
  }
  return {};
}

void Recorder::stop_engine() {
  if (!engine_) {
    return;
  }
  recording_.engine_stopped_ns = to_ns(sys::MonotonicClock().now());
  const bool completed = recording_.outcome.state == domain::OutcomeState::completed;
  const bool interrupted = engine_->interrupted();
  const Seconds grace =
      completed ? (interrupted ? kHurriedGrace : kStopGrace) : Seconds(interrupted ? 0.5 : 1);
  const sys::Stopped stopped = engine_->stop(grace);
  if (!stopped.hunted.empty()) {
    recording_.notes.push_back(
        {"engine_warning", fmt::format("{} processes of the worker had left its group and were "
                                       "killed",
                                       stopped.hunted.size())});
  }
  if (!stopped.survivors.empty()) {
    warn("worker_survived", fmt::format("process {} of the worker outlived SIGKILL",
                                        fmt::join(stopped.survivors, ", ")));
  }
  if (auto result = engine_->read_result()) {
    recording_.worker = std::move(result->worker);
    recording_.model = std::move(result->model);
    note_unused_devices();
  }
  engine_.reset();
}

void Recorder::note_unused_devices() {
  // An engine that offloaded no layer uses no GPU, whatever it was told: the energy of its tokens
  // is not the GPU's.
  const base::Json* layers = recording_.worker.effective.find("n_gpu_layers");
  if (layers == nullptr || !layers->is_integer() || layers->integer() != 0) {
    return;
  }
  for (domain::Device& device : recording_.devices) {
    device.used = device.used && !device.used_gpu();
  }
}

void Recorder::finish() {
  stop_engine();
  sampler_->stop();
  sampler_->drain(recording_.traces);
  recording_.channels = sampler_->channels();
  recording_.traces.resize(recording_.channels.size());
  recording_.sampler = sampler_->statistics();
  for (const auto& meter : ports_.meters.meters) {
    if (meter->lost()) {
      const std::string device =
          meter->channels().empty() ? std::string("a device") : meter->channels().front().device;
      recording_.notes.push_back({"sensor_lost", device + " no longer answers"});
    }
  }
  recording_.anchor_end = anchor();
}

void Recorder::fail(const Error& error) {
  domain::Outcome& outcome = recording_.outcome;
  // A worker that does not end at an interrupt as it should has failed because of it.
  const bool interrupted =
      error.kind == ErrorKind::interrupted || (engine_ && engine_->interrupted());
  outcome.state = interrupted ? domain::OutcomeState::interrupted : domain::OutcomeState::failed;
  const domain::PhaseName phase = current_phase_;
  outcome.phase = std::string(words(phase)[static_cast<std::size_t>(phase)]);
  if (interrupted) {
    outcome.code = "interrupted";
  } else if (error.kind == ErrorKind::timeout) {
    outcome.code = timeout_code(phase);
  } else if (!error.code.empty()) {
    outcome.code = error.code;
  } else {
    outcome.code = "internal";
  }
  outcome.message = error.message;
  if (!error.hint.empty()) {
    *outcome.message += " (" + error.hint + ")";
  }
  std::replace(outcome.message->begin(), outcome.message->end(), '\n', ' ');
}

Expected<void> Recorder::rest(double seconds) {
  const MonotonicTime until = sys::MonotonicClock().now() +
                              std::chrono::duration_cast<MonotonicTime::duration>(Seconds(seconds));
  if (engine_) {
    LLEM_TRY(engine_->idle_until(until));
  } else {
    LLEM_ASSIGN(const StopRequest request, engines::wait_until(until, hooks()));
    if (request != StopRequest::none) {
      return failure(ErrorKind::interrupted, "interrupted", {}, "interrupted");
    }
  }
  return {};
}

void Recorder::begin_phase(domain::PhaseName name, std::optional<double> expected) {
  close_phase();
  current_phase_ = name;
  open_phase_ = domain::Phase{name, to_ns(sys::MonotonicClock().now()), 0};
  Event event = phase_event(EventKind::phase_started);
  event.expected_s = expected;
  event.power_w = latest_power();
  event.tokens_per_s = latest_rate();
  ports_.events(event);
}

void Recorder::close_phase() {
  if (!open_phase_) {
    return;
  }
  open_phase_->t_end_ns = to_ns(sys::MonotonicClock().now());
  recording_.phases.push_back(*open_phase_);
  open_phase_.reset();
}

std::uint64_t Recorder::block() const {
  return static_cast<std::uint64_t>(spec_.sample - 1);
}

domain::Recording record(const TrialSpec& spec, Ports& ports) {
  return Recorder(spec, ports).run();
}

}  // namespace llem::trial
