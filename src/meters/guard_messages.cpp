#include "meters/guard_messages.hpp"

#include <array>

namespace llem::meters {

using base::field;

const base::Table& GuardOrder::table() {
  static constexpr std::array fields{
      field<&GuardOrder::library>("library", "NVML to open", {.required = true}),
      field<&GuardOrder::devices>("devices", "Devices to watch", {.required = true}),
      field<&GuardOrder::power_limit>("power_limit", "Whether the power limit will be changed"),
      field<&GuardOrder::sm_clock>("sm_clock", "Whether SM clocks will be locked"),
      field<&GuardOrder::memory_clock>("memory_clock", "Whether memory clocks will be locked"),
      field<&GuardOrder::lock_directory>("lock_directory", "Folder of the lock files"),
      field<&GuardOrder::report>("report", "File for an outcome that nobody reads")};
  static constexpr base::Table table{"guard_order", "What the device guard is to watch", fields};
  return table;
}

const base::Table& OriginalState::table() {
  static constexpr std::array fields{
      field<&OriginalState::device>("device", "Device", {.required = true}),
      field<&OriginalState::power_limit_mw>("power_limit_mw", "Power limit before",
                                            {.unit = "mW", .min = 1}),
      field<&OriginalState::unlock_sm>("unlock_sm", "Whether to unlock the SM clocks"),
      field<&OriginalState::unlock_memory>("unlock_memory", "Whether to unlock the memory clocks")};
  static constexpr base::Table table{"original_state", "A device before it was changed", fields};
  return table;
}

const base::Table& GuardReady::table() {
  static constexpr std::array fields{
      field<&GuardReady::pid>("pid", "Process of the guard"),
      field<&GuardReady::originals>("originals", "The devices before"),
      field<&GuardReady::error>("error", "Why it is not ready"),
      field<&GuardReady::hint>("hint", "What to do about it")};
  static constexpr base::Table table{"guard_ready", "The guard's first answer", fields};
  return table;
}

const base::Table& GuardOutcome::table() {
  static constexpr std::array fields{
      field<&GuardOutcome::restored>("restored", "Whether every device is as it was"),
      field<&GuardOutcome::originals>("originals", "The devices before"),
      field<&GuardOutcome::error>("error", "What could not be put back")};
  static constexpr base::Table table{"guard_outcome", "The guard's last word", fields};
  return table;
}

}  // namespace llem::meters
