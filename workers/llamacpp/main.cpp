// The llama.cpp worker: the only program that links libllama.

#include "llamacpp/llamacpp_engine.hpp"
#include "support/streams.hpp"
#include "support/worker.hpp"

int main() {
  using namespace llem;  // NOLINT(google-build-using-namespace)
  worker::HostLink link(worker::take_streams());
  const auto config = worker::read_own_config();
  if (!config) {
    return worker::report(link, config.error());
  }
  worker::LlamacppEngine engine;
  return worker::run_worker(link, *config, engine);
}
