#pragma once

// Owns: the sampler threads. Samples leave them in fixed blocks through a lock-free queue; nothing
// in a thread allocates, locks, logs or does I/O. Deadlines are absolute (k × period from the start
// or the last change of rate), so the rate never drifts; a tick that comes too late skips whole
// periods and counts them.

#include <memory>
#include <vector>

#include "domain/channel.hpp"
#include "domain/recording.hpp"
#include "meters/meter.hpp"

namespace llem::meters {

class Sampler {
 public:
  /// Numbers the channels of `meters` in order. Meters whose period is the sampling period run on
  /// the fast thread, the others on the slow one. `meters` must outlive the sampler.
  Sampler(std::vector<Meter*> meters, double hz);
  ~Sampler();
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  /// Reads the slow meters once, so that a reading of each precedes whatever comes next.
  void start();
  /// Joins both threads and reads every meter once more, so that readings lie on both sides of
  /// whatever came before; everything sampled can then be drained.
  void stop();
  /// Adds a meter while running (the worker's process, which exists only after load began) on the
  /// slow thread.
  void add(Meter* meter);

  /// Reads the fast meters every millisecond while on: where nothing runs whose work it could
  /// disturb, and readings are to be placed in time (docs/methodology/energy.md). The rate and the
  /// lateness of statistics() are those of the other times.
  void quicken(bool on);

  const std::vector<domain::Channel>& channels() const;
  /// Appends all samples so far to `traces` (grown to the number of channels). Called by the wait
  /// loop.
  void drain(std::vector<domain::Trace>& traces);
  /// Rate and lateness outside quickened times, and CPU time, since start().
  domain::SamplerRecord statistics() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace llem::meters
