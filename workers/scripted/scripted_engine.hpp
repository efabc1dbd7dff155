#pragma once

// Owns: an engine that computes nothing but keeps the script's times.

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "scripted/faults.hpp"
#include "scripted/script.hpp"
#include "support/worker.hpp"

namespace llem::worker {

class ScriptedEngine final : public Engine, private Stepper {
 public:
  ScriptedEngine(const Script& script, Faults& faults) : script_(script), faults_(faults) {}

  Identity identity() const override;
  Expected<LoadReport> load(const protocol::WorkerConfig& config, Notices& notices) override;
  Expected<protocol::PromptTokens> tokenize(const protocol::PromptRequest& request,
                                            Notices& notices) override;
  Expected<ServeRecord> serve(const protocol::Schedule& schedule,
                              const protocol::ServeCommand& command, Interrupt& interrupt) override;
  void reached(Moment moment, HostLink& link) override;

 private:
  void begin_pass(const protocol::SchedulePass& pass, std::span<const std::string> ids) override;

  void empty_cache() override {}

  Expected<StepOutcome> run(const Step& step, std::vector<Sampled>& chosen,
                            Interrupt& interrupt) override;

  void release(int /*sequence*/) override {}

  std::int64_t text_bytes(std::span<const Token> output) override;
  Expected<void> check(const protocol::Schedule& schedule) const;
  void lie(ServeRecord& record) const;
  void tell_step(std::int64_t begin_ns, std::int64_t end_ns);

  const Script& script_;
  Faults& faults_;
  std::int64_t context_length_ = 0;
  std::int64_t step_rows_ = 2048;
  std::int64_t sampling_seed_ = 0;
  std::string label_;
  bool struck_ = false;
  std::ofstream steps_;
  std::vector<base::Random> random_;  // one a request
};

}  // namespace llem::worker
