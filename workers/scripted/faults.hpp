#pragma once

// Owns: doing what the script's faults say.

#include <string_view>

#include "scripted/script.hpp"
#include "support/host_link.hpp"

namespace llem::worker {

class Faults {
 public:
  Faults(const Script& script, HostLink& link) : script_(script), link_(link) {}

  /// Children and signals that last for the whole life of the worker.
  void begin();
  /// Strikes if the script says so here; may not return. The error is the one the script wants
  /// reported.
  Expected<void> strike(std::string_view moment);

 private:
  const Script& script_;
  HostLink& link_;
};

}  // namespace llem::worker
