#include "scripted/scripted_engine.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "base/field_io.hpp"

namespace llem::worker {

namespace {

constexpr Token kEos = 2;
constexpr Token kFirstOrdinary = 3;
constexpr std::size_t kBytesPerToken = 4;
constexpr std::int64_t kNapNs = 20'000'000;

std::int64_t in_ns(double seconds) {
  return static_cast<std::int64_t>(seconds * 1e9);
}

void sleep_until(std::int64_t end_ns, Interrupt& interrupt) {
  for (std::int64_t now = now_ns(); now < end_ns && !interrupt.raised(); now = now_ns()) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(std::min(end_ns - now, kNapNs)));
  }
}

void spin_until(std::int64_t end_ns, Interrupt& interrupt) {
  while (now_ns() < end_ns && !interrupt.raised()) {
  }
}

void rest(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

Token ordinary(base::Random& random, std::int64_t vocabulary) {
  return kFirstOrdinary +
         static_cast<Token>(random.below(static_cast<std::uint64_t>(vocabulary - kFirstOrdinary)));
}

protocol::TokenList made_prompt(std::int64_t length, std::int64_t vocabulary, std::uint64_t seed) {
  base::Random random(seed);
  protocol::TokenList list;
  list.tokens.push_back(1);
  while (static_cast<std::int64_t>(list.tokens.size()) < length) {
    list.tokens.push_back(ordinary(random, vocabulary));
  }
  return list;
}

}  // namespace

Identity ScriptedEngine::identity() const {
  Identity identity{"llem-worker-scripted", "scripted", "1", {"static", "continuous"}, {}};
  identity.protocol =
      script_.wrong_protocol.empty() ? std::string(protocol::kVersion) : script_.wrong_protocol;
  return identity;
}

Expected<LoadReport> ScriptedEngine::load(const protocol::WorkerConfig& config, Notices& notices) {
  notices.progress("load", 0, 1);
  LLEM_TRY(faults_.strike("load"));
  rest(script_.load_s);
  notices.progress("load", 1, 1);
  context_length_ = config.deploy.context_length.value_or(script_.context_length);
  step_rows_ = config.deploy.max_batched_tokens.value_or(step_rows_);
  LoadReport report;
  const base::Json deploy = base::write_struct(config.deploy);
  for (const auto& [name, value] : deploy.members()) {
    if (name != "env" && name != "scripted" && name != "llamacpp" && name != "engine") {
      report.declared[name] = value;
    }
  }
  report.effective = report.declared;
  if (script_.effective.is_object()) {
    for (const auto& [name, value] : script_.effective.members()) {
      report.effective[name] = value;
    }
  }
  report.model = script_.model;
  report.model.vocabulary = script_.vocabulary;
  report.model.context_length = script_.context_length;
  report.kv_cache_bytes = script_.kv_cache_bytes;
  return report;
}

Expected<protocol::PromptTokens> ScriptedEngine::tokenize(const protocol::PromptRequest& request,
                                                          Notices& /*notices*/) {
  LLEM_TRY(faults_.strike("tokenize"));
  rest(script_.tokenize_s);
  protocol::PromptTokens tokens;
  tokens.vocabulary = script_.vocabulary;
  tokens.context_length = script_.context_length;
  tokens.chat_template_used = request.chat_template == "on";
  for (const std::string& text : request.texts) {
    const auto length =
        static_cast<std::int64_t>((text.size() + kBytesPerToken - 1) / kBytesPerToken);
    tokens.prompts.push_back(made_prompt(std::max<std::int64_t>(length, 1), script_.vocabulary,
                                         base::derive_seed(0, text)));
  }
  for (std::size_t i = 0; request.texts.empty() && i < request.synthetic_lengths.size(); ++i) {
    const auto seed = static_cast<std::uint64_t>(request.synthetic_seed);
    tokens.prompts.push_back(made_prompt(request.synthetic_lengths[i], script_.vocabulary,
                                         base::derive_seed(seed, "synthetic", i)));
  }
  return tokens;
}

