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
  const auto own = [&](pid_t pid) {
    // A helper that its parent left behind is still of the engine's group or session.
    const auto entry = std::ranges::find(table, pid, &sys::ProcessEntry::pid);
    return pid == leader || std::ranges::find(descendants, pid) != descendants.end() ||
           (entry != table.end() && (entry->group == leader || entry->session == leader));
  };
  for (domain::DeviceProcess& process : ports_.meters.gpu_processes()) {
    process.own = own(static_cast<pid_t>(process.pid));
    recording_.device_processes.push_back(std::move(process));
  }
}

}  // namespace llem::trial
