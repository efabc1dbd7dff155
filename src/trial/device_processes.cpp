#include <algorithm>

#include "sys/process_tree.hpp"
#include "trial/recorder.hpp"

namespace llem::trial {

void Recorder::note_device_processes() {
  if (!ports_.meters.gpu_processes || !engine_) {
    return;
  }
  const pid_t leader = engine_->process_group();
  const auto table = sys::read_process_table();
  const auto descendants = sys::descendants_of(table, leader);
  for (domain::DeviceProcess& process : ports_.meters.gpu_processes()) {
    process.own =
        process.pid == leader || std::ranges::find(descendants, process.pid) != descendants.end();
    recording_.device_processes.push_back(std::move(process));
  }
}

}  // namespace llem::trial