Expected<void> ScriptedEngine::check(const protocol::Schedule& schedule) const {
  for (const protocol::SchedulePass& pass : schedule.passes) {
    for (const protocol::ScheduledRequest& request : pass.requests) {
      const auto tokens =
          static_cast<std::int64_t>(request.prompt_tokens.size()) + request.max_tokens;
      if (tokens > context_length_) {
        return failure(ErrorKind::engine,
                       fmt::format("request {} needs {} tokens, a sequence holds {}", request.id,
                                   tokens, context_length_),
                       {}, "prompt_too_long");
      }
    }
  }
  return {};
}

Expected<ServeRecord> ScriptedEngine::serve(const protocol::Schedule& schedule,
                                            const protocol::ServeCommand& command,
                                            Interrupt& interrupt) {
  LLEM_TRY(check(schedule));
  label_ = command.label;
  struck_ = false;
  sampling_seed_ = schedule.sampling_seed;
  const Limits limits{batching_of(schedule), schedule.batch_size,
                      std::max(step_rows_, schedule.batch_size)};
  LLEM_ASSIGN(ServeRecord record, serve_passes(schedule, command, limits, *this, interrupt));
  lie(record);
  return record;
}

void ScriptedEngine::begin_pass(const protocol::SchedulePass& /*pass*/,
                                std::span<const std::string> ids) {
  random_.clear();
  for (const std::string& id : ids) {
    random_.emplace_back(base::derive_seed(static_cast<std::uint64_t>(sampling_seed_), id));
  }
}

void ScriptedEngine::tell_step(std::int64_t begin_ns, std::int64_t end_ns) {
  if (script_.steps_file.empty()) {
    return;
  }
  if (!steps_.is_open()) {
    steps_.open(script_.steps_file, std::ios::binary | std::ios::app);
  }
  const std::array times{begin_ns, end_ns};
  steps_.write(reinterpret_cast<const char*>(times.data()), sizeof(times));
  steps_.flush();
}

Expected<StepOutcome> ScriptedEngine::run(const Step& step, std::vector<Sampled>& chosen,
                                          Interrupt& interrupt) {
  const std::int64_t begin = now_ns();
  if (!script_.instant) {
    const std::int64_t end =
        begin + in_ns(script_.decode_step_s +
                      static_cast<double>(step.decode_tokens) * script_.decode_token_s +
                      static_cast<double>(step.prefill_tokens) * script_.prefill_token_s);
    tell_step(begin, end);
    script_.busy ? spin_until(end, interrupt) : sleep_until(end, interrupt);
    if (now_ns() < end) {
      return StepOutcome::interrupted;
    }
  }
  for (const Row& row : step.rows) {
    if (!row.sampled) {
      continue;
    }
    base::Random& random = random_[row.request];
    const auto every = static_cast<std::uint64_t>(script_.eos_every);
    const bool ends = every > 0 && random.below(every) == 0 && row.may_stop;
    chosen.push_back({ends ? kEos : ordinary(random, script_.vocabulary), ends});
  }
  if (!std::exchange(struck_, true)) {
    LLEM_TRY(faults_.strike(label_));
  }
  return StepOutcome::done;
}

std::int64_t ScriptedEngine::text_bytes(std::span<const Token> output) {
  return static_cast<std::int64_t>(output.size() * kBytesPerToken);
}

void ScriptedEngine::lie(ServeRecord& record) const {
  const auto told = [this](std::string_view what) {
    return std::find(script_.lie.begin(), script_.lie.end(), what) != script_.lie.end();
  };
  auto& requests = record.serve.requests;
  if (told("requests") && !requests.empty()) {
    requests.pop_back();
  }
  for (domain::RequestRecord& request : requests) {
    request.output_tokens += told("tokens") ? 1 : 0;
    if (told("times")) {
      std::swap(request.started_ns, request.end_ns);
    }
  }
}

void ScriptedEngine::reached(Moment moment, HostLink& link) {
  const bool after = moment == Moment::served && label_ == "window";
  if (moment == Moment::served && !after) {
    return;
  }
  if (const Expected<void> struck = faults_.strike(after ? "after" : "loaded"); !struck) {
    std::exit(report(link, struck.error()));  // NOLINT(concurrency-mt-unsafe)
  }
}

}  // namespace llem::worker
