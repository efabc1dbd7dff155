// The test engine's program. It plays what `deploy.scripted` says; see script.hpp for the words.

#include <chrono>
#include <thread>

#include "scripted/faults.hpp"
#include "scripted/scripted_engine.hpp"
#include "support/streams.hpp"
#include "support/worker.hpp"

int main() {
  using namespace llem;  // NOLINT(google-build-using-namespace)
  worker::HostLink link(worker::take_streams());
  const auto config = worker::read_own_config();
  if (!config) {
    return worker::report(link, config.error());
  }
  const auto script = worker::read_script(config->deploy);
  if (!script) {
    return worker::report(link, script.error());
  }
  worker::Faults faults(*script, link);
  faults.begin();
  std::this_thread::sleep_for(std::chrono::duration<double>(script->slow_start_s));
  if (const auto struck = faults.strike("before_hello"); !struck) {
    return worker::report(link, struck.error());
  }
  worker::ScriptedEngine engine(*script, faults);
  return worker::run_worker(link, *config, engine);
}
