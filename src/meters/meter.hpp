#pragma once

// Owns: the edge to sensors. A meter reads its channels into a block and stamps each call itself; a
// channel that fails is absent, never zero.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/quantity.hpp"
#include "domain/channel.hpp"
#include "domain/recording.hpp"
#include "sys/clock.hpp"

namespace llem::meters {

class Meter {
 public:
  virtual ~Meter() = default;
  virtual std::span<const domain::Channel> channels() const = 0;
  /// Reads once. `first_channel` is the index of channels()[0] in the recording. Allocates nothing.
  virtual void read(std::uint16_t first_channel, domain::SampleBlock& block) noexcept = 0;
  /// How often reading makes sense: energy and power at the sampling rate, the rest slower.
  virtual Seconds period(Seconds sampling_period) const = 0;
  /// Reads that failed so far, and whether the device is gone for good.
  virtual std::int64_t failed_reads() const noexcept = 0;

  virtual bool lost() const noexcept { return false; }
};

/// What was found of one meter family, for doctor and config: every answer says what it costs and
/// the fix.
struct MeterFinding {
  std::string meter;     // nvml, rapl, host
  std::string state;     // ok, degraded, missing
  std::string detail;    // devices and resolution, or what is wrong
  std::string accuracy;  // what it means for the number
  std::string fix;       // the command or setting that mends it; empty when ok
};

struct MeterOptions {
  std::vector<std::string> meters;   // nvml, rapl, host; empty = every one that works
  std::vector<std::string> devices;  // GPUs by UUID, PCI address or index; empty = all visible
                                     // (CUDA_VISIBLE_DEVICES honoured)
  bool gpus_used = true;             // whether the deployment uses GPUs at all
};

struct MeterSet {
  std::vector<std::unique_ptr<Meter>> meters;
  std::vector<domain::Device> devices;
  std::vector<MeterFinding> findings;
  /// Lists the processes on the GPUs now; empty where there is no GPU.
  std::function<std::vector<domain::DeviceProcess>()> gpu_processes;
};

/// Opens every meter asked for. A meter named by the user that cannot be opened is an error of kind
/// preflight; one that merely is not there under "every one that works" is a finding. Libraries
/// come from $LLEM_NVML_LIBRARY or the usual names, procfs and sysfs from $LLEM_SYSFS_ROOT or "/".
Expected<MeterSet> open_meters(const MeterOptions& options);

/// Probes without keeping anything open.
std::vector<MeterFinding> find_meters(const MeterOptions& options);

/// Follows the CPU time, resident memory and involuntary switches of a process group (the
/// worker's), through procfs.
std::unique_ptr<Meter> make_process_meter(int process_group);

}  // namespace llem::meters
